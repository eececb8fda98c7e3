import type { Interval } from '../evidence.ts'
import { Guard, mostOfC, mostOfF } from './guard.ts'
import { History } from './history.ts'
import { deadProbability, LastRun } from './last-run.ts'
import { intervalOf } from './proportion.ts'

/*
 * Sequential test for loss (Page's CUSUM). Each trial adds the log-likelihood ratio of a loss rate q1 to the healthy rate q0 to a score
 * that never falls below 0; at `threshold` nats it alarms. Its mean time between false alarms is at least e^threshold independent trials
 * (Lorden 1971). Bad moments of a network are not independent: a burst of some seconds is one event, however many trials it hits. Two
 * guards share the budget. Guard C ignores the third and later bad trials in a row, and more than four within 30 s. Guard F ignores
 * more than two within 30 s, but counts long runs. Until the 30 s are over, one good trial a second counts, because the others were as
 * many as the bad ones that do not. C is faster where loss is small, F where few trials succeed. No burst shorter than 30 s is called
 * loss.
 *
 * A healthy chart holds two pairs of counts. The scores exist from a bad trial until all of them are 0 again.
 */

/** A chart's alarm. */
export interface LossAlarm {
  /** Wall clock of the first bad trial: the score was 0 before it. */
  readonly sinceMs: number
  readonly trials: number
  /** 95 % Wilson interval of the proportion of bad trials since then. */
  readonly loss: Interval
}

/** Loss rates that the chart looks for. */
const rates = [0.02, 0.1, 0.5] as const

/** Nats until an alarm ends: it ends in error once in a thousand times. */
const releaseNats = Math.log(1_000)
/** Bad trials from which it ends later the more there were, so that these odds hold for its whole life, not for each trial. */
const fewBad = 10
/** Highest rate that is assumed: an outage ends after a few successes, but not after the first. */
const highestRate = 0.95
/** Bad runs from which it is loss; fewer are outages. */
const leastRuns = 3

export class LossChart {
  /** Nats at which it alarms; see `thresholdOf`. */
  threshold: number
  readonly #history = new History()
  #scores: Scores | undefined
  #alarm: Alarm | undefined

  constructor(threshold: number) {
    this.threshold = threshold
  }

  /** Adds a trial. `atMs` is wall clock. */
  add(isBad: boolean, atMs: number): void {
    if (this.#alarm !== undefined) {
      this.#alarm.add(isBad, atMs)
      if (this.#alarm.isOver) this.#alarm = undefined
      return
    }
    if (this.#scores === undefined) {
      if (!isBad) {
        this.#history.add(1, 0)
        return
      }
      this.#scores = new Scores(this.#history.healthyRate())
    }
    const scores = this.#scores
    scores.add(isBad, atMs)
    if (scores.wasOutage) {
      this.#history.add(scores.trials - scores.bad, 0)
      this.#scores = undefined
      return
    }
    const highest = scores.highest()
    // Each guard has half of the budget.
    if (highest.value >= this.threshold + Math.LN2) {
      this.#alarm = new Alarm(highest, scores)
      this.#scores = undefined
    } else if (highest.value === 0) {
      this.#history.add(scores.trials, scores.bad)
      this.#scores = undefined
    }
  }

  /** The present loss; undefined while there is none, and if all trials fail or failed together: that is an outage. */
  get alarm(): LossAlarm | undefined {
    return this.#alarm?.isMixed === true ? this.#alarm.shown() : undefined
  }

  /** Trials since the first bad one that some score remembers, for those that know from elsewhere that there is loss. */
  get suspicion(): LossAlarm | undefined {
    const scores = this.#scores
    if (scores === undefined || (scores.runs < 2 && scores.bad > 2) || !isScattered(scores)) return undefined
    return { sinceMs: scores.sinceMs, trials: scores.trials, loss: intervalOf(scores.bad, scores.trials) }
  }

  /** The rate of bad trials that is usual here. */
  get healthyRate(): number {
    return this.#history.healthyRate()
  }
}

/** Likelihood ratios of one rate in nats, and its score. */
interface Score extends Tally {
  readonly nats: { readonly bad: number; readonly good: number }
  readonly guard: Guard
  value: number
}

/**
 * Times by which runs may be longer than those of independent losses, because real ones come in bursts. Trials further apart than a burst are
 * nearly independent: a run of them is an outage.
 */
const burstiness = 4
const burstSpacingMs = 1_000

/** Returns whether bad trials are spread among good ones, as opposed to some outages. */
function isScattered({ bad, runs, trials, sinceMs, lastMs }: Tally): boolean {
  const expectedRun = 1 / (1 - Math.min(highestRate, bad / trials))
  const spacingMs = Math.max(0, lastMs - sinceMs) / Math.max(1, trials - 1)
  const inOneBurst = Math.min(1, burstSpacingMs / spacingMs)
  return bad / runs <= (1 + (burstiness - 1) * inOneBurst) * expectedRun
}

/** What happened since a score left 0. */
interface Tally {
  sinceMs: number
  /** Wall clock of the last trial. */
  lastMs: number
  trials: number
  bad: number
  /** Runs of bad trials. */
  runs: number
}

/** The scores of one excursion. */
class Scores implements Tally {
  readonly healthyRate: number
  sinceMs = 0
  lastMs = 0
  trials = 0
  bad = 0
  runs = 0
  readonly #guards: readonly Guard[]
  readonly #scores: readonly Score[]
  readonly last = new LastRun()

