import type { Interval, Share } from '../evidence.ts'

/** Rate of loss below which none is a fault: ten times what is usual between the hosts of a data centre (Pingmesh 2015: 1e-5 to 1e-4). */
export const usualRate = 1e-3

/** Normal quantiles of two-sided and one-sided 95 %. */
const z = { twoSided: 1.96, oneSided: 1.645 } as const

/** Returns the 95 % Wilson interval of a proportion (Wilson 1927). Without trials it is everything. */
export function intervalOf(bad: number, trials: number): Interval {
  return { low: bound(bad, trials, -z.twoSided), high: bound(bad, trials, z.twoSided) }
}

/** Returns a proportion with its counts. */
export function shareOf(lost: number, of: number): Share {
  return { lost, of, ...intervalOf(lost, of) }
}

/** Returns the upper 95 % bound of a proportion. */
export function upperBoundOf(bad: number, trials: number): number {
  return bound(bad, trials, z.oneSided)
}

/** Returns the nats of the Chernoff bound by which so many are more than a rate yields by chance; 0 if they are not more. */
export function natsAbove(rate: number, lost: number, of: number): number {
  const share = lost / of
  if (!(share > rate)) return 0
  const rest = share === 1 ? 0 : (of - lost) * Math.log((1 - share) / (1 - rate))
  return lost * Math.log(share / rate) + rest
}

function bound(bad: number, trials: number, z: number): number {
  if (trials === 0) return z < 0 ? 0 : 1
  const p = bad / trials
  const middle = p + (z * z) / (2 * trials)
  const half = z * Math.sqrt((p * (1 - p)) / trials + (z * z) / (4 * trials * trials))
  return Math.min(1, Math.max(0, (middle + half) / (1 + (z * z) / trials)))
}
