import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createSchedule, type Schedule, type Task } from '../../src/plan/schedule.ts'

const intervalMs = 10_000

/** Start times of each task. */
let startsMs: Map<string, number[]>

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  startsMs = new Map()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('spreads tasks over the interval', () => {
  test('evenly, however many', async () => {
    scheduleOf({}).setTasks(namesOf(1_000).map(quick))
    await vi.advanceTimersByTimeAsync(intervalMs)
    const places = [...startsMs.values()].flat()
    expect(places).toHaveLength(1_000)
    const slices = new Array<number>(20).fill(0)
    for (const place of places) {
      const slice = Math.min(Math.floor((place / intervalMs) * slices.length), slices.length - 1)
      slices[slice] = (slices[slice] ?? 0) + 1
    }
    const expected = places.length / slices.length
    const chiSquare = slices.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    // An even spread stays below this in 99.9 % of cases, with 19 degrees of freedom.
    expect(chiSquare).toBeLessThan(43.8)
  })

  test('and runs each once an interval, always at its offset', async () => {
    scheduleOf({}).setTasks(namesOf(50).map(quick))
    await vi.advanceTimersByTimeAsync(4 * intervalMs)
    for (const starts of startsMs.values()) expect(gapsOf(starts)).toEqual([1, 1, 1])
  })

  test('and keeps the offsets of those that stay while others come and go', async () => {
    const schedule = scheduleOf({})
    schedule.setTasks(namesOf(50).map(quick))
    await vi.advanceTimersByTimeAsync(1.5 * intervalMs)
    schedule.setTasks([...namesOf(25), 'new'].map(quick))
    await vi.advanceTimersByTimeAsync(2 * intervalMs)
    for (const name of namesOf(25)) expect(new Set(gapsOf(startsMs.get(name)))).toEqual(new Set([1]))
    expect(startsMs.get('new')).toHaveLength(2)
  })

  test('and restores the offset of one that returns', async () => {
    const schedule = scheduleOf({})
    schedule.setTasks([quick('a')])
    await vi.advanceTimersByTimeAsync(intervalMs)
    schedule.setTasks([])
    await vi.advanceTimersByTimeAsync(2.3 * intervalMs)
    schedule.setTasks([quick('a')])
    await vi.advanceTimersByTimeAsync(intervalMs)
    const [first = 0, second = 0] = startsMs.get('a') ?? []
    expect(Math.round(second - first) % intervalMs).toBe(0)
  })
})

describe('each task has its own interval', () => {
  test('and is run once in each', async () => {
    const schedule = scheduleOf({})
    schedule.setTasks([quick('often'), { ...quick('rarely'), intervalMs: 3 * intervalMs }])
    await vi.advanceTimersByTimeAsync(9 * intervalMs)
    expect(startsMs.get('often')).toHaveLength(9)
    expect(gapsOf(startsMs.get('rarely'))).toEqual([3, 3])
  })

  test('which decides whether it is late or skipped', async () => {
    const schedule = scheduleOf({ maxInFlight: 1 })
    const blocking = slow('blocking')
    schedule.setTasks([blocking.task])
    await vi.advanceTimersByTimeAsync(intervalMs)
    schedule.setTasks([{ ...quick('rarely'), intervalMs: 10 * intervalMs }, quick('often')])
    await vi.advanceTimersByTimeAsync(10 * intervalMs)
    expect(schedule.counters).toMatchObject({ waiting: 2, skipped: 9 })
    await blocking.finish()
    expect(schedule.counters.late).toBe(1)
  })

  test('and gets a new offset when the interval changes', async () => {
    const schedule = scheduleOf({})
    schedule.setTasks([{ ...quick('a'), intervalMs: 100 * intervalMs }])
    schedule.setTasks([quick('a')])
    await vi.advanceTimersByTimeAsync(2 * intervalMs)
    expect(gapsOf(startsMs.get('a'))).toEqual([1])
  })
})

test('runs the latest function of a known task', async () => {
  const schedule = scheduleOf({})
  schedule.setTasks([quick('a')])
  schedule.setTasks([{ ...quick('a'), run: async () => noteStart('newest') }])
  await vi.advanceTimersByTimeAsync(intervalMs)
  expect([...startsMs.keys()]).toEqual(['newest'])
})

