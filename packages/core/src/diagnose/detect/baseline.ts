/** Trials that start a baseline, and of which its first quartiles are made. */
const firstTrials = 16
/** Share of the spread by which a trial moves a quartile (Robbins and Monro 1951): it follows what changes over some hundred trials. */
const leastStep = 0.02
/** The spread is at least this share of the median: quartiles of equal times must be able to move. */
const leastSpread = 0.02
/** Trials in a row below the median that do not occur by chance: the path has become shorter. */
const mostBelow = 30
/** Trials over which the correlation of neighbours is averaged: more than an excursion has. */
const correlatedTrials = 500
/** Standard deviations from the median to the upper quartile of a normal distribution. */
const deviationsOfQuartile = 0.6745

/** Smallest change of times that is worth a word, of their median or their spread. */
export const floorNs = 1e6

/** Median, upper quartile, tails and correlation of the path times of one series, in constant memory. */
export class Baseline {
  medianNs = 0
  upperQuartileNs = 0
  /** 10th and 90th percentile. */
  lowNs = 0
  highNs = 0
  #trials = 0
  #below = 0
  /** Average product of the signs of neighbours: 1 if both are above or both below the median. */
  #agreement = 0
  #wasAbove = false
  #first: number[] | undefined = []

  get isKnown(): boolean {
    return this.#first === undefined
  }

  /** How much times vary, by the quartiles, which outliers do not change. */
  get sigmaNs(): number {
    return (this.upperQuartileNs - this.medianNs) / deviationsOfQuartile
  }

  /**
   * The share of a trial that is news, if its neighbour is known: (1 − ρ)/(1 + ρ), where ρ is their correlation. By the arcsine law, signs
   * agree in (2/π)·arcsin ρ.
   */
  get weight(): number {
    const correlation = Math.max(0, Math.sin((Math.PI / 2) * this.#agreement))
    return (1 - correlation) / (1 + correlation)
  }

  add(tookNs: number): void {
    this.#trials++
    if (this.#first !== undefined) {
      this.#first.push(tookNs)
      if (this.#trials === firstTrials) this.#begin(this.#first)
      return
    }
    const isAbove = tookNs > this.medianNs
    const agrees = isAbove === this.#wasAbove ? 1 : -1
    this.#agreement += (agrees - this.#agreement) / Math.min(correlatedTrials, 100 + this.#trials)
    this.#wasAbove = isAbove
    const spread = Math.max(this.upperQuartileNs - this.medianNs, leastSpread * this.medianNs)
    const step = spread * Math.max(leastStep, 2 / this.#trials)
    this.medianNs += isAbove ? step / 2 : -step / 2
    this.upperQuartileNs += tookNs > this.upperQuartileNs ? 0.75 * step : -0.25 * step
    this.upperQuartileNs = Math.max(this.medianNs, this.upperQuartileNs)
    const tailStep = (step / spread) * Math.max(this.highNs - this.lowNs, spread)
    this.lowNs += tookNs < this.lowNs ? -0.9 * tailStep : 0.1 * tailStep
    this.highNs += tookNs > this.highNs ? 0.9 * tailStep : -0.1 * tailStep
    this.lowNs = Math.min(this.medianNs, this.lowNs)
    this.highNs = Math.max(this.upperQuartileNs, this.highNs)
    this.#below = tookNs < this.medianNs ? this.#below + 1 : 0
    if (this.#below > mostBelow) this.forget()
  }

  /** Starts again. */
  forget(): void {
    this.#first = []
    this.#trials = 0
    this.#below = 0
  }

  #begin(times: readonly number[]): void {
    this.medianNs = quantileOf(times, 0.5)
    this.upperQuartileNs = quantileOf(times, 0.75)
    this.lowNs = quantileOf(times, 0.1)
    this.highNs = quantileOf(times, 0.9)
    this.#first = undefined
  }
}

/** Returns the quantile at `ratio`, 0 to 1. */
export function quantileOf(values: readonly number[], ratio: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(ratio * sorted.length))] ?? Number.NaN
}
