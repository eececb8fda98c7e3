import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { blockFor } from '../../../../test/support/block.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { describeWith, nativePart } from '../../../../test/support/requirements.ts'
import { listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../../test/support/stamp.ts'
import { createPacketRounds } from '../../src/attempt/packet-rounds.ts'
import { createProber } from '../../src/attempt/prober.ts'
import { createResultBatches } from '../../src/attempt/result-batches.ts'
import { prepare } from '../../src/attempt/run.ts'
import type { NumberedResult, PreparedTask, Task, TaskResult } from '../../src/attempt/task.ts'
import { engineCounts } from '../../src/net/native/engine-thread.ts'
import type { Asked, Asker, Timing } from '../../src/net/packets/question.ts'
import { createSockets } from '../../src/net/sockets.ts'
import { probeNamed } from '../../src/probes/index.ts'
import { OwnSession } from '../../src/probes/session.ts'
import { nowNs } from '../../src/time/clock.ts'

describeWith(nativePart)('tasks of the packet engine', () => {
  test('are counted together with those of this thread', async () => {
    const { prober, countOf } = setUp()
    const silent = await listenUdp(() => {})
    const tcpPort = await listenTcp(() => {})
    await prober.setTasks([
      taskOf('udp', await echoTarget(), 20),
      { ...taskOf('tcp', `127.0.0.1:${tcpPort}`, 20), protocol: 'tcp' },
      taskOf('silent', `127.0.0.1:${silent.address().port}`, 20),
    ])
    await eventually(() => countOf('udp') >= 5 && countOf('tcp') >= 5, 'results of both')
    const { started, inFlight } = prober.schedule()
    expect(started).toBeGreaterThanOrEqual(countOf('udp') + countOf('tcp'))
    expect(inFlight).toBeGreaterThan(0)
    expect(inFlight).toBeLessThan(started)
  })

  test('end when they are removed, like those of this thread', async () => {
    const { prober, countOf } = setUp()
    const tcpPort = await listenTcp(() => {})
    const tcp: Task = { ...taskOf('tcp', `127.0.0.1:${tcpPort}`, 20), protocol: 'tcp' }
    await prober.setTasks([taskOf('udp', await echoTarget(), 20), tcp])
    await eventually(() => countOf('udp') > 0 && countOf('tcp') > 0, 'results of both')
    await prober.setTasks([])
    const before = countOf('udp') + countOf('tcp')
    await prober.setTasks([taskOf('other', await echoTarget(), 20)])
    await eventually(() => countOf('other') >= 10, 'results of another')
    expect(countOf('udp') + countOf('tcp')).toBe(before)
  })

  test('count the results that are lost because this thread is busy', async () => {
    const { prober, countOf } = setUp()
    const target = await echoTarget()
    await prober.setTasks([
      ...Array.from({ length: 64 }, (_, index) => taskOf(`${index}`, `127.0.0.1:9`, 1)),
      taskOf('answered', target, 100),
    ])
    await eventually(() => countOf('answered') > 0, 'a result')
    const untilMs = performance.now() + 10_000
    while (engineCounts().lost === 0 && performance.now() < untilMs) blockFor(100)
    await eventually(() => prober.schedule().lost > 0, 'lost results')
  })
})

test('one timer reads the results of all tasks of the engine, until the last is removed or all stop', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const { add, rounds } = standIn(() => () => {})
  expect(vi.getTimerCount()).toBe(0)
  for (const number of [1, 2]) add(number)
  rounds.remove(new Set([1]))
  expect(vi.getTimerCount()).toBe(1)
  rounds.remove(new Set([2]))
  expect(vi.getTimerCount()).toBe(0)
  add(3)
  expect(vi.getTimerCount()).toBe(1)
  rounds.stop()
  expect(vi.getTimerCount()).toBe(0)
})

describe('a task that the packet engine cannot take', () => {
  test('is left to this thread', () => {
    const { add, left } = standIn(() => {
      throw Object.assign(new Error('the lane has ended'), { code: 'EIO' })
    })
    add(1)
    expect(left).toEqual([1])
  })

  test('because of a bug is not hidden', () => {
    const { add, left } = standIn(() => {
      throw new TypeError('a defect')
    })
    expect(() => add(1)).toThrow('a defect')
    expect(left).toEqual([])
  })

  test('is not left to this thread if the engine took it', () => {
    const { add, left } = standIn(() => () => {})
    add(1)
    expect(left).toEqual([])
  })
})

test('streams of all places are due together, and their answers become one result an interval', () => {
  const asked: Timing['rounds'][] = []
  const { add } = standIn((_, { rounds }) => {
    asked.push(rounds)
    return () => {}
  })
  for (const placeNs of [0, 3e8, 9e8]) add(1, { place: { placeNs: placeNs + 7, intervalNs: 1e9 }, perInterval: 10 })
  expect(asked).toEqual(Array(3).fill(expect.objectContaining({ intervalMs: 100, condensed: 10 })))
  expect(new Set(asked.map((rounds) => (rounds?.dueNs ?? 0) % 1e8))).toEqual(new Set([7]))
  for (const rounds of asked) expect((rounds?.dueNs ?? 0) - nowNs()).toBeLessThan(1e8)
})

