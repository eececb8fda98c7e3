import { createRandom } from '../../../../test/support/random.mjs'

/** Returns a source of numbers from 0 to below 1, the same for the same seed. */
export function randomOf(seed: number): () => number {
  return createRandom(seed).ratio
}

export function exponential(random: () => number, mean: number): number {
  return -mean * Math.log(1 - random())
}

export function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

export function quantile(values: readonly number[], ratio: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(ratio * (values.length - 1))] ?? Number.NaN
}

/** A chart under trials of a fixed interval. */
interface Chart {
  readonly alarm: { readonly sinceMs: number } | undefined
}

type Add<C> = (chart: C, atMs: number) => void

/** Adds trials at an interval and reports when the alarm comes and goes. */
export class Run<C extends Chart> {
  readonly chart: C
  readonly #intervalMs: number
  readonly #add: Add<C>
  atMs = 1_000_000
  alarms = 0

  constructor(chart: C, intervalMs: number, add: Add<C>) {
    this.chart = chart
    this.#intervalMs = intervalMs
    this.#add = add
  }

  /** Adds trials for this long, by this function if given. */
  during(spanMs: number, add: Add<C> = this.#add): Run<C> {
    for (const endMs = this.atMs + spanMs; this.atMs < endMs; this.atMs += this.#intervalMs) {
      const wasAlarmed = this.chart.alarm !== undefined
      add(this.chart, this.atMs)
      if (!wasAlarmed && this.chart.alarm !== undefined) this.alarms++
    }
    return this
  }

  /** Returns the seconds until it is alarmed, or no longer is; Infinity if that takes more than a day. */
  secondsUntil(isAlarmed: boolean, add: Add<C> = this.#add): number {
    const startMs = this.atMs
    while ((this.chart.alarm !== undefined) !== isAlarmed) {
      if (this.atMs - startMs > 86_400_000) return Number.POSITIVE_INFINITY
      this.during(this.#intervalMs, add)
    }
    return (this.atMs - startMs) / 1_000
  }
}