test('shifts all offsets by the phase of its process', async () => {
  const placesOf = async (phase: number) => {
    startsMs = new Map()
    const schedule = scheduleOf({ phase })
    const startMs = performance.now()
    schedule.setTasks(namesOf(20).map(quick))
    await vi.advanceTimersByTimeAsync(intervalMs)
    schedule.stop()
    return new Map([...startsMs].map(([name, [at = 0]]) => [name, at - startMs]))
  }
  const [before, after] = [await placesOf(0), await placesOf(0.25)]
  for (const name of namesOf(20)) {
    const shiftMs = ((after.get(name) ?? 0) - (before.get(name) ?? 0) + intervalMs) % intervalMs
    expect(Math.abs(shiftMs - intervalMs / 4)).toBeLessThan(2)
  }
})

test('handles six thousand tasks with several intervals at little cost', async () => {
  const schedule = scheduleOf({})
  const startMs = process.cpuUsage().user
  schedule.setTasks(
    namesOf(6_000).map((name, index) => ({ ...quick(name), intervalMs: (1 + (index % 3)) * intervalMs })),
  )
  await vi.advanceTimersByTimeAsync(6 * intervalMs)
  expect(schedule.counters).toMatchObject({ skipped: 0, late: 0, started: 2_000 * (6 + 3 + 2) })
  // Half a millisecond per run is fifty times the usual cost.
  expect((process.cpuUsage().user - startMs) / 1_000).toBeLessThan(22_000 * 0.5)
})

test('does not run a removed task, even if it was waiting', async () => {
  const schedule = scheduleOf({ maxInFlight: 1 })
  const { task, finish } = slow('slow')
  schedule.setTasks([task, ...namesOf(3).map(quick)])
  await vi.advanceTimersByTimeAsync(2 * intervalMs)
  expect(schedule.counters.waiting).toBeGreaterThan(0)
  const before = startsMs.size
  schedule.setTasks([task])
  expect(schedule.counters.waiting).toBeLessThanOrEqual(1)
  await finish()
  await vi.advanceTimersByTimeAsync(0)
  expect(startsMs.size).toBe(before)
})

describe('at most maxInFlight runs are in flight', () => {
  test('and the others wait in order', async () => {
    const schedule = scheduleOf({ maxInFlight: 2 })
    const tasks = namesOf(6).map(slow)
    schedule.setTasks(tasks.map(({ task }) => task))
    await vi.advanceTimersByTimeAsync(intervalMs)
    expect(schedule.counters).toMatchObject({ inFlight: 2, waiting: 4, started: 2 })
    const begun = [...startsMs.keys()]
    for (const { name, finish } of tasks) if (begun.includes(name)) await finish()
    expect(schedule.counters).toMatchObject({ inFlight: 2, waiting: 2, started: 4 })
  })

  test('and a waiting one is not queued again: the run counts as skipped', async () => {
    const schedule = scheduleOf({ maxInFlight: 1 })
    const blocking = slow('blocking')
    schedule.setTasks([blocking.task])
    await vi.advanceTimersByTimeAsync(intervalMs)
    schedule.setTasks([blocking.task, quick('patient')])
    await vi.advanceTimersByTimeAsync(5 * intervalMs)
    expect(schedule.counters).toMatchObject({ inFlight: 1, waiting: 2, started: 1, skipped: 8 })
  })

  test('and one that waited longer than an interval counts as late', async () => {
    const schedule = scheduleOf({ maxInFlight: 1 })
    const blocking = slow('blocking')
    schedule.setTasks([blocking.task])
    await vi.advanceTimersByTimeAsync(intervalMs)
    schedule.setTasks([quick('patient')])
    await vi.advanceTimersByTimeAsync(2.5 * intervalMs)
    expect(schedule.counters.late).toBe(0)
    await blocking.finish()
    expect(startsMs.get('patient')).toHaveLength(1)
    expect(schedule.counters.late).toBe(1)
  })
})

