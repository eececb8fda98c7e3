import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FailureReason } from '../../src/model/failure.ts'
import type { Result } from '../../src/probes/result.ts'
import { createTally } from '../../src/statistics/statistics.ts'

describe('jitter', () => {
  // Computed by hand, J += (|D| - J) / 16 (RFC 3550 §6.4.1): D of 160, 320 and 0 yields 10, then 29.375, then 27.5390625.
  test('is the smoothed difference of consecutive times', () => {
    expect(statisticsOf([1000, 1160, 840, 840]).timesNs?.jitter).toBe(Math.round(27.5390625))
  })

  test('is zero for a single time, and for equal times', () => {
    expect(statisticsOf([1000]).timesNs?.jitter).toBe(0)
    expect(statisticsOf([1000, 1000, 1000]).timesNs?.jitter).toBe(0)
  })

  test('compares a success with the previous success, ignoring failures in between', () => {
    const tally = createTally()
    tally.add(success(1000))
    tally.add(failed('timeout'))
    tally.add(success(1160))
    expect(tally.statistics().timesNs?.jitter).toBe(10)
  })
})

test('counts what was sent, received and lost', () => {
  const tally = createTally()
  for (const result of [success(5), failed('timeout'), success(7), failed('refused')]) tally.add(result)
  expect(tally.statistics()).toMatchObject({
    sent: 4,
    received: 2,
    lossRatio: 0.5,
    inconclusive: 0,
    failures: { timeout: 1, refused: 1 },
  })
})

test.for<FailureReason>(['not-permitted', 'not-supported', 'cancelled', 'unresolved', 'local-error'])(
  'does not count %s as a loss, because it is no evidence about the path',
  (reason) => {
    const tally = createTally()
    tally.add(success(5))
    tally.add(failed(reason))
    expect(tally.statistics()).toMatchObject({ sent: 1, lossRatio: 0, inconclusive: 1, failures: { [reason]: 1 } })
  },
)

test('uses the path time, without name resolution', () => {
  const tally = createTally()
  tally.add({ ...success(1_000), phasesNs: { resolve: 900, echo: 100 } })
  expect(tally.statistics().timesNs).toMatchObject({ min: 100, max: 100 })
})

test('counts strays by kind', () => {
  const tally = createTally()
  const from = { address: '127.0.0.1', family: 'ipv4', port: 7 } as const
  for (const kind of ['late', 'duplicate', 'foreign', 'late'] as const) tally.addStray({ kind, from })
  expect(tally.statistics()).toMatchObject({ late: 2, duplicates: 1, foreign: 1, sent: 0 })
})

test('has no times and no loss before the first attempt', () => {
  const statistics = createTally().statistics()
  expect(statistics).toMatchObject({ sent: 0, received: 0, lossRatio: 0 })
  expect(statistics).not.toHaveProperty('timesNs')
})

test('is a value that does not change with later results', () => {
  const tally = createTally()
  tally.add(failed('timeout'))
  const before = tally.statistics()
  tally.add(failed('timeout'))
  expect(before.failures).toEqual({ timeout: 1 })
})

test('has ordered times, with percentiles exact to three digits', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 600e9 }), { minLength: 1, maxLength: 200 }), (timesNs) => {
      const times = statisticsOf(timesNs).timesNs
      if (times === undefined) throw new Error('a success has times')
      const sorted = timesNs.toSorted((a, b) => a - b)
      expect(times.min).toBe(sorted[0])
      expect(times.max).toBe(sorted.at(-1))
      expect(times.mean).toBe(Math.round(timesNs.reduce((sum, ns) => sum + ns, 0) / timesNs.length))
      for (const [name, ratio] of [
        ['p50', 0.5],
        ['p90', 0.9],
        ['p99', 0.99],
      ] as const) {
        // For a rank between two times, the histogram may choose either.
        const rank = ratio * (sorted.length - 1)
        const below = sorted[Math.floor(rank)] ?? Number.NaN
        const above = sorted[Math.ceil(rank)] ?? Number.NaN
        expect(times[name]).toBeGreaterThanOrEqual(below * 0.999)
        expect(times[name]).toBeLessThanOrEqual(above * 1.001)
      }
      expect([times.min, times.p50, times.p90, times.p99, times.max]).toEqual(
        [times.min, times.p50, times.p90, times.p99, times.max].toSorted((a, b) => a - b),
      )
    }),
  )
})

function statisticsOf(timesNs: readonly number[]) {
  const tally = createTally()
  for (const ns of timesNs) tally.add(success(ns))
  return tally.statistics()
}

const measured = {
  protocol: 'tcp',
  target: '127.0.0.1:1',
  startedAtMs: 0,
  phasesNs: {},
  clock: { tx: 'user', rx: 'user' },
} as const

function success(totalNs: number): Result {
  return { ...measured, totalNs, ok: true, detail: {} }
}

function failed(reason: FailureReason): Result {
  return { ...measured, totalNs: 1, ok: false, failure: { reason, phase: 'setup', message: reason } }
}
