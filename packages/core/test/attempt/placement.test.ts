import { describe, expect, test } from 'vitest'
import { createPlacement, nextDueNs } from '../../src/attempt/placement.ts'

const intervalMs = 10_000

describe('tasks are placed', () => {
  test('evenly over the interval', () => {
    const counts = new Map<number, number>()
    for (const { placeNs } of placesOf(1_000)) counts.set(placeNs, (counts.get(placeNs) ?? 0) + 1)
    const expected = 1_000 / 10
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    expect(counts.size).toBe(10)
    // An even spread stays below this in 99.9 % of cases, with 9 degrees of freedom.
    expect(chiSquare).toBeLessThan(27.9)
  })

  test.each([
    [20, 20],
    [500, 100],
    [3_000, 300],
    [10_000, 1_000],
    [30_000, 1_000],
    [3_600_000, 1_000],
  ])('those of %d ms on a grid of %d ms', (intervalMs, gridMs) => {
    const [first, ...others] = placesOf(100, { intervalMs, originNs: 77e9 + 123 })
    for (const { placeNs } of others) {
      const distanceNs = Math.abs(placeNs - (first?.placeNs ?? 0))
      expect(distanceNs % (gridMs * 1e6)).toBe(0)
      expect(placeNs).toBeLessThan(intervalMs * 1e6)
    }
  })

  test('on one grid for all intervals that are multiples of its step', () => {
    const remainders = [10_000, 30_000, 60_000].flatMap((intervalMs) =>
      placesOf(20, { intervalMs, originNs: 77e9 + 123 }).map(({ placeNs }) => placeNs % 1e9),
    )
    expect(new Set(remainders)).toEqual(new Set([123]))
  })

  test('where the origin and their hash say, in the interval', () => {
    // The first 32 bits of the SHA-256 of "a" are ca978112, or 0.79 of all: the seventh of ten points.
    const task = { id: 'a', intervalMs }
    expect(createPlacement(0)(task)).toEqual({ placeNs: 7e9, intervalNs: 10e9 })
    expect(createPlacement(5e9 + 3)(task)).toEqual({ placeNs: 2e9 + 3, intervalNs: 10e9 })
  })

  test('always at the same place in one process', () => {
    const place = createPlacement()
    expect(place({ id: 'a', intervalMs })).toEqual(place({ id: 'a', intervalMs }))
  })

  test('at another place in each process, between the points of the grids of others too', () => {
    const task = { id: 'a', intervalMs }
    const places = Array.from({ length: 20 }, () => createPlacement()(task).placeNs)
    expect(new Set(places.map((ns) => ns % 1e9)).size).toBeGreaterThan(15)
    expect(new Set(places.map((ns) => Math.floor(ns / 1e9))).size).toBeGreaterThan(3)
  })
})

test('a task is next due when the clock reaches its place, now included', () => {
  const place = { placeNs: 300, intervalNs: 1_000 }
  expect([0, 300, 301, 5_299, 5_301].map((ns) => nextDueNs(place, ns))).toEqual([300, 300, 1_300, 5_300, 6_300])
})

function placesOf(count: number, { originNs = 0, intervalMs: every = intervalMs } = {}) {
  const place = createPlacement(originNs)
  return Array.from({ length: count }, (_, number) => place({ id: `scout-${number}`, intervalMs: every }))
}
