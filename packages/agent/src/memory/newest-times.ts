/** Times that are kept: enough for a median that one outlier does not move, and few enough that it shows the present. */
const kept = 15

/** The newest path times of a series. */
export class NewestTimes {
  readonly #timesNs = new Float64Array(kept)
  #count = 0

  add(ns: number): void {
    this.#timesNs[this.#count++ % kept] = ns
  }

  /** Undefined if there are none. */
  get medianNs(): number | undefined {
    const sorted = this.#timesNs.subarray(0, this.#count).toSorted()
    return sorted[(sorted.length - 1) >> 1]
  }
}
