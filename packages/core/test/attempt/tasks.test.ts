import { describe, expect, onTestFinished, test } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { nativePart, testWith } from '../../../../test/support/requirements.ts'
import { listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../../test/support/stamp.ts'
import { createProber, type ProberOptions } from '../../src/attempt/prober.ts'
import type { Task, TaskResult } from '../../src/attempt/task.ts'
import { ScoutError } from '../../src/model/errors.ts'
import { nowNs } from '../../src/time/clock.ts'

describe.each([
  ['in this thread', false],
  ['in a separate thread', true],
] as const)('a prober %s', (_, worker) => {
  const setUp = (options: ProberOptions = {}) => {
    if (worker) assertBuilt('packages/core')
    const batches: (readonly TaskResult[])[] = []
    const prober = createProber({ ...options, worker, onResults: (results) => batches.push(results) })
    onTestFinished(() => prober.close())
    return { prober, batches, resultsOf: (id: string) => batches.flat().filter((result) => result.id === id) }
  }

  test('attempts its tasks once an interval and delivers the results', async () => {
    const { target } = await echo()
    const { prober, resultsOf } = setUp()
    const beforeNs = nowNs()
    await prober.setTasks([udp('a', target), udp('b', target)])
    await eventually(() => resultsOf('a').length >= 3 && resultsOf('b').length >= 3, 'three results each')
    for (const id of ['a', 'b']) {
      const results = resultsOf(id)
      for (const { result } of results) expect(result).toMatchObject({ ok: true, protocol: 'udp', target })
      const startsNs = results.map(({ startedNs }) => startedNs)
      expect(startsNs[0]).toBeGreaterThan(beforeNs)
      expect(startsNs.at(-1)).toBeLessThan(nowNs())
      const gapMs = ((startsNs[2] ?? 0) - (startsNs[0] ?? 0)) / 2e6
      expect(gapMs / everyMs).toBeGreaterThan(0.5)
      expect(gapMs / everyMs).toBeLessThan(2)
    }
    const { started, late, waiting } = prober.schedule()
    expect(started).toBeGreaterThanOrEqual(6)
    expect({ late, waiting }).toEqual({ late: 0, waiting: 0 })
  })

  test('delivers successes in batches and a failure at once', async () => {
    const { target } = await echo()
    const silent = await listenUdp(() => {})
    const { prober, batches, resultsOf } = setUp()
    await prober.setTasks([udp('answered', target, 50)])
    await eventually(() => resultsOf('answered').length >= 8, 'two batches')
    // After the first result, those of up to a second come together.
    expect(batches.length).toBeLessThan(resultsOf('answered').length / 2)
    await prober.setTasks([{ ...udp('silent', `127.0.0.1:${silent.address().port}`), options: { timeoutMs: 20 } }])
    await eventually(() => resultsOf('silent').length > 0, 'the failure')
    const [failure] = resultsOf('silent')
    expect(failure?.result).toMatchObject({ ok: false, failure: { reason: 'timeout' } })
    expect((nowNs() - (failure?.startedNs ?? 0)) / 1e6).toBeLessThan(500)
  })

  testWith(nativePart)('keeps the session of a task that stays while others come', async () => {
    const ports: number[] = []
    const { target } = await echo((port) => ports.push(port))
    const { prober } = setUp()
    await prober.setTasks([udp('a', target, 10)])
    await eventually(() => ports.length >= 4, 'four attempts')
    await prober.setTasks([udp('a', target, 10), { ...udp('other', target), protocol: 'tcp' }])
    await eventually(() => new Set(ports).size === 16, 'all sixteen ports')
    // They are used in turn: by chance it would take 54 attempts on average.
    expect(ports.length).toBeLessThan(32)
  })

  test('cancels and forgets removed tasks', async () => {
    let asked = 0
    const silent = await listenUdp(() => asked++)
    const { prober, batches } = setUp()
    await prober.setTasks([udp('silent', `127.0.0.1:${silent.address().port}`)])
    await eventually(() => asked >= 2, 'attempts in flight')
    await prober.setTasks([])
    asked = 0
    const { target } = await echo()
    await prober.setTasks([udp('answered', target)])
    await eventually(() => prober.schedule().inFlight < 2 && batches.length >= 2, 'later results')
    expect(asked).toBe(0)
    expect(new Set(batches.flat().map(({ id }) => id))).toEqual(new Set(['answered']))
  })

  test('attempts a task whose target changed at its new target, with results of that only', async () => {
    let askedBefore = 0
    const before = await listenUdp(() => askedBefore++)
    const { target } = await echo()
    const { prober, resultsOf } = setUp()
    await prober.setTasks([udp('a', `127.0.0.1:${before.address().port}`)])
    await eventually(() => askedBefore > 0, 'an attempt at the first target')
    await prober.setTasks([udp('a', target)])
    await eventually(() => resultsOf('a').length > 1, 'results')
    expect(new Set(resultsOf('a').map(({ result }) => result.target))).toEqual(new Set([target]))
  })

  test('attempts a task whose options changed with its new options', async () => {
    const silent = await listenUdp(() => {})
    const { prober, resultsOf } = setUp()
    const task = udp('a', `127.0.0.1:${silent.address().port}`)
    await prober.setTasks([{ ...task, options: { timeoutMs: 600_000 } }])
    await prober.setTasks([{ ...task, options: { timeoutMs: 20 } }])
    await eventually(() => resultsOf('a').length > 0, 'a timeout')
  })

  test('rejects misuse before anything runs, and keeps the tasks it had', async () => {
    const { target } = await echo()
    let asked = 0
    const other = await listenUdp(() => asked++)
    const { prober, resultsOf } = setUp()
    const kept = udp('kept', target)
    await prober.setTasks([kept])
    const good = udp('good', `127.0.0.1:${other.address().port}`)
    const misuses: readonly (readonly Task[])[] = [
      [good, { ...good, id: 'bad', protocol: 'upd' }],
      [good, { ...good, id: 'bad', target: 'nowhere' }],
      [good, { ...good, id: 'bad', options: { timeoutMs: 0 } }],
      [good, { ...good, id: 'bad', options: { callback: () => {} } }],
      [good, { ...good, id: 'bad', vantage: 'moon' }],
      [good, { ...good, id: 'bad', intervalMs: 0 }],
      [good, good],
    ]
    for (const tasks of misuses) await expect(prober.setTasks(tasks)).rejects.toBeInstanceOf(ScoutError)
    const before = resultsOf('kept').length
    await eventually(() => resultsOf('kept').length > before + 2, 'further results')
    expect(asked).toBe(0)
    await prober.setTasks([kept, good])
    await eventually(() => asked > 0, 'the good task')
  })

  test('makes at most maxInFlight attempts at a time', async () => {
    const silent = await listenUdp(() => {})
    const { prober } = setUp({ maxInFlight: 2 })
    const target = `name.test@127.0.0.1:${silent.address().port}`
    await prober.setTasks(['a', 'b', 'c', 'd', 'e'].map((id) => ({ ...udp(id, target), protocol: 'dns' })))
    await eventually(() => prober.schedule().waiting === 5, 'each waits for its next attempt')
    expect(prober.schedule()).toMatchObject({ started: 2, inFlight: 2 })
  })

  test('delivers the results it has when it is closed, and none of the attempts it cancels', async () => {
    let answered = 0
    const { target } = await echo(() => answered++)
    const silent = await listenUdp(() => {})
    const { prober, batches, resultsOf } = setUp()
    await prober.setTasks([udp('a', target, 10), udp('silent', `127.0.0.1:${silent.address().port}`, 10)])
    await eventually(() => batches.length > 0, 'the first result')
    const before = answered
    await eventually(() => answered >= before + 5, 'results that wait')
    prober.close()
    // Answers that it has not read yet are those of cancelled attempts.
    await eventually(() => resultsOf('a').length >= answered - 3, 'the rest')
    expect(resultsOf('silent')).toEqual([])
    await expect(prober.setTasks([])).rejects.toThrow('this prober is closed')
  })
})

test('a closed prober leaves nothing open', async () => {
  const { target } = await echo()
  const allClosed = await watchHandles()
  let results = 0
  const prober = createProber({ onResults: (batch) => (results += batch.length) })
  await prober.setTasks([udp('a', target, 20), { ...udp('b', target, 20), protocol: 'tcp' }])
  await eventually(() => results > 2, 'results')
  prober.close()
  await allClosed()
})

test('requests of one batch do not overlap', async () => {
  let open = 0
  let overlapping = 0
  let requests = 0
  const port = await listenTcp((socket) => {
    requests++
    if (open++ > 0) overlapping++
    socket.on('data', () => {
      open--
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    })
  })
  const prober = createProber()
  onTestFinished(() => prober.close())
  const tasks = Array.from({ length: 10 }, (_, index) => ({
    ...udp(`http ${index}`, `http://127.0.0.1:${port}/`),
    protocol: 'http',
  }))
  await prober.setTasks(tasks)
  await eventually(() => requests >= 60, 'several batches')
  // On a busy machine some take longer than they are waited for. All at once, nine of ten would overlap.
  expect(overlapping).toBeLessThan(requests / 4)
})

const everyMs = 100

function udp(id: string, target: string, intervalMs = everyMs): Task {
  return { id, protocol: 'udp', target, intervalMs }
}

/** Answers probes over UDP. */
async function echo(onAsked: (port: number) => void = () => {}) {
  const server = await listenUdp((bytes, { port, address }, socket) => {
    onAsked(port)
    socket.send(stampAnswerTo(bytes), port, address)
  })
  return { target: `127.0.0.1:${server.address().port}` }
}
