import type { Packets } from '../model/packets.ts'
import type { Stray } from '../net/packets/exchange.ts'
import type { Result } from '../probes/result.ts'
import { type ByReason, countOf, pathNs, Window } from './window.ts'

/** Summary of many attempts of one probe. `timesNs` covers only the path times of successes and is absent if there were none. */
export interface Statistics {
  readonly sent: number
  readonly received: number
  /** Lost share of `sent`, 0 to 1. */
  readonly lossRatio: number
  /** Attempts for which this host, this process or the caller is to blame. They are not part of the counts above. */
  readonly inconclusive: number
  readonly failures: ByReason
  /** Present if the attempts sent several packets each. */
  readonly packets?: Packets
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
    /** Smoothed difference of consecutive times (RFC 3550 §6.4.1 with gain 1/16, over round trips). */
    readonly jitter: number
  }
}

/** Accumulates results in constant memory. Percentiles are exact to 0.1 %, everything else is exact. */
export interface Tally {
  add(result: Result): void
  addStray(stray: Stray): void
  statistics(): Statistics
}

/** Creates a tally: a window plus jitter, which depends on the order of results, and strays, which belong to no attempt. */
export function createTally(): Tally {
  const window = new Window()
  const strays = { late: 0, duplicate: 0, foreign: 0 }
  let jitterNs = 0
  let previousNs: number | undefined

  return {
    add(result) {
      window.add(result, 'time')
      if (!result.ok) return
      const tookNs = pathNs(result)
      if (previousNs !== undefined) jitterNs += (Math.abs(tookNs - previousNs) - jitterNs) / 16
      previousNs = tookNs
    },
    addStray({ kind }) {
      strays[kind]++
    },
    statistics() {
      const { counts, times } = window
      const { passed: received, reasons, packets } = counts
      const sent = received + countOf(counts, 'failure')
      return {
        sent,
        received,
        inconclusive: countOf(counts, 'inconclusive') + countOf(counts, 'unable'),
        lossRatio: sent === 0 ? 0 : (sent - received) / sent,
        failures: { ...reasons },
        ...(packets !== undefined && packets.sent > sent ? { packets } : {}),
        duplicates: strays.duplicate,
        late: strays.late,
        foreign: strays.foreign,
        ...(received === 0
          ? {}
          : {
              timesNs: {
                min: times.minNs,
                mean: Math.round(times.sumNs / received),
                p50: Math.round(times.quantileNs(0.5)),
                p90: Math.round(times.quantileNs(0.9)),
                p99: Math.round(times.quantileNs(0.99)),
                max: times.maxNs,
                jitter: Math.round(jitterNs),
              },
            }),
      }
    },
  }
}
