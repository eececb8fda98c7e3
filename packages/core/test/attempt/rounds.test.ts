import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { blockFor } from '../../../../test/support/block.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import type { Place } from '../../src/attempt/placement.ts'
import { createResultBatches } from '../../src/attempt/result-batches.ts'
import { createRounds } from '../../src/attempt/rounds.ts'
import { prepare } from '../../src/attempt/run.ts'
import type { NumberedResult, PreparedTask, Repeater } from '../../src/attempt/task.ts'
import { createSockets } from '../../src/net/sockets.ts'
import { type Protocol, probeNamed } from '../../src/probes/index.ts'
import type { Result } from '../../src/probes/result.ts'
import { OwnSession } from '../../src/probes/session.ts'
import { nowNs } from '../../src/time/clock.ts'

const intervalMs = 10_000
const intervalNs = intervalMs * 1e6

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'hrtime'] })
})

afterEach(() => {
  vi.useRealTimers()
})

describe('each task runs once an interval', () => {
  test('at its place', async () => {
    const { rounds, startsMs } = setUp()
    rounds.add([
      taskOf(1, { placeMs: 2_000 }),
      taskOf(2, { placeMs: 7_000 }),
      taskOf(3, { placeMs: 1_000, everyMs: 30_000 }),
    ])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(startsMs(1)).toEqual([2_000, 12_000, 22_000, 32_000, 42_000, 52_000])
    expect(startsMs(2)).toEqual([7_000, 17_000, 27_000, 37_000, 47_000, 57_000])
    expect(startsMs(3)).toEqual([1_000, 31_000])
  })

  test('while others come and go', async () => {
    const { rounds, startsMs } = setUp()
    rounds.add([taskOf(1, { placeMs: 2_000 }), taskOf(2, { placeMs: 2_000 })])
    await vi.advanceTimersByTimeAsync(15_000)
    rounds.remove(new Set([2]))
    rounds.add([taskOf(3, { placeMs: 2_000 }), taskOf(4, { placeMs: 6_000 })])
    await vi.advanceTimersByTimeAsync(20_000)
    expect([1, 2, 3, 4].map(startsMs)).toEqual([
      [2_000, 12_000, 22_000, 32_000],
      [2_000, 12_000],
      [22_000, 32_000],
      [16_000, 26_000],
    ])
  })

  test('all that are due together with one timer and one batch of results', async () => {
    const { rounds, deliveries, ran } = setUp()
    rounds.add(numbersTo(100).map((number) => taskOf(number, { placeMs: 2_000 })))
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(intervalMs)
    expect(ran).toHaveLength(100)
    expect(deliveries.map((results) => results.length)).toEqual([100])
  })

  test('together with those that are due in the next millisecond, in the order of their places', async () => {
    const { rounds, startsMs, ran } = setUp()
    rounds.add([
      taskOf(1, { placeMs: 1 }),
      taskOf(2, { placeMs: 0 }),
      taskOf(3, { placeMs: 0.5 }),
      taskOf(4, { placeMs: 3 }),
    ])
    await vi.advanceTimersByTimeAsync(5)
    expect(ran).toEqual([2, 3, 1, 4])
    expect([1, 2, 3, 4].map(startsMs)).toEqual([[0], [0], [0], [3]])
  })

  test('and leave no timer when the last of them is removed', () => {
    const { rounds } = setUp()
    rounds.add([taskOf(1, { placeMs: 5_000 }), taskOf(2, { placeMs: 5_000 })])
    rounds.remove(new Set([1, 3]))
    expect(vi.getTimerCount()).toBe(1)
    rounds.remove(new Set([2]))
    expect(vi.getTimerCount()).toBe(0)
  })

  test('and their counters are delivered within a second, even while no attempt has ended', async () => {
    const { rounds, counted } = setUp({ isHeld: () => true })
    rounds.add([taskOf(1)])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(counted).toEqual([1])
    await vi.advanceTimersByTimeAsync(intervalMs)
    expect(counted).toEqual([1, 2])
  })

  test('at little cost', async () => {
    const { rounds } = setUp()
    const before = process.cpuUsage().user
    rounds.add(
      numbersTo(6_000).map((number) =>
        taskOf(number, { placeMs: (number % 10) * 1_000, everyMs: (1 + (number % 3)) * intervalMs }),
      ),
    )
    await vi.advanceTimersByTimeAsync(6 * intervalMs - 1)
    expect(rounds.counters).toMatchObject({ skipped: 0, late: 0, started: 2_000 * (6 + 3 + 2) })
    // Half a millisecond per attempt is fifty times the usual cost.
    expect((process.cpuUsage().user - before) / 1_000).toBeLessThan(22_000 * 0.5)
  })
})

