import { Alarm } from './alarm.ts'
import { EvenLoss } from './even.ts'
import { Guard, mostOfC, mostOfF } from './guard.ts'
import { History } from './history.ts'
import { LastRun } from './last-run.ts'
import { count, isScattered, type LossAlarm, shownOf, type Tally } from './tally.ts'

/*
 * Sequential test for loss (Page's CUSUM). Each trial adds the log-likelihood ratio of a loss rate q1 to the healthy rate q0 to a score
 * that never falls below 0; at `threshold` nats it alarms. Its mean time between false alarms is at least e^threshold independent trials
 * (Lorden 1971). Bad moments of a network are not independent: a burst of some seconds is one event, however many trials it hits. So the
 * chart shares its budget among three tests, none of which alarms for one burst alone that is shorter than 30 s:
 *
 * - Guard C ignores the third and later bad trials in a row, and more than three within 30 s: two bursts are never enough for it. It is the
 *   fastest where loss is small.
 * - Guard F ignores more than two within 30 s, but counts long runs. It is the fastest where few trials succeed.
 * - `EvenLoss` ignores none, and asks whether losses are spread over the time. It is the fastest where a stream has many trials.
 *
 * A guard that has counted its limit of bad trials counts one good trial a second until the 30 s are over, because it ignores further bad ones
 * too.
 *
 * A healthy chart holds two pairs of counts and a time. The scores exist from a bad trial until all of them are 0 again.
 */

/** Loss rates that the chart looks for. */
export const rates = [0.01, 0.03, 0.1, 0.5] as const

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
        this.#history.add(1, 0, atMs)
        return
      }
      this.#scores = new Scores(this.#history.healthyRate())
    }
    const scores = this.#scores
    scores.add(isBad, atMs)
    if (scores.wasOutage) {
      this.#history.add(scores.trials - scores.bad, 0, atMs)
      this.#scores = undefined
      return
    }
    const highest = scores.highest()
    // Each of the three tests has a third of the budget.
    const nats = this.threshold + Math.log(3)
    const found = highest.value >= nats ? highest : isBad ? scores.evenAbove(nats) : undefined
    if (found !== undefined) {
      this.#alarm = new Alarm(found, scores)
      this.#scores = undefined
    } else if (highest.value === 0) {
      this.#history.add(scores.trials, scores.bad, atMs)
      this.#scores = undefined
    }
  }

  /** Adds good trials, spread evenly over a time. A quiet chart takes them in one step. */
  addGood(count: number, fromMs: number, toMs: number): void {
    const spacingMs = count > 1 ? (toMs - fromMs) / (count - 1) : 0
    let left = count
    for (; left > 0 && !this.isQuiet; left--) this.add(false, toMs - (left - 1) * spacingMs)
    if (left > 0) this.#history.add(left, 0, toMs)
  }

  /** The present loss; undefined while there is none, and if all trials fail or failed together: that is an outage. */
  get alarm(): LossAlarm | undefined {
    const mixed = this.#alarm?.mixed
    return mixed === undefined ? undefined : shownOf(mixed)
  }

  /** Trials since the first bad one that some score remembers, for those that know from elsewhere that there is loss. */
  get suspicion(): LossAlarm | undefined {
    const scores = this.#scores
    if (scores === undefined || (scores.runs < 2 && scores.bad > 2) || !isScattered(scores)) return undefined
    return shownOf(scores)
  }

  /** Whether no score remembers a bad trial. */
  get isQuiet(): boolean {
    return this.#scores === undefined && this.#alarm === undefined
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
  #even: EvenLoss | undefined

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
    this.#even ??= new EvenLoss(atMs)
    this.#even.add(isBad, atMs, beginsRun)
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

  evenAbove(nats: number): Tally | undefined {
    return this.#even?.lossAbove(nats, this)
  }

  highest(): Score {
    return this.#scores.reduce((highest, score) => (score.value > highest.value ? score : highest))
  }
}

function newScore(rate: number, healthyRate: number, guard: Guard): Score {
  const nats = { bad: Math.log(rate / healthyRate), good: Math.log((1 - rate) / (1 - healthyRate)) }
  return { nats, guard, value: 0, sinceMs: 0, lastMs: 0, trials: 0, bad: 0, runs: 0 }
}

function clear(score: Score): void {
  score.value = 0
  score.trials = 0
  score.bad = 0
  score.runs = 0
}