describe('results of a stream', () => {
  const loss = (startedNs: number): Asked => ({
    fate: { kind: 'silent', mayBeOurs: false },
    startedNs,
    endedNs: startedNs + 1e9,
    startedAtMs: 0,
  })

  test('come in the order in which its attempts started, though a loss is known last', () => {
    const { give, starts } = stream()
    const beganNs = nowNs() - 10e9
    give(loss(beganNs))
    give(loss(beganNs + 3e8))
    expect(starts()).toEqual([beganNs, beganNs + 3e8])
    const lateNs = nowNs()
    give(loss(lateNs)) // the attempts before it may still be answered
    give(loss(lateNs - 1e8))
    expect(starts()).toEqual([beganNs, beganNs + 3e8])
  })

  test('are all there before a task ends', () => {
    const { give, starts, rounds } = stream()
    const startedNs = [nowNs() - 10e9, nowNs()]
    for (const one of startedNs) give(loss(one))
    rounds.collect(new Set([2]))
    expect(starts()).toEqual(startedNs.slice(0, 1))
    rounds.collect(new Set([1]))
    expect(starts()).toEqual(startedNs)
  })

  test('that wait are dropped when it is removed', () => {
    const { give, starts, rounds } = stream()
    const startedNs = [nowNs() - 10e9, nowNs()]
    for (const one of startedNs) give(loss(one))
    rounds.remove(new Set([1]))
    rounds.collect(undefined)
    expect(starts()).toEqual(startedNs.slice(0, 1))
  })

  test('of a task that is no stream come as they end', () => {
    const { give, starts } = stream({ perInterval: 1 })
    const startedNs = [nowNs(), nowNs() - 10e9]
    for (const one of startedNs) give(loss(one))
    expect(starts()).toEqual(startedNs)
  })

  /** Adds a stream of ten attempts a second, whose results are given by hand. */
  function stream(more: Partial<PreparedTask> = { perInterval: 10 }) {
    let give: (asked: Asked) => void = () => {}
    const { add, rounds, results } = standIn((_question, _timing, onAsked) => {
      give = onAsked
      return () => {}
    })
    add(1, more)
    return { rounds, give: (asked: Asked) => give(asked), starts: () => results.map(({ startedNs }) => startedNs) }
  }
})

test('only packets of STAMP are streams, and a task of one packet an interval is none', () => {
  const asked: Timing['rounds'][] = []
  const { add } = standIn((_, { rounds }) => {
    asked.push(rounds)
    return () => {}
  })
  const icmp = probeNamed('icmp')
  add(1, {
    probe: icmp,
    request: prepare(icmp, { target: '127.0.0.1' }, { nameServer: () => '127.0.0.1' }),
    perInterval: 10,
  })
  add(2, { perInterval: 1 })
  const once = { intervalMs: 1_000, dueNs: expect.any(Number) }
  expect(asked).toEqual([once, once])
})

test('counters are the sums of those of both repeaters', () => {
  const { rounds } = standIn(undefined)
  const { started, late, skipped, lost, inFlight } = engineCounts()
  expect(rounds.counters).toEqual({
    started: started + 1,
    late: late + 2,
    skipped: skipped + 3,
    lost: lost + 4,
    inFlight: inFlight + 5,
    waiting: 6,
  })
})

test('a stream that the engine cannot make is left to this thread, which attempts it once an interval', () => {
  const { add, left } = standIn(undefined)
  add(1, { perInterval: 10 })
  expect(left).toEqual([1])
})

function setUp() {
  const results: TaskResult[] = []
  const prober = createProber({ onResults: (batch) => results.push(...batch) })
  onTestFinished(() => prober.close())
  return { prober, countOf: (of: string) => results.filter(({ id }) => id === of).length }
}

function taskOf(id: string, target: string, intervalMs: number): Task {
  return { id, protocol: 'udp', target, intervalMs }
}

async function echoTarget(): Promise<string> {
  const server = await listenUdp((bytes, { port, address }, socket) => socket.send(stampAnswerTo(bytes), port, address))
  return `127.0.0.1:${server.address().port}`
}

/** Repeats tasks by an engine that begins in this way, and by a thread that takes note of what is left to it. */
function standIn(begin: Asker['begin']) {
  const left: number[] = []
  const results: NumberedResult[] = []
  const rounds = createPacketRounds({
    batches: { ...createResultBatches(() => {}), add: (one) => results.push(one) },
    others: {
      counters: { started: 1, late: 2, skipped: 3, lost: 4, inFlight: 5, waiting: 6 },
      add: (tasks) => left.push(...tasks.map(({ number }) => number)),
      collect() {},
      remove() {},
      stop() {},
    },
  })
  onTestFinished(() => rounds.stop())
  const asker: Asker = {
    flows: () => 1,
    ask: () => Promise.reject(new Error('asked once')),
    ...(begin === undefined ? {} : { begin }),
    close() {},
  }
  const probe = probeNamed('udp')
  const taskNumbered = (number: number, more: Partial<PreparedTask>): PreparedTask => ({
    number,
    probe,
    request: prepare(probe, { target: '127.0.0.1:9' }, { nameServer: () => '127.0.0.1' }),
    sockets: { ...createSockets({ onStray() {} }), asker: () => asker },
    session: new OwnSession(),
    place: { placeNs: 0, intervalNs: 1e9 },
    perInterval: 1,
    ...more,
  })
  const add = (number: number, more: Partial<PreparedTask> = {}) => rounds.add([taskNumbered(number, more)])
  return { rounds, left, results, add }
}