describe('the interval of a task', () => {
  test('decides whether it is late or skipped', async () => {
    const { rounds, finish } = setUp({ maxInFlight: 1, isHeld: (number) => number === 1 })
    rounds.add([taskOf(1)])
    await vi.advanceTimersByTimeAsync(1)
    rounds.remove(new Set([1]))
    rounds.add([taskOf(2, { placeMs: 500, everyMs: 10 * intervalMs }), taskOf(3, { placeMs: 500 })])
    await vi.advanceTimersByTimeAsync(10 * intervalMs)
    expect(rounds.counters).toMatchObject({ waiting: 2, skipped: 9 })
    await finish(1)
    expect(rounds.counters).toMatchObject({ late: 1, waiting: 0 })
  })
})

describe('attempts that run alone', () => {
  test('start one after another when the others of their batch have ended', async () => {
    const { rounds, ran, finish } = setUp({ isHeld: () => true })
    rounds.add([aloneOf(1), taskOf(2), aloneOf(3), taskOf(4)])
    await vi.advanceTimersByTimeAsync(1)
    expect(ran).toEqual([2, 4])
    await finish(2)
    expect(ran).toEqual([2, 4])
    await finish(4)
    expect(ran).toEqual([2, 4, 1])
    await finish(1)
    expect(ran).toEqual([2, 4, 1, 3])
  })

  test('wait 10 ms for one that hangs, and no longer', async () => {
    const { rounds, ran, startsMs } = setUp({ isHeld: () => true })
    rounds.add([aloneOf(1), aloneOf(2), aloneOf(3)])
    await vi.advanceTimersByTimeAsync(9)
    expect(ran).toEqual([1])
    await vi.advanceTimersByTimeAsync(50)
    expect([1, 2, 3].map(startsMs)).toEqual([[0], [10], [20]])
  })

  test('do not wait for those that hang since an earlier batch', async () => {
    const { rounds, startsMs } = setUp({ isHeld: () => true })
    rounds.add([taskOf(1), aloneOf(2, { placeMs: 1_000 })])
    await vi.advanceTimersByTimeAsync(1_500)
    expect(startsMs(2)).toEqual([1_000])
  })

  test('wait for one that started a moment before them', async () => {
    const { rounds, startsMs } = setUp({ isHeld: () => true })
    rounds.add([taskOf(1, { placeMs: 1_000 }), aloneOf(2, { placeMs: 1_005 })])
    await vi.advanceTimersByTimeAsync(1_100)
    expect(startsMs(2)).toEqual([1_015])
  })

  test('have 10 ms each, counted from their own start', async () => {
    const { rounds, startsMs, finish } = setUp({ isHeld: () => true })
    rounds.add([taskOf(1), aloneOf(2), aloneOf(3)])
    await vi.advanceTimersByTimeAsync(4)
    await finish(1)
    await vi.advanceTimersByTimeAsync(100)
    expect([2, 3].map(startsMs)).toEqual([[4], [14]])
  })

  test('do not wait longer because others start meanwhile', async () => {
    const { rounds, startsMs } = setUp({ isHeld: () => true })
    rounds.add([taskOf(1), aloneOf(2), taskOf(3, { placeMs: 6 }), taskOf(4, { placeMs: 9 })])
    await vi.advanceTimersByTimeAsync(100)
    expect([2, 3, 4].map(startsMs)).toEqual([[10], [6], [9]])
  })

  test('do not fall behind, however many of them hang', async () => {
    const { rounds, ran } = setUp({ isHeld: () => true })
    rounds.add(numbersTo(300).map((number) => aloneOf(number)))
    // The last hundred wait for 10 ms each, those before them for less.
    await vi.advanceTimersByTimeAsync(2_500)
    expect(ran).toHaveLength(300)
  })

  test('are not overtaken for ever when all means are in use', async () => {
    const { rounds, ran, finish } = setUp({ maxInFlight: 1, isHeld: () => true })
    rounds.add([taskOf(1), taskOf(2, { placeMs: 1_000 }), aloneOf(3, { placeMs: 500 })])
    await vi.advanceTimersByTimeAsync(1_500)
    await finish(1)
    expect(ran).toEqual([1, 3])
  })
})

test('does not run a removed task, even if it was waiting', async () => {
  const { rounds, ran, finish } = setUp({ maxInFlight: 1, isHeld: (number) => number === 1 })
  rounds.add([taskOf(1), ...[2, 3, 4].map((number) => taskOf(number)), aloneOf(5)])
  await vi.advanceTimersByTimeAsync(500)
  expect(rounds.counters.waiting).toBe(4)
  rounds.remove(new Set([2, 3, 4, 5]))
  expect(rounds.counters.waiting).toBe(0)
  await finish(1)
  expect(ran).toEqual([1])
})

