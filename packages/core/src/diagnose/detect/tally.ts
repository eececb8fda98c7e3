import type { Interval } from '../evidence.ts'
import { intervalOf } from './proportion.ts'

/** A chart's alarm. */
export interface LossAlarm {
  /** Wall clock of the first bad trial: the score was 0 before it. */
  readonly sinceMs: number
  readonly trials: number
  /** 95 % Wilson interval of the proportion of bad trials since then. */
  readonly loss: Interval
}

/** Highest rate that is assumed: an outage ends after a few successes, but not after the first. */
const highestRate = 0.95

/**
 * Times by which runs may be longer than those of independent losses, because real ones come in bursts. Trials further apart than a burst are
 * nearly independent: a run of them is an outage.
 */
const burstiness = 4
const burstSpacingMs = 1_000

/** Returns whether bad trials are spread among good ones, as opposed to some outages. */
export function isScattered({ bad, runs, trials, sinceMs, lastMs }: Tally): boolean {
  const expectedRun = 1 / (1 - Math.min(highestRate, bad / trials))
  const spacingMs = Math.max(0, lastMs - sinceMs) / Math.max(1, trials - 1)
  const inOneBurst = Math.min(1, burstSpacingMs / spacingMs)
  return bad / runs <= (1 + (burstiness - 1) * inOneBurst) * expectedRun
}

/** What happened since a score left 0. */
export interface Tally {
  sinceMs: number
  /** Wall clock of the last trial. */
  lastMs: number
  trials: number
  bad: number
  /** Runs of bad trials. */
  runs: number
}

export function count(tally: Tally, isBad: boolean, beginsRun: boolean): void {
  tally.trials++
  if (isBad) tally.bad++
  if (isBad && beginsRun) tally.runs++
}

export function shownOf({ sinceMs, trials, bad }: Pick<Tally, 'sinceMs' | 'trials' | 'bad'>): LossAlarm {
  return { sinceMs, trials, loss: intervalOf(bad, trials) }
}

export function rateOf({ bad, trials }: Pick<Tally, 'bad' | 'trials'>): number {
  return Math.min(highestRate, bad / trials)
}