  constructor(healthyRate: number) {
    this.healthyRate = healthyRate
    this.#guards = [new Guard(mostOfC), new Guard(mostOfF)]
    // Where a loss is usual, only more than twice as much is a fault.
    const sought = rates.filter((rate) => rate > 2 * healthyRate)
    this.#scores = this.#guards.flatMap((guard) => sought.map((rate) => newScore(rate, healthyRate, guard)))
  }

  add(isBad: boolean, atMs: number): void {
    for (const guard of this.#guards) guard.add(isBad, atMs)
    const beginsRun = isBad && !this.last.isPresent
    this.last.add(isBad, atMs)
    if (this.trials === 0) this.sinceMs = atMs
    this.lastMs = atMs
    count(this, isBad, beginsRun)
    for (const score of this.#scores) {
      const nats = score.guard.isCounted ? (isBad ? score.nats.bad : score.nats.good) : 0
      if (score.value + nats <= 0) {
        clear(score)
        continue
      }
      if (score.value === 0) score.sinceMs = atMs
      score.value += nats
      score.lastMs = atMs
      count(score, isBad, beginsRun || score.trials === 0)
    }
  }

  /** Whether nothing is left of it but an outage that is over. */
  get wasOutage(): boolean {
    return this.bad === this.last.length && this.last.isOutage(this)
  }

  highest(): Score {
    return this.#scores.reduce((highest, score) => (score.value > highest.value ? score : highest))
  }
}

function newScore(rate: number, healthyRate: number, guard: Guard): Score {
  const nats = { bad: Math.log(rate / healthyRate), good: Math.log((1 - rate) / (1 - healthyRate)) }
  return { nats, guard, value: 0, sinceMs: 0, lastMs: 0, trials: 0, bad: 0, runs: 0 }
}

function count(tally: Tally, isBad: boolean, beginsRun: boolean): void {
  tally.trials++
  if (isBad) tally.bad++
  if (isBad && beginsRun) tally.runs++
}

function clear(score: Score): void {
  score.value = 0
  score.trials = 0
  score.bad = 0
  score.runs = 0
}

/** An alarm, with the reverse test that ends it: its nats count for the healthy rate, against the rate since the onset. */
class Alarm {
  isOver = false
  readonly #sinceMs: number
  readonly #healthyRate: number
  #lastMs: number
  #trials: number
  #bad: number
  #runs: number
  /** Length of the present run of bad trials, and of the longest before it. */
  #run = 0
  #longestRun = 1
  readonly #last: LastRun
  /** Rate at the last bad trial: what follows may no longer be part of it. */
  #rate: number
  #nats = 0

  constructor({ sinceMs, lastMs, trials, bad, runs }: Tally, { healthyRate, last }: Scores) {
    this.#sinceMs = sinceMs
    this.#lastMs = lastMs
    this.#healthyRate = healthyRate
    this.#trials = trials
    this.#bad = bad
    this.#runs = runs
    this.#last = last
    this.#rate = rateOf(bad, trials)
    // The trial that raises an alarm is a bad one.
    this.#run = 1
  }

  /** Whether failures and successes alternate, as opposed to outages. */
  get isMixed(): boolean {
    if (this.#runs < leastRuns) return false
    const [sinceMs, lastMs] = [this.#sinceMs, this.#lastMs]
    if (!isScattered({ bad: this.#bad, runs: this.#runs, trials: this.#trials, sinceMs, lastMs })) return false
    const { high } = intervalOf(this.#bad - this.#run, this.#trials - this.#run)
    return this.#run <= 2 * this.#longestRun || high ** this.#run >= deadProbability
  }

  add(isBad: boolean, atMs: number): void {
    this.#lastMs = atMs
    this.#last.add(isBad, atMs)
    this.#trials++
    if (isBad) {
      if (this.#run === 0) this.#runs++
      this.#run++
      this.#bad++
      this.#rate = rateOf(this.#bad, this.#trials)
      this.#nats = Math.max(0, this.#nats - Math.log(this.#rate / this.#healthyRate))
      return
    }
    this.#longestRun = Math.max(this.#longestRun, this.#run)
    this.#run = 0
    if (this.#last.isOutage({ bad: this.#bad, trials: this.#trials })) this.#leaveOut(this.#last)
    if (this.#bad === 0) {
      this.isOver = true
      return
    }
    this.#nats += Math.log((1 - this.#healthyRate) / (1 - this.#rate))
    this.isOver = this.#nats >= releaseNats + Math.log(Math.max(1, this.#bad / fewBad))
  }

  /** Goes on as if there had been no outage. */
  #leaveOut(outage: LastRun): void {
    this.#bad -= outage.length
    this.#trials -= outage.length
    this.#runs--
    this.#rate = rateOf(this.#bad, this.#trials)
    outage.forget()
  }

  shown(): LossAlarm {
    return { sinceMs: this.#sinceMs, trials: this.#trials, loss: intervalOf(this.#bad, this.#trials) }
  }
}

function rateOf(bad: number, trials: number): number {
  return Math.min(highestRate, bad / trials)
}
