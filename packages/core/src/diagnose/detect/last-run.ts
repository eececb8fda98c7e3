import { intervalOf } from './proportion.ts'

/** Probability below which a run of bad trials is not due to the loss beside it. */
export const deadProbability = 1e-3
/** Time from the first to the last bad trial of a run from which it may be an outage. */
const outageMs = 8_000

/** The last run of bad trials: the present one, or the one before the good trials that have followed. */
export class LastRun {
  #isPresent = false
  #length = 0
  #sinceMs = 0
  #untilMs = 0

  get isPresent(): boolean {
    return this.#isPresent
  }

  get length(): number {
    return this.#length
  }

  add(isBad: boolean, atMs: number): void {
    if (isBad && !this.#isPresent) {
      this.#length = 0
      this.#sinceMs = atMs
    }
    if (isBad) {
      this.#length++
      this.#untilMs = atMs
    }
    this.#isPresent = isBad
  }

  /** Returns whether it is over, and cannot be due to the loss that the other trials of this tally show. */
  isOutage({ bad, trials }: { readonly bad: number; readonly trials: number }): boolean {
    if (this.#isPresent || this.#length > bad || this.#untilMs - this.#sinceMs < outageMs) return false
    const { high } = intervalOf(bad - this.#length, trials - this.#length)
    return high ** this.#length < deadProbability
  }
  /** Goes on as if there had been none. */
  forget(): void {
    this.#length = 0
  }
}