test('cancels the attempts of a removed task, drops their results and closes its session', async () => {
  const { rounds, cancelled, deliveries, finish } = setUp({ isHeld: () => true })
  const [kept, removed] = [taskOf(1), taskOf(2)]
  rounds.add([kept, removed])
  await vi.advanceTimersByTimeAsync(1)
  rounds.remove(new Set([2]))
  expect(cancelled).toEqual([2])
  await finish(1)
  await finish(2)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(deliveries.flat().map(({ number }) => number)).toEqual([1])
  const open = () => ({ close() {} })
  await expect(removed.session.hold('it', open)).rejects.toThrow('the session was closed')
  await expect(kept.session.hold('it', open)).resolves.toMatchObject({ isNew: true })
})

describe('at most maxInFlight attempts are in flight', () => {
  test('and the others wait in order', async () => {
    const { rounds, ran, finish } = setUp({ maxInFlight: 2, isHeld: () => true })
    rounds.add(numbersTo(6).map((number) => taskOf(number)))
    await vi.advanceTimersByTimeAsync(1)
    expect(rounds.counters).toMatchObject({ inFlight: 2, waiting: 4, started: 2 })
    await finish(1)
    await finish(2)
    expect(rounds.counters).toMatchObject({ inFlight: 2, waiting: 2, started: 4 })
    expect(ran).toEqual([1, 2, 3, 4])
  })

  test('and a waiting one is not queued again: it counts as skipped', async () => {
    const { rounds } = setUp({ maxInFlight: 1, isHeld: () => true })
    rounds.add([taskOf(1), taskOf(2)])
    await vi.advanceTimersByTimeAsync(4.5 * intervalMs)
    expect(rounds.counters).toMatchObject({ inFlight: 1, waiting: 2, started: 1, skipped: 7 })
  })

  test('and one that waited longer than an interval counts as late', async () => {
    const { rounds, startsMs, finish } = setUp({ maxInFlight: 1, isHeld: (number) => number === 1 })
    rounds.add([taskOf(1), taskOf(2)])
    await vi.advanceTimersByTimeAsync(1)
    rounds.remove(new Set([1]))
    await vi.advanceTimersByTimeAsync(1.5 * intervalMs)
    expect(rounds.counters.late).toBe(0)
    await finish(1)
    expect(startsMs(2)).toHaveLength(1)
    expect(rounds.counters.late).toBe(1)
  })
})

test('attempts of one task overlap when each takes longer than the interval', async () => {
  const { rounds } = setUp({ isHeld: () => true })
  rounds.add([taskOf(1)])
  await vi.advanceTimersByTimeAsync(2.5 * intervalMs)
  expect(rounds.counters).toMatchObject({ inFlight: 3, started: 3, skipped: 0, late: 0 })
})

test('starts nothing after it is stopped, and leaves no timer', async () => {
  const { rounds, batches, finish } = setUp({ maxInFlight: 1, isHeld: () => true })
  rounds.add([taskOf(1), taskOf(2), aloneOf(3)])
  await vi.advanceTimersByTimeAsync(1)
  rounds.stop()
  batches.flush()
  await finish(1)
  expect(rounds.counters).toMatchObject({ started: 1, inFlight: 0, waiting: 0 })
  expect(vi.getTimerCount()).toBe(0)
})

test('an event loop that was blocked skips attempts and does not make up for them', async () => {
  vi.useRealTimers()
  const everyMs = 20
  const { rounds, ran } = setUp()
  const beganMs = performance.now()
  rounds.add([taskOf(1, { placeMs: 0, everyMs })])
  await eventually(() => ran.length > 0, 'the first attempt')
  const before = rounds.counters
  blockFor(5.5 * everyMs)
  await eventually(() => ran.length > before.started, 'another attempt')
  const { started, skipped, late } = rounds.counters
  expect(started - before.started).toBe(1)
  expect(skipped - before.skipped).toBeGreaterThanOrEqual(4)
  expect(late - before.late).toBe(1)
  await eventually(() => ran.length > before.started + 5, 'further attempts')
  const after = rounds.counters
  // One more than the intervals that have passed: the first attempt is at the start of one.
  const most = (performance.now() - beganMs) / everyMs + 2
  expect(after.started + after.skipped).toBeLessThan(most)
})

