import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FailureReason, reasons } from '../../src/model/failure.ts'
import type { Result } from '../../src/probes/result.ts'
import { Histogram } from '../../src/statistics/histogram.ts'
import { Ring } from '../../src/statistics/ring.ts'
import { attemptsOf, countOf, Window } from '../../src/statistics/window.ts'

const measured = {
  protocol: 'udp',
  target: '127.0.0.1:1',
  startedAtMs: 0,
  phasesNs: {},
  clock: { tx: 'kernel', rx: 'kernel' },
} as const

const success = (totalNs: number): Result => ({ ...measured, totalNs, ok: true, detail: {} })
const failed = (reason: FailureReason): Result => ({
  ...measured,
  totalNs: 1,
  ok: false,
  failure: { reason, phase: 'echo', message: 'it failed' },
})

describe('a histogram', () => {
  const values = fc.array(fc.integer({ min: 0, max: 600e9 }), { minLength: 1, maxLength: 100 })
  const of = (ns: readonly number[]) => {
    const histogram = new Histogram()
    for (const one of ns) histogram.record(one)
    return histogram
  }

  test('merged with another is the histogram of all values', () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const merged = of(a)
        merged.merge(of(b))
        const whole = of([...a, ...b])
        for (const ratio of [0, 0.5, 0.9, 0.99, 1]) expect(merged.quantileNs(ratio)).toBe(whole.quantileNs(ratio))
        expect([merged.count, merged.sumNs, merged.minNs, merged.maxNs]).toEqual([
          whole.count,
          whole.sumNs,
          whole.minNs,
          whole.maxNs,
        ])
      }),
    )
  })

  test('counts every value between two edges once', () => {
    fc.assert(
      fc.property(values, (ns) => {
        const counts = of(ns).countsBetween([1e3, 1e6, 1e9])
        expect(counts).toHaveLength(4)
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(ns.length)
        // Values within 0.1 % of an edge may be on either side.
        const isClear = ns.every((value) => [1e3, 1e6, 1e9].every((edge) => Math.abs(value - edge) > edge / 1000))
        if (isClear) expect(counts[0]).toBe(ns.filter((value) => value <= 1e3).length)
      }),
    )
  })

  test('has no quantiles while it is empty', () => {
    expect(new Histogram().quantileNs(0.5)).toBeNaN()
  })
})

describe('a window', () => {
  test('separates failures of the link from other ones', () => {
    const window = new Window()
    for (const reason of ['timeout', 'refused', 'local-error', 'not-permitted', 'cancelled'] as const)
      window.add(failed(reason), 'time')
    window.add(success(5), 'time')
    const { counts } = window
    expect(attemptsOf(counts)).toBe(6)
    expect((['success', 'failure', 'inconclusive', 'unable'] as const).map((one) => countOf(counts, one))).toEqual([
      1, 2, 2, 1,
    ])
  })

  test('never records a fact as a duration', () => {
    const window = new Window()
    window.add(success(5e9), 'facts')
    expect(window.counts.passed).toBe(1)
    expect(window.times.count).toBe(0)
  })

  test('sums the packets of successes and failures, and omits arrivals that were not counted', () => {
    const window = new Window()
    const one = { sent: 3, returned: 2, duplicated: 1, reordered: 0, late: 0 }
    window.add({ ...success(5), packets: one }, 'time')
    window.add({ ...failed('timeout'), packets: { ...one, returned: 0 } }, 'time')
    expect(window.counts.packets).toEqual({ sent: 6, returned: 2, duplicated: 2, reordered: 0, late: 0 })
    window.add({ ...success(5), packets: { ...one, arrived: 3 } }, 'time')
    expect(window.counts.packets?.arrived).toBe(3)
  })
})

