import { Baseline, floorNs, quantileOf } from './baseline.ts'
import { grownSpreadOf, type Spread } from './spread.ts'

/*
 * Sequential sign test for latency. A trial is slow if it took longer than the baseline's upper quartile and a margin; how much longer does
 * not matter, so that a retransmission of a second weighs no more than a millisecond. On a path that is as before at most a quarter are
 * slow; the test looks for nine in ten. A longer path delays every packet. A busy host delays many, but some pass at once: it needs six
 * in ten to move the score at all, and an alarm needs the lower quartile to be slow, too.
 */

/** A chart's alarm. */
export interface LatencyAlarm {
  /** Nanoseconds between the medians of the newest trials and of the baseline. */
  readonly byNs: number
  /** If times vary rather than shift. */
  readonly spread?: Spread | undefined
  /** Wall clock of the first slow trial: the score was 0 before it. */
  readonly sinceMs: number
  readonly trials: number
}

const healthyRate = 0.25
const faultyRate = 0.9
const nats = { slow: Math.log(faultyRate / healthyRate), fast: Math.log((1 - faultyRate) / (1 - healthyRate)) } as const

/** A shift may be measured this much too small. */
const tolerance = 0.75
/** What lasts for less is a burst of load. */
const burstMs = 30_000
/** Newest times that are kept while the score is not 0. */
const keptTimes = 16
/** Nats until an alarm ends: it ends in error once in a thousand times. */
const releaseNats = Math.log(1_000)
/** Trials from which it ends later the more there were, so that these odds hold for its whole life, not for each trial. */
const fewTrials = 100
/** After a day, the path is as it is: another route, another zone. */
const forgottenMs = 86_400_000

export class LatencyChart {
  /** Nats at which it alarms; see `thresholdOf`. */
  threshold: number
  readonly #baseline = new Baseline()
  #excursion: Excursion | undefined

  constructor(threshold: number) {
    this.threshold = threshold
  }

  /** Adds the path time of a success. `atMs` is wall clock. */
  add(tookNs: number, atMs: number): void {
    const baseline = this.#baseline
    if (!baseline.isKnown) {
      baseline.add(tookNs)
      return
    }
    const isSlow = tookNs > limitOf(baseline)
    const excursion = this.#excursion
    if (excursion === undefined) {
      baseline.add(tookNs)
      if (isSlow) this.#excursion = new Excursion(tookNs, atMs)
      return
    }
    excursion.add(tookNs, isSlow, baseline.weight)
    if (!excursion.isAlarmed) baseline.add(tookNs)
    if (excursion.isOver) this.#excursion = undefined
    else if (excursion.isAlarmed) {
      if (atMs - excursion.sinceMs > forgottenMs) this.#relearn()
    } else if (excursion.value >= this.threshold) this.#judge(excursion, atMs)
  }

  get alarm(): LatencyAlarm | undefined {
    const excursion = this.#excursion
    if (excursion?.isAlarmed !== true) return undefined
    const { sinceMs, trials, spread } = excursion
    return { byNs: Math.round(excursion.quantileNs(0.5) - this.#baseline.medianNs), spread, sinceMs, trials }
  }

  #judge(excursion: Excursion, atMs: number): void {
    const baseline = this.#baseline
    excursion.value = this.threshold
    if (Math.abs(atMs - excursion.sinceMs) < burstMs) return
    if (excursion.quantileNs(0.25) <= limitOf(baseline)) return
    if (excursion.quantileNs(0.5) - baseline.medianNs >= tolerance * floorOf(baseline)) excursion.raise(baseline)
    else this.#relearn()
  }

  #relearn(): void {
    this.#baseline.forget()
    this.#excursion = undefined
  }
}

/** Returns the smallest shift that counts: what the times vary by hides less. */
function floorOf({ sigmaNs }: Baseline): number {
  return Math.max(floorNs, sigmaNs)
}

function limitOf(baseline: Baseline): number {
  return baseline.upperQuartileNs + floorOf(baseline) / 2
}

/** The score since it left 0. Once alarmed, it is that of the reverse test. */
class Excursion {
  readonly sinceMs: number
  trials = 1
  value: number = nats.slow
  isAlarmed = false
  isOver = false
  /** Of the times at the alarm. Those at its end are a mixture of late ones and usual ones. */
  spread: Spread | undefined
  readonly #times: number[]

  constructor(tookNs: number, atMs: number) {
    this.sinceMs = atMs
    this.#times = [tookNs]
  }

  add(tookNs: number, isSlow: boolean, weight: number): void {
    const change = (isSlow ? nats.slow : nats.fast) * weight
    if (this.#times.length < keptTimes) this.#times.push(tookNs)
    else this.#times[this.trials % keptTimes] = tookNs
    this.trials++
    if (this.isAlarmed) {
      this.value = Math.max(0, this.value - change)
      this.isOver = this.value >= releaseNats + Math.log(Math.max(1, this.trials / fewTrials))
    } else {
      this.value += change
      this.isOver = this.value <= 0
    }
  }

  raise(baseline: Baseline): void {
    this.spread = grownSpreadOf(this.#times, baseline)
    this.isAlarmed = true
    this.value = 0
  }

  quantileNs(ratio: number): number {
    return quantileOf(this.#times, ratio)
  }
}