test('a block skips the attempts of every task of a round', async () => {
  const { rounds } = setUp()
  rounds.add([taskOf(1), taskOf(2), taskOf(3)])
  await vi.advanceTimersByTimeAsync(1)
  const unblocked = process.hrtime.bigint.bind(process.hrtime)
  const clock = vi.spyOn(process.hrtime, 'bigint').mockImplementation(() => unblocked() + BigInt(2 * intervalNs))
  onTestFinished(() => clock.mockRestore())
  await vi.advanceTimersByTimeAsync(intervalMs)
  expect(rounds.counters).toMatchObject({ started: 6, skipped: 6 })
})

test('after a block, attempts keep their places, however many rounds they missed', async () => {
  const { rounds, startsMs } = setUp()
  rounds.add(numbersTo(9).map((number) => taskOf(number, { placeMs: number * 1_000 })))
  await vi.advanceTimersByTimeAsync(intervalMs)
  let blockedNs = 1.6e10
  const unblocked = process.hrtime.bigint.bind(process.hrtime)
  const clock = vi.spyOn(process.hrtime, 'bigint').mockImplementation(() => unblocked() + BigInt(blockedNs))
  onTestFinished(() => clock.mockRestore())
  await vi.advanceTimersByTimeAsync(3 * intervalMs)
  blockedNs = 0
  for (const number of numbersTo(9)) {
    const [first = 0, , ...later] = startsMs(number)
    for (const ms of later.slice(-2)) expect((ms - first) % intervalMs).toBe(0)
    expect(later.length).toBeGreaterThanOrEqual(1)
  }
})

interface SetUp {
  readonly maxInFlight?: number
  /** Whether the attempts of a task end only when they are told to. */
  readonly isHeld?: (number: number) => boolean
}

function setUp({ maxInFlight = 1_000, isHeld = () => false }: SetUp = {}) {
  const originNs = nowNs()
  const ran: number[] = []
  const starts: { readonly number: number; readonly ms: number }[] = []
  const cancelled: number[] = []
  const held = new Map<number, (() => void)[]>()
  const deliveries: (readonly NumberedResult[])[] = []
  const counted: number[] = []
  const batches = createResultBatches((results) => {
    counted.push(rounds.counters.started)
    if (results.length > 0) deliveries.push(results)
  })
  const rounds: Repeater = createRounds({
    maxInFlight,
    batches,
    start({ number }) {
      ran.push(number)
      starts.push({ number, ms: (nowNs() - originNs) / 1e6 })
      const result = isHeld(number)
        ? new Promise<Result>((resolve) => held.set(number, [...(held.get(number) ?? []), () => resolve(success)]))
        : Promise.resolve(success)
      return { result, cancel: () => void cancelled.push(number) }
    },
  })
  onTestFinished(() => rounds.stop())
  return {
    rounds: {
      ...rounds,
      get counters() {
        return rounds.counters
      },
      // Places in tests count from their start.
      add: (tasks: readonly PreparedTask[]) =>
        rounds.add(tasks.map((task) => ({ ...task, place: placeFrom(originNs, task.place) }))),
    },
    batches,
    ran,
    cancelled,
    deliveries,
    /** How many attempts had started at each delivery. */
    counted,
    startsMs: (of: number) => starts.flatMap(({ number, ms }) => (number === of ? [ms] : [])),
    async finish(number: number) {
      for (const end of held.get(number) ?? []) end()
      held.delete(number)
      await vi.advanceTimersByTimeAsync(0)
    },
  }
}

function placeFrom(originNs: number, { placeNs, intervalNs }: Place): Place {
  return { placeNs: (originNs + placeNs) % intervalNs, intervalNs }
}

interface When {
  readonly placeMs?: number
  readonly everyMs?: number
}

function taskOf(number: number, when: When = {}, protocol: Protocol = 'udp'): PreparedTask {
  const { placeMs = 0, everyMs = intervalMs } = when
  const probe = probeNamed(protocol)
  return {
    number,
    probe,
    request: prepare(probe, { target: '127.0.0.1:9' }, { nameServer: () => '127.0.0.1' }),
    sockets: createSockets({ onStray() {} }),
    session: new OwnSession(),
    place: { placeNs: placeMs * 1e6, intervalNs: (everyMs / intervalMs) * intervalNs },
    perInterval: 1,
  }
}

function aloneOf(number: number, when: When = {}): PreparedTask {
  return taskOf(number, when, 'http')
}

function numbersTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

const success: Result = {
  protocol: 'udp',
  target: '127.0.0.1:9',
  startedAtMs: 0,
  phasesNs: {},
  totalNs: 0,
  clock: { tx: 'user', rx: 'user' },
  ok: true,
  detail: {},
}
