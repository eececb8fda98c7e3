import { describe, expect, test } from 'vitest'
import { createJsonLog } from '../../src/outputs/log.ts'
import { failure, success } from '../support/results.ts'
import { checkOf, known, taskOf } from '../support/tasks.ts'

describe('the log of a check', () => {
  const stream = taskOf(known('a'), checkOf('udp', { protocol: 'udp', isStream: true }))

  test('has every failure and recovery, unless it is a stream', () => {
    const { log, messages } = setUp()
    log.attempted(taskOf(), failure(), { change: 'began-failing' })
    log.attempted(taskOf(), success(), { change: 'recovered', outageMs: 10_000 })
    expect(messages()).toEqual(['probe failed', 'probe recovered'])
  })

  test('of a stream has no packet that is lost alone, however often', () => {
    const { log, messages } = setUp()
    for (let time = 0; time < 3; time++) {
      log.attempted(stream, failure(), { change: 'began-failing' })
      log.attempted(stream, success(), { change: 'recovered', outageMs: 500 })
    }
    expect(messages()).toEqual([])
  })

  test('of a stream has a second failure in a row, once, and the recovery from it', () => {
    const { log, messages } = setUp()
    log.attempted(stream, failure(), { change: 'began-failing' })
    log.attempted(stream, failure(1_000, 'local-error'), { change: 'steady' })
    log.attempted(stream, success(), { change: 'set-aside' })
    for (let time = 0; time < 2; time++) log.attempted(stream, failure(), { change: 'steady' })
    log.attempted(stream, success(), { change: 'recovered', outageMs: 1_500 })
    expect(messages()).toEqual(['probe failed', 'probe recovered'])
  })
})

function setUp() {
  const lines: string[] = []
  const log = createJsonLog({
    level: 'info',
    self: { name: 'a', node: 'node-1' },
    output: {
      write(line) {
        lines.push(line)
      },
    },
  })
  return { log, messages: () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg) }
}
