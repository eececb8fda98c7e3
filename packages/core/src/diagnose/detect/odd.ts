import type { Interval, SharesByDirection } from '../evidence.ts'
import { intervalOf, natsAbove, shareOf } from './proportion.ts'

/** Packets that arrive, and oddly: wall clock of the first, trials since then, and bounds of their proportion, by direction. */
export interface Odd extends Interval, SharesByDirection {
  readonly sinceMs: number
  readonly trials: number
}

/** When odd packets are a fault, and when no longer. */
interface OddRule {
  /** Share of trials above which they are. */
  readonly leastRate: number
  /** Nats by which they must exceed that (Chernoff bound). */
  readonly sureNats: number
  /** They must come in so many different blocks of time, so that one burst is no fault. */
  readonly blockMs: number
  readonly leastBlocks: number
  /** Probability of as many trials in a row without one, from which it is over. */
  readonly overProbability: number
}

/** Chance alone exceeds the least rate once in ten thousand times, and no burst shorter than 30 s counts. */
const byChance = { sureNats: Math.log(10_000), blockMs: 30_000, leastBlocks: 3, overProbability: 1e-3 } as const

export const oddRules = {
  /** Of packets. A healthy path duplicates none, and TCP bears less than this. */
  duplicated: { leastRate: 0.01, ...byChance },
  /**
   * Of volleys. Packets of one volley are overtaken together, so that a volley is a trial. Hosts that spread a flow over several queues
   * overtake one packet in a thousand, which is at most one volley of five in two hundred.
   */
  reordered: { leastRate: 0.02, ...byChance },
  /** Of packets. No DSCP changes by chance: two are enough, if they are apart. Their check may run only every few minutes. */
  remarked: { leastRate: 1e-3, sureNats: Math.log(1_000), blockMs: 5_000, leastBlocks: 2, overProbability: 0.05 },
} as const satisfies Readonly<Record<string, OddRule>>

/** Counts since a first one, until there were none for long enough. */
interface Excursion {
  readonly sinceMs: number
  readonly trials: number
  readonly forth: number
  readonly back: number
  /** Blocks with one, and the last of them. */
  readonly blocks: number
  readonly block: number
  readonly isSure: boolean
  /** Trials since the last one, and how many of them end it. */
  readonly clean: number
  readonly cleanAtEnd: number
}

/** What was tried, and in how many trials something was odd on either way. */
export interface Tried {
  readonly trials: number
  readonly forth: number
  readonly back: number
}

/** Watches one series for packets that arrive oddly in one respect. A healthy one costs nothing. */
export class OddChart {
  readonly #rule: OddRule
  #excursion: Excursion | undefined

  constructor(rule: OddRule) {
    this.#rule = rule
  }

  /** `atMs` is wall clock. */
  add({ trials, forth, back }: Tried, atMs: number): void {
    const isOdd = forth + back > 0
    if (!isOdd && this.#excursion === undefined) return
    const before = this.#excursion ?? newExcursion(atMs)
    const now = { ...before, trials: before.trials + trials, clean: before.clean + trials }
    this.#excursion = isOdd ? this.#withOdd(now, [forth, back], atMs) : now
    if (now.clean >= now.cleanAtEnd && !isOdd) this.#excursion = undefined
  }

  /** What is odd at present; undefined while there is nothing that is sure. */
  get alarm(): Odd | undefined {
    if (this.#excursion === undefined) return undefined
    const { sinceMs, trials, forth, back, isSure } = this.#excursion
    if (!isSure) return undefined
    const share = (count: number) => shareOf(Math.min(trials, count), trials)
    const { low, high } = share(forth + back)
    return { sinceMs, trials, low, high, forth: share(forth), back: share(back) }
  }

  #withOdd(before: Excursion, [forth, back]: readonly [number, number], atMs: number): Excursion {
    const { leastRate, sureNats, blockMs, leastBlocks, overProbability } = this.#rule
    const block = Math.floor(atMs / blockMs)
    const sum = { forth: before.forth + forth, back: before.back + back }
    const { trials } = before
    const odd = Math.min(trials, sum.forth + sum.back)
    const blocks = before.blocks + (block === before.block ? 0 : 1)
    // The first one began the count, so it proves nothing.
    const isSure = blocks >= leastBlocks && natsAbove(leastRate, odd - 1, trials - 1) >= sureNats
    const rate = Math.max(leastRate, intervalOf(odd, trials).low)
    return {
      ...before,
      ...sum,
      blocks,
      block,
      isSure: before.isSure || isSure,
      clean: 0,
      cleanAtEnd: Math.log(overProbability) / Math.log(1 - rate),
    }
  }
}

function newExcursion(sinceMs: number): Excursion {
  return {
    sinceMs,
    trials: 0,
    forth: 0,
    back: 0,
    blocks: 0,
    block: Number.NaN,
    isSure: false,
    clean: 0,
    cleanAtEnd: 0,
  }
}
