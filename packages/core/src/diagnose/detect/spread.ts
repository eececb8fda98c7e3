import { type Baseline, quantileOf } from './baseline.ts'

/*
 * Whether late times vary, or are late by about the same. A longer path delays all packets, so that the fastest are as late as the others. Where
 * queues grow and shrink, some packets pass at once. It judges only times that the chart for latency has found late, so that it cannot alarm
 * more often than that does, and nothing shorter than a burst.
 */

/** How much times vary: nanoseconds from their 10th to their 90th percentile, now and usually. */
export interface Spread {
  readonly nowNs: number
  readonly usualNs: number
}

const tails = { low: 0.1, high: 0.9 } as const
/** Standard deviations from the median to either tail of a normal distribution. */
const deviationsOfTail = 1.2816
/** Growth of the spread that is worth a word, as that of latency, if the usual spread is smaller. */
const floorNs = 1e6

/**
 * Returns the spread of late times if it has at least doubled, and grew by more than the fastest times did: undefined where the path became
 * longer instead. Percentiles ignore single outliers.
 */
export function grownSpreadOf(timesNs: readonly number[], baseline: Baseline): Spread | undefined {
  const fastestNs = quantileOf(timesNs, tails.low)
  const nowNs = Math.round(quantileOf(timesNs, tails.high) - fastestNs)
  const usualTailNs = deviationsOfTail * baseline.sigmaNs
  const usualNs = Math.round(2 * usualTailNs)
  const grownNs = nowNs - usualNs
  const laterNs = fastestNs - (baseline.medianNs - usualTailNs)
  return grownNs >= Math.max(floorNs, usualNs) && grownNs > laterNs ? { nowNs, usualNs } : undefined
}