test('runs of one task overlap when each takes longer than the interval', async () => {
  const schedule = scheduleOf({ maxInFlight: 10 })
  schedule.setTasks([slow('slow').task])
  await vi.advanceTimersByTimeAsync(3 * intervalMs)
  expect(schedule.counters).toMatchObject({ inFlight: 3, started: 3, skipped: 0, late: 0 })
})

test('reports a run that rejects, and continues', async () => {
  const defects: unknown[] = []
  const schedule = scheduleOf({ onDefect: (error) => defects.push(error) })
  schedule.setTasks([{ key: 'broken', intervalMs, run: () => Promise.reject(new Error('a defect')) }])
  await vi.advanceTimersByTimeAsync(2 * intervalMs)
  expect(defects).toEqual([new Error('a defect'), new Error('a defect')])
  expect(schedule.counters).toMatchObject({ started: 2, inFlight: 0 })
})

test('starts nothing after it is stopped', async () => {
  const schedule = scheduleOf({ maxInFlight: 1 })
  const tasks = namesOf(3).map(slow)
  schedule.setTasks(tasks.map(({ task }) => task))
  await vi.advanceTimersByTimeAsync(intervalMs)
  schedule.stop()
  for (const { finish } of tasks) await finish()
  await vi.advanceTimersByTimeAsync(2 * intervalMs)
  expect(schedule.counters).toMatchObject({ started: 1, inFlight: 0, waiting: 0 })
  expect(vi.getTimerCount()).toBe(0)
})

test('skips and counts the runs missed while the event loop was blocked', async () => {
  vi.useRealTimers()
  const shortMs = 20
  const schedule = scheduleOf({})
  const ran = new Promise<void>((resolve) => {
    schedule.setTasks([{ key: 'a', intervalMs: shortMs, run: async () => resolve() }])
    block(5.5 * shortMs)
  })
  await ran
  const { started, skipped, late } = schedule.counters
  expect(started).toBe(1)
  expect(skipped).toBeGreaterThanOrEqual(4)
  expect(late).toBe(1)
})

test('keeps all offsets after a stall in which some missed more rounds than others', async () => {
  let stalledMs = 0
  const unstalled = performance.now.bind(performance)
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => unstalled() + stalledMs)
  onTestFinished(() => clock.mockRestore())
  scheduleOf({}).setTasks(namesOf(200).map(quick))
  await vi.advanceTimersByTimeAsync(intervalMs)
  stalledMs = 1.6 * intervalMs
  await vi.advanceTimersByTimeAsync(3 * intervalMs)
  for (const starts of startsMs.values()) {
    const [before, after] = [starts.slice(0, 1), starts.slice(-2)]
    expect(gapsOf([...before, ...after]).map((gap) => gap % 1)).toEqual([0, 0])
  }
})

function scheduleOf(options: Partial<Parameters<typeof createSchedule>[0]>): Schedule {
  const schedule = createSchedule({ maxInFlight: 1_000, onDefect: rethrow, phase: 0, ...options })
  onTestFinished(schedule.stop)
  return schedule
}

function rethrow(error: unknown): never {
  throw error
}

function namesOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, number) => `scout-${number}`)
}

function quick(key: string): Task {
  return { key, intervalMs, run: async () => noteStart(key) }
}

/** Returns a task whose runs last until `finish` is called. */
function slow(name: string) {
  const finishers: (() => void)[] = []
  const run = () => {
    noteStart(name)
    return new Promise<void>((resolve) => finishers.push(resolve))
  }
  return {
    name,
    task: { key: name, intervalMs, run } satisfies Task,
    async finish() {
      for (const finish of finishers.splice(0)) finish()
      await vi.advanceTimersByTimeAsync(0)
    },
  }
}

function noteStart(key: string): void {
  startsMs.set(key, [...(startsMs.get(key) ?? []), performance.now()])
}

/** Returns the distances between starts, in intervals; timers have a resolution of 1 ms. */
function gapsOf(starts: readonly number[] = []): readonly number[] {
  return starts
    .slice(1)
    .map((start, index) => Math.round(((start - (starts[index] ?? 0)) / intervalMs) * 1_000) / 1_000)
}

/** Blocks the event loop, timers included. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
