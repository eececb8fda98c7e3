import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FailureReason, reasons } from '../../src/model/failure.ts'
import type { Result } from '../../src/probes/result.ts'
import { Histogram } from '../../src/statistics/histogram.ts'
import { Ring } from '../../src/statistics/ring.ts'
import { reasonNames } from '../../src/statistics/slots.ts'
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

  test('counts every attempt that a success stands for, and one time', () => {
    const window = new Window()
    const packets = { sent: 20, returned: 20, arrived: 20, duplicated: 0, reordered: 0, late: 0 }
    const condensed = { attempts: 20, spanMs: 9_500 }
    window.add({ ...measured, totalNs: 5, ok: true, detail: {}, packets, condensed }, 'time')
    window.add(failed('timeout'), 'time')
    expect(attemptsOf(window.counts)).toBe(21)
    expect(window.counts.packets?.sent).toBe(20)
    expect(window.times.count).toBe(1)
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

  test('counts what arrived and what was lost forth, as later answers report it', () => {
    const one = { sent: 1, returned: 1, duplicated: 0, reordered: 0, late: 0 }
    const lost = { ...failed('timeout'), packets: { ...one, returned: 0 } }
    const window = new Window()
    window.add(lost, 'time')
    expect(window.counts.packets).toEqual({ ...one, returned: 0 })
    for (const result of [lost, lost]) window.add(result, 'time')
    window.add({ ...success(5), packets: { ...one, arrived: 3, lostForth: 1 } }, 'time')
    window.add({ ...success(5), packets: { ...one, arrived: 1, lostForth: 0 } }, 'time')
    const sum = { ...one, sent: 5, arrived: 4, lostForth: 1, returned: 2 }
    expect(window.counts.packets).toEqual(sum)
    const merged = new Window()
    for (const part of [window, window]) merged.merge(part)
    expect(merged.counts.packets).toMatchObject({ sent: 10, arrived: 8, lostForth: 2, returned: 4 })
    expect(window.counts.packets).toEqual(sum)
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

  test('has the packets that were sent and lost, by direction where the other side counts them, in open and closed slots', () => {
    const history = ring()
    const packets = { sent: 10, returned: 7, arrived: 9, lostForth: 1, duplicated: 0, reordered: 0, late: 0 }
    const { arrived: _, lostForth: __, ...uncounted } = packets
    add(history, start, { ...success(1), packets })
    add(history, start, { ...failed('timeout'), packets: { ...uncounted, returned: 0 } })
    add(history, start + minute, { ...success(1), packets: uncounted })
    add(history, start + 2 * minute, success(1))
    add(history, start + minute, { ...success(1), packets })
    add(history, start + 3 * minute, { ...success(1), packets })
    expect(history.read(start + 3 * minute).map(({ lost }) => lost)).toEqual([
      { sent: 20, lost: 13, forth: 1, back: 2 },
      { sent: 20, lost: 6, forth: 1, back: 2 },
      undefined,
      { sent: 10, lost: 3, forth: 1, back: 2 },
    ])
    expect(history.sum(start + 3 * minute).lost).toEqual({ sent: 50, lost: 22, forth: 3, back: 6 })
  })

  test('has no directions where the other side counts nothing, and none of a search, whose packets are meant to vanish', () => {
    const history = ring()
    const packets = { sent: 2, returned: 1, duplicated: 0, reordered: 0, late: 0 }
    add(history, start, { ...success(1), packets })
    history.add({ ...success(1), packets }, { atMs: start + minute, nowMs: start + minute, yields: 'facts' })
    expect(history.read(start + minute).map(({ lost }) => lost)).toEqual([{ sent: 2, lost: 1 }, undefined])
    expect(history.sum(start + minute).lost).toEqual({ sent: 2, lost: 1 })
  })

  test('goes on in another process where it was packed, in the middle of a slot, too', () => {
    const [whole, before, after] = [ring(), ring(), ring()]
    const packets = { sent: 10, returned: 7, arrived: 9, lostForth: 1, duplicated: 0, reordered: 0, late: 0 }
    const results = [success(1), failed('refused'), { ...success(1), packets }, failed('timeout')]
    for (const [at, result] of results.entries())
      for (const one of [whole, before]) add(one, start + Math.floor(at / 2) * minute, result)
    after.unpack(before.pack(start + minute, 'all'), { reasons: reasonNames, nowMs: start + minute })
    expect(after.read(start + minute)).toEqual(whole.read(start + minute))
    const later = [
      { at: 1, result: failed('reset') },
      { at: 1, result: success(1) },
      { at: 2, result: success(1) },
      { at: 1, result: failed('timeout') },
    ]
    for (const { at, result } of later) for (const one of [whole, after]) add(one, start + at * minute, result)
    expect(after.read(start + 2 * minute)).toEqual(whole.read(start + 2 * minute))
    expect(after.sum(start + 2 * minute)).toEqual(whole.sum(start + 2 * minute))
  })

  test('packs what has changed since it was packed last, late results, too', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: -2, max: 3 }), fc.boolean()), { maxLength: 40 }), (steps) => {
        const [history, copy] = [ring(), ring()]
        let nowMs = start
        const sync = () => copy.unpack(history.pack(nowMs, 'changed'), { reasons: reasonNames, nowMs })
        for (const [minutes, isPacked] of steps) {
          const atMs = nowMs + minutes * minute
          nowMs = Math.max(nowMs, atMs)
          history.add(success(1), { atMs, nowMs, yields: 'time' })
          if (isPacked) sync()
        }
        sync()
        expect(copy.read(nowMs)).toEqual(history.read(nowMs))
        expect(history.pack(nowMs, 'changed')).toHaveLength(0)
      }),
    )
  })

  test('takes no packed slot that is too old or, because the clock was set back, ahead', () => {
    const [history, nowMs] = [ring(), start + 1_441 * minute]
    for (const at of [1, 1_440, 1_443, 1_444, 2_000]) add(history, start + at * minute, success(1))
    const late = ring()
    for (const packed of [history.pack(start + minute, 'all'), history.pack(start + 2_000 * minute, 'all')])
      late.unpack(packed, { reasons: reasonNames, nowMs })
    const minutes = () => late.read(nowMs).map(({ fromMs }) => (fromMs - start) / minute)
    expect(minutes()).toEqual([1_440, 1_443])
    add(late, nowMs, success(1))
    expect(minutes()).toEqual([1_440, 1_441, 1_443])
  })

  test('knows reasons by the names that another version gave its bits, and leaves out those that it has not', () => {
    const [history, other] = [ring(), ring()]
    add(history, start, failed('timeout'))
    add(history, start, failed('refused'))
    const [, , ...others] = reasonNames
    other.unpack(history.pack(start, 'all'), { reasons: ['of-another-version', 'timeout', ...others], nowMs: start })
    expect(reasonNames.slice(0, 2)).toEqual(['timeout', 'refused'])
    expect(other.read(start)[0]?.reasons).toEqual(['timeout'])
  })
})
