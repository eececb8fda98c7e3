import { upperBoundOf, usualRate } from './proportion.ts'

/** Where more is usual than this, only half of all trials or more would be a fault. */
const mostRate = 0.2
/** Successes that a new series is assumed to have had: without them, half a day would pass until its bound falls to `usualRate`. */
const assumedTrials = 3_000
/** Trials after which the older half is forgotten: six hours of one each 10 s. */
const halfTrials = 2_160

/** Trials of one series while nothing was wrong, from which follows the rate of bad ones that is usual. */
export class History {
  #trials = 0
  #bad = 0
  #olderTrials = 0
  #olderBad = 0

  add(trials: number, bad: number): void {
    this.#trials += trials
    this.#bad += bad
    if (this.#trials < halfTrials) return
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
