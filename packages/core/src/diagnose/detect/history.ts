import { upperBoundOf, usualRate } from './proportion.ts'

/** Where more is usual than this, only half of all trials or more would be a fault. */
const mostRate = 0.2
/** Successes that a new series is assumed to have had: without them, half a day would pass until its bound falls to `usualRate`. */
const assumedTrials = 3_000
/**
 * Time after which the older half is forgotten. It does not depend on the number of trials: a stream would learn within minutes that a loss is
 * usual that has just begun.
 */
const halfMs = 6 * 3_600_000

/** Trials of one series while nothing was wrong, from which follows the rate of bad ones that is usual. */
export class History {
  #trials = 0
  #bad = 0
  #olderTrials = 0
  #olderBad = 0
  #sinceMs = 0

  /** Adds trials up to a time, of any clock that goes on. */
  add(trials: number, bad: number, atMs: number): void {
    this.#trials += trials
    this.#bad += bad
    // The clock may be set.
    if (Math.abs(atMs - this.#sinceMs) < halfMs) return
    this.#sinceMs = atMs
    this.#olderTrials = this.#trials
    this.#olderBad = this.#bad
    this.#trials = 0
    this.#bad = 0
  }

  /** Returns the upper 95 % bound of the rate, at least that of a good network. */
  healthyRate(): number {
    const bound = upperBoundOf(this.#bad + this.#olderBad, this.#trials + this.#olderTrials + assumedTrials)
    return Math.min(mostRate, Math.max(usualRate, bound))
  }
}
