import { natsAbove } from './proportion.ts'
import type { Tally } from './tally.ts'

/*
 * Loss that lasts, as opposed to some bursts: time is cut into slots from the first bad trial on, and enough of the last ones must have lost
 * some of their trials, but not all. Then nothing has to be ignored, and if all trials of these slots are far more than the healthy rate
 * yields, it is loss. One burst meets neighbouring slots only: one of 30 s is in too few of them, as are two of 10 s. An outage has such a
 * slot where it begins and where it ends. It needs many trials in each slot, as a stream has whose link is suspected.
 */

const slotMs = 5_000
/** Slots that are regarded, and how many of them must have lost some. */
const regarded = 10
const least = 7

interface Slot {
  readonly index: number
  trials: number
  bad: number
  runs: number
}

export class EvenLoss {
  readonly #sinceMs: number
  /** Oldest first. */
  readonly #slots: Slot[] = []

  constructor(sinceMs: number) {
    this.#sinceMs = sinceMs
  }

  add(isBad: boolean, atMs: number, beginsRun: boolean): void {
    const index = Math.floor((atMs - this.#sinceMs) / slotMs)
    let slot = this.#slots.at(-1)
    // Results may arrive out of order, and the clock may be set.
    if (slot === undefined || slot.index < index) {
      slot = { index, trials: 0, bad: 0, runs: 0 }
      this.#slots.push(slot)
      if (this.#slots.length > regarded) this.#slots.shift()
    }
    slot.trials++
    if (!isBad) return
    slot.bad++
    if (beginsRun) slot.runs++
  }

  /** Returns what was lost if that exceeds the healthy rate more than twice, and by so many nats. */
  lossAbove(
    nats: number,
    { healthyRate, lastMs }: { readonly healthyRate: number; readonly lastMs: number },
  ): Tally | undefined {
    const newest = this.#slots.at(-1)?.index ?? 0
    const slots = this.#slots.filter(({ index }) => index > newest - regarded)
    const lossy = slots.filter(({ bad, trials }) => bad > 0 && bad < trials)
    const [first] = lossy
    if (first === undefined || lossy.length < least) return undefined
    const tally = { sinceMs: this.#sinceMs + first.index * slotMs, lastMs, trials: 0, bad: 0, runs: 0 }
    for (const { index, trials, bad, runs } of slots) {
      if (index < first.index) continue
      tally.trials += trials
      tally.bad += bad
      tally.runs += runs
    }
    const isMore = tally.bad > 2 * healthyRate * tally.trials
    return isMore && natsAbove(healthyRate, tally.bad, tally.trials) >= nats ? tally : undefined
  }
}
