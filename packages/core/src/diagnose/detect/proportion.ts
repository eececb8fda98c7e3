import type { Interval } from '../evidence.ts'

/** Normal quantiles of two-sided and one-sided 95 %. */
const z = { twoSided: 1.96, oneSided: 1.645 } as const

/** Returns the 95 % Wilson interval of a proportion (Wilson 1927). Without trials it is everything. */
export function intervalOf(bad: number, trials: number): Interval {
  return { low: bound(bad, trials, -z.twoSided), high: bound(bad, trials, z.twoSided) }
}

/** Returns the upper 95 % bound of a proportion. */
export function upperBoundOf(bad: number, trials: number): number {
  return bound(bad, trials, z.oneSided)
}

function bound(bad: number, trials: number, z: number): number {
  if (trials === 0) return z < 0 ? 0 : 1
  const p = bad / trials
  const middle = p + (z * z) / (2 * trials)
  const half = z * Math.sqrt((p * (1 - p)) / trials + (z * z) / (4 * trials * trials))
  return Math.min(1, Math.max(0, (middle + half) / (1 + (z * z) / trials)))
}
