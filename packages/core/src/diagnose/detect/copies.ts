import type { Packets } from '../../model/packets.ts'
import type { Interval, SharesByDirection } from '../evidence.ts'
import { intervalOf, natsAbove, shareOf } from './proportion.ts'

/** Duplicated packets: wall clock of the first, answers since then, and bounds of their proportion, by direction. */
export interface Copied extends Interval, SharesByDirection {
  readonly sinceMs: number
  readonly trials: number
}

/** Share of packets above which duplication is a fault. A healthy path duplicates none, and TCP bears less than this. */
const leastRate = 0.01
/** Nats by which the copies must exceed that: chance alone does so once in ten thousand times (Chernoff bound). */
const sureNats = Math.log(10_000)
/** It must go on in so many different half minutes: no burst shorter than 30 s is duplication. */
const [blockMs, leastBlocks] = [30_000, 3]
/** Probability of as many packets in a row without a copy, from which it is over. */
const overProbability = 1e-3

/** Counts since a first copy, until there were none for long enough. */
interface Excursion {
  readonly sinceMs: number
  readonly answers: number
  readonly forth: number
  readonly back: number
  /** Half minutes with a copy, and the last of them. */
  readonly blocks: number
  readonly block: number
  readonly isSure: boolean
  /** Answers since the last copy, and how many of them end it. */
  readonly clean: number
  readonly cleanAtEnd: number
}

/** Watches one series for packets that arrive twice. A healthy one costs nothing. */
export class CopyChart {
  #excursion: Excursion | undefined

  /** Adds an answer, and what it reports of those before it. `atMs` is wall clock. */
  add(
    { returned, duplicated, duplicatedForth = 0 }: Pick<Packets, 'returned' | 'duplicated' | 'duplicatedForth'>,
    atMs: number,
  ): void {
    if (duplicated === 0 && this.#excursion === undefined) return
    const before = this.#excursion ?? newExcursion(atMs)
    const now = { ...before, answers: before.answers + returned, clean: before.clean + returned }
    this.#excursion = duplicated > 0 ? withCopies(now, [duplicatedForth, duplicated - duplicatedForth], atMs) : now
    if (now.clean >= now.cleanAtEnd && duplicated === 0) this.#excursion = undefined
  }

  /** The present duplication; undefined while there is none that is sure. */
  get alarm(): Copied | undefined {
    if (this.#excursion === undefined) return undefined
    const { sinceMs, answers, forth, back, isSure } = this.#excursion
    if (!isSure) return undefined
    const share = (count: number) => shareOf(Math.min(answers, count), answers)
    const { low, high } = share(forth + back)
    return { sinceMs, trials: answers, low, high, forth: share(forth), back: share(back) }
  }
}

function newExcursion(sinceMs: number): Excursion {
  return {
    sinceMs,
    answers: 0,
    forth: 0,
    back: 0,
    blocks: 0,
    block: Number.NaN,
    isSure: false,
    clean: 0,
    cleanAtEnd: 0,
  }
}

function withCopies(before: Excursion, [forth, back]: readonly [number, number], atMs: number): Excursion {
  const block = Math.floor(atMs / blockMs)
  const sum = { forth: before.forth + forth, back: before.back + back }
  const { answers } = before
  const bad = Math.min(answers, sum.forth + sum.back)
  const blocks = before.blocks + (block === before.block ? 0 : 1)
  // The first copy began the count, so it proves nothing.
  const isSure = blocks >= leastBlocks && natsAbove(leastRate, bad - 1, answers - 1) >= sureNats
  const rate = Math.max(leastRate, intervalOf(bad, answers).low)
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
