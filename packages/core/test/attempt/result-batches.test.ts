import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createResultBatches } from '../../src/attempt/result-batches.ts'
import type { FailureReason } from '../../src/model/failure.ts'
import type { Result } from '../../src/probes/result.ts'
import { nowNs } from '../../src/time/clock.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'hrtime'] })
})

afterEach(() => {
  vi.useRealTimers()
})

describe('results are delivered', () => {
  test('at once if they are the first of their task', async () => {
    const { add, delivered } = setUp()
    add(1)
    await soon()
    expect(delivered).toEqual(['1 ok'])
  })

  test('together, a second after the first of them, if the outcome of their tasks has not changed', async () => {
    const { add, delivered } = setUp()
    add(1)
    add(2)
    await soon()
    delivered.length = 0
    add(1)
    await vi.advanceTimersByTimeAsync(600)
    add(2)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(399)
    expect(delivered).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(delivered).toEqual(['1 ok, 2 ok'])
  })

  test.each<{ what: string; before?: FailureReason; after?: FailureReason; isAtOnce: boolean }>([
    { what: 'at once if it is a failure', after: 'timeout', isAtOnce: true },
    { what: 'at once if it is a further failure', before: 'timeout', after: 'timeout', isAtOnce: true },
    { what: 'at once if it is a success after a failure', before: 'timeout', isAtOnce: true },
    { what: 'at once if it is the first that is unable', after: 'not-permitted', isAtOnce: true },
    { what: 'later if it is unable again', before: 'not-permitted', after: 'not-permitted', isAtOnce: false },
  ])('$what', async ({ before, after, isAtOnce }) => {
    const { add, delivered } = setUp()
    add(1, before)
    await soon()
    delivered.length = 0
    add(1, after)
    await soon()
    expect(delivered).toHaveLength(isAtOnce ? 1 : 0)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(delivered).toHaveLength(1)
  })

  test('with those that waited, in the order in which they ended', async () => {
    const { add, delivered } = setUp()
    for (const number of [1, 2]) add(number)
    await soon()
    add(1)
    add(2, 'refused')
    add(1)
    await soon()
    expect(delivered).toEqual(['1 ok, 2 ok', '1 ok, 2 refused, 1 ok'])
  })

  test('as one batch if they end in one turn of the event loop', async () => {
    const { add, delivered } = setUp()
    for (const number of [1, 2, 3]) add(number, 'timeout')
    await soon()
    expect(delivered).toEqual(['1 timeout, 2 timeout, 3 timeout'])
  })

  test('at once again for a task that was forgotten', async () => {
    const { add, delivered, batches } = setUp()
    add(1)
    await soon()
    batches.forget([1])
    add(1)
    await soon()
    expect(delivered).toEqual(['1 ok', '1 ok'])
  })

  test('earlier if the process is awake and would have to wake up for them', async () => {
    const { add, delivered, batches } = setUp()
    add(1)
    await soon()
    add(1)
    batches.flushBefore(nowNs() + 0.9e9)
    expect(delivered).toEqual(['1 ok'])
    batches.flushBefore(nowNs() + 1.1e9)
    expect(delivered).toEqual(['1 ok', '1 ok'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('when asked, and then leave no timer', () => {
    const { add, delivered, batches } = setUp()
    add(1)
    batches.flush()
    batches.flush()
    expect(delivered).toEqual(['1 ok'])
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('a delivery without results tells of counters that changed, within a second', async () => {
  const { delivered, batches } = setUp()
  batches.touch()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(delivered).toEqual([''])
})

function setUp() {
  const delivered: string[] = []
  const batches = createResultBatches((results) =>
    delivered.push(
      results.map(({ number, result }) => `${number} ${result.ok ? 'ok' : result.failure.reason}`).join(', '),
    ),
  )
  return {
    batches,
    delivered,
    add: (number: number, reason?: FailureReason) =>
      batches.add({ number, startedNs: nowNs(), result: resultOf(reason) }),
  }
}

/** Lets what is due at once happen. */
async function soon() {
  await vi.advanceTimersByTimeAsync(0)
}

function resultOf(reason: FailureReason | undefined): Result {
  const measured = {
    protocol: 'udp',
    target: '127.0.0.1:9',
    startedAtMs: 0,
    phasesNs: {},
    totalNs: 0,
    clock: { tx: 'user', rx: 'user' },
  } as const
  return reason === undefined
    ? { ...measured, ok: true, detail: {} }
    : { ...measured, ok: false, failure: { reason, phase: 'setup', message: reason } }
}
