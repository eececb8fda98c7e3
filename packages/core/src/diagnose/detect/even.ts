import { natsAbove } from './proportion.ts'
import type { Tally } from './tally.ts'

/*
 * A test for loss that is spread over the time, as opposed to bursts. It cuts time into slots from the first bad trial on. It alarms if most of
 * the last slots lost some of their trials, but not all, and if the trials of these slots are far more than the healthy rate yields. So it
 * ignores no trial, unlike the guards. A burst that begins with the first bad trial meets too few slots until it has lasted for 30 s, and so do
 * two of 10 s. A slot that lost far less than all of them together does not count: it holds a single loss before a burst, or the edge of one. So a burst
 * after a single loss may last for 25 s, too, if it takes as much as bursts usually do (from about 30 %). An outage loses only some trials of a
 * slot where it begins and where it ends. The test needs many trials in each slot, which only the stream of a suspected link has.
 */

const slotMs = 5_000
/** Newest slots that are examined. */
const examined = 10
/** Number of them that must have lost some of their trials. */
const leastLossy = 7
/** Nats of the Chernoff bound from which a slot lost far less than the others. */
const farLessNats = 4

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
      if (this.#slots.length > examined) this.#slots.shift()
    }
    slot.trials++
    if (!isBad) return
    slot.bad++
    if (beginsRun) slot.runs++
  }

  /** Returns the trials of the examined slots if they lost more than twice the healthy rate, by at least so many nats; else undefined. */
  lossAbove(
    nats: number,
    { healthyRate, lastMs }: { readonly healthyRate: number; readonly lastMs: number },
  ): Tally | undefined {
    const newest = this.#slots.at(-1)?.index ?? 0
    const slots = this.#slots.filter(({ index }) => index > newest - examined)
    const lossy = similar(slots.filter(({ bad, trials }) => bad > 0 && bad < trials))
    const [first] = lossy
    if (first === undefined || lossy.length < leastLossy) return undefined
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

/** Leaves out slots that lost far less than all together. */
function similar(slots: readonly Slot[]): readonly Slot[] {
  const sumOf = (key: 'bad' | 'trials') => slots.reduce((sum, slot) => sum + slot[key], 0)
  const goodRate = 1 - sumOf('bad') / sumOf('trials')
  return slots.filter(({ bad, trials }) => natsAbove(goodRate, trials - bad, trials) < farLessNats)
}
