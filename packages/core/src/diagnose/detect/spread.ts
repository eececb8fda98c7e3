import { type Baseline, floorNs, quantileOf } from './baseline.ts'

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

/**
 * Returns the spread of late times if it has at least doubled, and grew by more than the fastest times did: undefined where the path became
 * longer instead. The middle half of the times must vary more, too: some outliers of a longer path are no jitter.
 */
export function grownSpreadOf(timesNs: readonly number[], baseline: Baseline): Spread | undefined {
  const { medianNs, upperQuartileNs, lowNs, highNs } = baseline
  const fastestNs = quantileOf(timesNs, 0.1)
  const nowNs = Math.round(quantileOf(timesNs, 0.9) - fastestNs)
  const usualNs = Math.round(highNs - lowNs)
  const grownNs = nowNs - usualNs
  const middleNs = quantileOf(timesNs, 0.75) - quantileOf(timesNs, 0.25)
  const usualMiddleNs = 2 * (upperQuartileNs - medianNs)
  const isWide = grownNs >= Math.max(floorNs, usualNs) && middleNs >= Math.max(floorNs / 2, 2 * usualMiddleNs)
  return isWide && grownNs > fastestNs - lowNs ? { nowNs, usualNs } : undefined
}