describe('a ring', () => {
  const minute = 60_000
  const start = 1_700_000_040_000
  const ring = () => new Ring({ spanMs: minute, slots: 1_440 })
  const add = (to: Ring, atMs: number, result: Result) => to.add(result, { atMs, nowMs: atMs, yields: 'time' })

  test('keeps a summary of each span, with the open one last', () => {
    const history = ring()
    for (const ns of [1_000_000, 2_000_000, 3_000_000]) add(history, start, success(ns))
    add(history, start + minute, failed('timeout'))
    add(history, start + minute, failed('local-error'))
    expect(history.read(start + minute)).toEqual([
      {
        fromMs: start,
        passed: 3,
        failed: 0,
        other: 0,
        reasons: [],
        timesNs: {
          min: expect.closeTo(1_000_000, -3),
          p50: expect.closeTo(2_000_000, -4),
          p99: expect.closeTo(3_000_000, -4),
          max: expect.closeTo(3_000_000, -4),
        },
      },
      { fromMs: start + minute, passed: 0, failed: 1, other: 1, reasons: ['timeout', 'local-error'] },
    ])
  })

  test('sums up the slots that it would read', () => {
    const history = ring()
    add(history, start, success(1))
    add(history, start + minute, failed('timeout'))
    add(history, start + 2 * minute, failed('local-error'))
    add(history, start + 1_441 * minute, success(1))
    for (const nowMs of [0, 1_440, 1_441, 1_500, 3_000].map((minutes) => start + minutes * minute)) {
      const slots = history.read(nowMs)
      const total = (key: 'passed' | 'failed' | 'other') => slots.reduce((sum, slot) => sum + slot[key], 0)
      expect(history.sum(nowMs)).toEqual({ passed: total('passed'), failed: total('failed'), other: total('other') })
    }
    expect(history.sum(start + 1_441 * minute)).toEqual({ passed: 1, failed: 0, other: 1 })
  })

  test('drops slots older than its length, with or without new results', () => {
    const history = ring()
    add(history, start, success(1))
    expect(history.read(start + 1_439 * minute)).toHaveLength(1)
    expect(history.read(start + 1_440 * minute)).toEqual([])
    add(history, start + 1_440 * minute, success(1))
    expect(history.read(start + 1_440 * minute).map(({ fromMs }) => fromMs)).toEqual([start + 1_440 * minute])
  })

  test('wraps around: each slot once, in order, with gaps for spans without results', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 60 }), (gaps) => {
        const history = ring()
        let at = start
        const times = gaps.map((gap) => (at += gap * minute))
        for (const time of times) add(history, time, success(1))
        const expected = times.filter((time) => time > at - 1_440 * minute)
        expect(history.read(at).map(({ fromMs }) => fromMs)).toEqual(expected)
      }),
    )
  })

  test('goes on when the clock was far ahead and is set back: what was ahead is dropped, and the open slot is the present one', () => {
    const history = ring()
    const yearMs = 365 * 86_400_000 + 30 * minute
    add(history, start, failed('timeout'))
    add(history, start + yearMs, success(1))
    add(history, start + yearMs + minute, success(1))
    for (const at of [2, 3, 3]) add(history, start + at * minute, success(1))
    const slots = history.read(start + 3 * minute)
    expect(slots.map(({ fromMs, passed, failed }) => [(fromMs - start) / minute, passed, failed])).toEqual([
      [0, 0, 1],
      [2, 2, 0],
      [3, 2, 0],
    ])
    expect(history.sum(start + 3 * minute)).toEqual({ passed: 4, failed: 1, other: 0 })
    add(history, start + 1_439 * minute, success(1))
    expect(history.read(start + 1_439 * minute)).toHaveLength(4)
  })

  test('adds a result that is later than results are late to the open slot, and drops nothing', () => {
    const history = ring()
    add(history, start + 5 * minute, success(1))
    add(history, start + 6 * minute, success(1))
    history.add(failed('timeout'), { atMs: start, nowMs: start + 6 * minute, yields: 'time' })
    expect(history.read(start + 6 * minute).map(({ passed, failed }) => [passed, failed])).toEqual([
      [1, 0],
      [1, 1],
    ])
  })

  test('adds a late result to the slot of its own time, whether that had results or not', () => {
    const history = ring()
    add(history, start + minute, success(1_000_000))
    add(history, start + 2 * minute, success(1_000_000))
    add(history, start + minute, failed('timeout'))
    add(history, start + minute, success(9_000_000))
    add(history, start, failed('refused'))
    const slots = history.read(start + 2 * minute)
    expect(slots.map(({ passed, failed, reasons }) => [passed, failed, reasons])).toEqual([
      [0, 1, ['refused']],
      [2, 1, ['timeout']],
      [1, 0, []],
    ])
    expect(slots[1]?.timesNs?.max).toEqual(expect.closeTo(1_000_000, -3))
    expect(history.sum(start + 2 * minute)).toEqual({ passed: 3, failed: 2, other: 0 })
  })

  test('keeps times to within 0.03 %, from a nanosecond to ten minutes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600e9 }), (ns) => {
        const history = ring()
        add(history, start, success(ns))
        add(history, start + minute, failed('timeout'))
        const max = history.read(start + minute)[0]?.timesNs?.max ?? Number.NaN
        // Whole nanoseconds.
        expect(Math.abs(max - ns)).toBeLessThanOrEqual(Math.max(1, ns * 0.0003))
      }),
    )
  })

  test('has a bit for each reason', () => {
    expect(Object.keys(reasons).length).toBeLessThanOrEqual(31)
  })

  test('saturates instead of wrapping', () => {
    const history = ring()
    for (let i = 0; i < 65_540; i++) add(history, start, failed('timeout'))
    add(history, start + minute, success(1))
    expect(history.read(start + minute)[0]?.failed).toBe(65_535)
  })
})
