import { expect, test } from 'vitest'
import { alignedTo, jointly, pointsOf } from '../../web/state/series.ts'

const timesNs = { min: 1e6, p50: 2e6, p99: 3e6, max: 4e6 }
const none = { spanMs: 60_000, slots: [] }
const key = { check: 'udp', path: 'pod', vantage: 'pod', from: 'a', to: 'b', protocol: 'udp', target: 'b' } as const
const history = {
  ...key,
  day: none,
  recent: {
    spanMs: 10_000,
    slots: [
      {
        fromMs: 100_000,
        passed: 3,
        failed: 1,
        other: 0,
        reasons: ['timeout' as const],
        timesNs,
        lost: { sent: 4, lost: 1, forth: 1, back: 0 },
      },
      { fromMs: 120_000, passed: 0, failed: 0, other: 2, reasons: [] },
    ],
  },
}

test('has a point for each slot, and none where there was no attempt or no success', () => {
  expect(pointsOf([history], 'recent')).toEqual({
    xs: [100, 110, 120],
    p50Ms: [2, null, null],
    p99Ms: [3, null, null],
    failedPercent: [25, null, null],
    forthPercent: [25, null, null],
    backPercent: [0, null, null],
  })
  expect(pointsOf([history], 'day').xs).toEqual([])
})

test('joins the series of both families: the faster median, the slower p99, all attempts', () => {
  const recent = {
    spanMs: 10_000,
    slots: [
      { fromMs: 100_000, passed: 4, failed: 0, other: 0, reasons: [], timesNs: { ...timesNs, p50: 1e6, p99: 9e6 } },
    ],
  }
  const { p50Ms, p99Ms, failedPercent } = pointsOf([history, { ...history, recent }], 'recent')
  expect([p50Ms[0], p99Ms[0], failedPercent[0]]).toEqual([1, 9, 12.5])
})

test('puts both directions on one axis', () => {
  const points = pointsOf([history], 'recent')
  const xs = jointly(points.xs, [90, 100])
  expect(xs).toEqual([90, 100, 110, 120])
  expect(alignedTo(xs, points).p50Ms).toEqual([null, 2, null, null])
})
