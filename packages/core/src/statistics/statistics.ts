import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { type FailureReason, outcomeFor } from '../model/failure.ts'
import type { Stray } from '../net/packets/exchange.ts'
import type { Result } from '../probes/probe.ts'

/** What many attempts of one probe amount to. Times are of successes only, on the path, in nanoseconds; absent without a success. */
export interface Statistics {
  readonly sent: number
  readonly received: number
  /** 0 to 1, of what was sent. */
  readonly lossRatio: number
  /** Attempts that say nothing of the path, for a reason of this host or of its caller; in none of the counts above. */
  readonly inconclusive: number
  readonly failures: Readonly<Partial<Record<FailureReason, number>>>
  readonly duplicates: number
  readonly late: number
  readonly foreign: number
  readonly timesNs?: {
    readonly min: number
    readonly mean: number
    readonly p50: number
    readonly p90: number
    readonly p99: number
    readonly max: number
    /** Smoothed difference of neighbouring times (RFC 3550 §6.4.1 with gain 1/16, over round trips). */
    readonly jitter: number
  }
}

/** Collects results as they come, in constant memory. Percentiles are exact to three digits (HDR histogram). */
export interface Tally {
  add(result: Result): void
  addStray(stray: Stray): void
  statistics(): Statistics
}

/** Nanoseconds that a success took once it knew its address: resolving a name says nothing of the path. */
export function pathNs({ totalNs, phasesNs }: Pick<Result, 'totalNs' | 'phasesNs'>): number {
  return totalNs - (phasesNs['resolve'] ?? 0)
}

export function createTally(): Tally {
  const histogram: RecordableHistogram = createHistogram({ figures: 3 })
  const failures: Partial<Record<FailureReason, number>> = {}
  const strays = { late: 0, duplicate: 0, foreign: 0 }
  let sent = 0
  let received = 0
  let inconclusive = 0
  let sumNs = 0
  let minNs = Number.POSITIVE_INFINITY
  let maxNs = 0
  let jitterNs = 0
  let previousNs: number | undefined

  // The histogram rounds a value up to the edge of its bucket.
  const percentile = (percent: number) => Math.min(histogram.percentile(percent), maxNs)

  return {
    add(result) {
      if (!result.ok) {
        const { reason } = result.failure
        failures[reason] = (failures[reason] ?? 0) + 1
        if (outcomeFor(reason) === 'failure') sent++
        else inconclusive++
        return
      }
      const tookNs = pathNs(result)
      sent++
      received++
      sumNs += tookNs
      minNs = Math.min(minNs, tookNs)
      maxNs = Math.max(maxNs, tookNs)
      histogram.record(Math.max(1, tookNs))
      if (previousNs !== undefined) jitterNs += (Math.abs(tookNs - previousNs) - jitterNs) / 16
      previousNs = tookNs
    },
    addStray({ kind }) {
      strays[kind]++
    },
    statistics: () => ({
      sent,
      received,
      inconclusive,
      lossRatio: sent === 0 ? 0 : (sent - received) / sent,
      failures: { ...failures },
      duplicates: strays.duplicate,
      late: strays.late,
      foreign: strays.foreign,
      ...(received === 0
        ? {}
        : {
            timesNs: {
              min: minNs,
              mean: Math.round(sumNs / received),
              p50: percentile(50),
              p90: percentile(90),
              p99: percentile(99),
              max: maxNs,
              jitter: Math.round(jitterNs),
            },
          }),
    }),
  }
}
