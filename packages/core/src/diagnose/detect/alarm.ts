import { deadProbability, type LastRun } from './last-run.ts'
import { intervalOf } from './proportion.ts'
import { count, isScattered, rateOf, type Tally } from './tally.ts'

/** Nats until an alarm ends: it ends in error once in a thousand times. */
const releaseNats = Math.log(1_000)
/** Bad trials from which it ends later the more there were, so that these odds hold for its whole life, not for each trial. */
const fewBad = 10
/** Bad runs from which it is loss; fewer are outages. */
const leastRuns = 3

/** An alarm, with the reverse test that ends it: its nats count for the healthy rate, against the rate since the onset. */
export class Alarm {
  isOver = false
  readonly #tally: Tally
  readonly #healthyRate: number
  /** Length of the present run of bad trials, and of the longest before it. */
  #run = 1
  #longestRun = 1
  readonly #last: LastRun
  /** Rate at the last bad trial: what follows may no longer be part of it. */
  #rate: number
  #nats = 0

  /** @param tally up to a bad trial, whose last run is `last` */
  constructor(tally: Tally, { healthyRate, last }: { readonly healthyRate: number; readonly last: LastRun }) {
    this.#tally = tally
    this.#healthyRate = healthyRate
    this.#last = last
    this.#rate = rateOf(tally)
  }

  /** What it is about, if failures and successes alternate, as opposed to outages. */
  get mixed(): Tally | undefined {
    const { bad, trials, runs } = this.#tally
    if (runs < leastRuns || !isScattered(this.#tally)) return undefined
    const { high } = intervalOf(bad - this.#run, trials - this.#run)
    return this.#run <= 2 * this.#longestRun || high ** this.#run >= deadProbability ? this.#tally : undefined
  }

  add(isBad: boolean, atMs: number): void {
    const tally = this.#tally
    tally.lastMs = atMs
    this.#last.add(isBad, atMs)
    count(tally, isBad, this.#run === 0)
    if (isBad) {
      this.#run++
      this.#rate = rateOf(tally)
      this.#nats = Math.max(0, this.#nats - Math.log(this.#rate / this.#healthyRate))
      return
    }
    this.#longestRun = Math.max(this.#longestRun, this.#run)
    this.#run = 0
    if (this.#last.isOutage(tally)) this.#leaveOut(this.#last)
    if (tally.bad === 0) {
      this.isOver = true
      return
    }
    this.#nats += Math.log((1 - this.#healthyRate) / (1 - this.#rate))
    this.isOver = this.#nats >= releaseNats + Math.log(Math.max(1, tally.bad / fewBad))
  }

  /** Goes on as if there had been no outage. */
  #leaveOut(outage: LastRun): void {
    const tally = this.#tally
    tally.bad -= outage.length
    tally.trials -= outage.length
    tally.runs--
    this.#rate = rateOf(tally)
    outage.forget()
  }
}
