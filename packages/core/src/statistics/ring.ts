import { type FailureReason, reasons as reasonTable } from '../model/failure.ts'
import type { Result } from '../probes/result.ts'
import { countOf, entriesOf, Window, type Yields } from './window.ts'

/** One slot of a history. Times are of successes and absent without one. */
export interface Slot {
  /** Wall clock at which the slot begins. */
  readonly fromMs: number
  readonly passed: number
  /** Attempts that count against the link. */
  readonly failed: number
  /** Attempts that say nothing about it. */
  readonly other: number
  /** Every reason that occurred, in the order of the table. */
  readonly reasons: readonly FailureReason[]
  readonly timesNs?: { readonly min: number; readonly p50: number; readonly p99: number; readonly max: number }
}

interface RingOptions {
  readonly spanMs: number
  readonly slots: number
}

/** Slots of a block; blocks are allocated as they are reached, since most agents never run for a day. */
const slotsOfBlock = 60

/** In the order of the table, so that a set of them is one number of 32 bits. */
const reasonNames = Object.keys(reasonTable).filter((name): name is FailureReason => name in reasonTable)

/**
 * A history of fixed length in fixed memory: the newest `slots` spans of `spanMs`, 34 bytes each. The open slot is a `Window`; when the
 * clock leaves its span it is packed into the ring.
 */
export class Ring {
  readonly spanMs: number
  readonly #slots: number
  readonly #blocks: (Block | undefined)[]
  #open: Window | undefined
  #openIndex = 0

  constructor({ spanMs, slots }: RingOptions) {
    this.spanMs = spanMs
    this.#slots = slots
    this.#blocks = new Array<Block | undefined>(Math.ceil(slots / slotsOfBlock)).fill(undefined)
  }

  /** A clock that was set back adds to the slot that is open. */
  add(result: Result, { nowMs, yields }: { readonly nowMs: number; readonly yields: Yields }): void {
    const index = Math.floor(nowMs / this.spanMs)
    if (this.#open === undefined || index > this.#openIndex) {
      this.#close()
      this.#openIndex = index
      this.#open = new Window()
    }
    this.#open.add(result, yields)
  }

  /** Returns the slots that hold something, oldest first, with the open one last. */
  read(nowMs: number): readonly Slot[] {
    const oldest = Math.floor(nowMs / this.spanMs) - this.#slots + 1
    const open =
      this.#open === undefined || this.#openIndex < oldest ? [] : [slotOf(this.#open, this.#openIndex * this.spanMs)]
    const closed = this.#blocks.flatMap((block) => (block === undefined ? [] : block.read(oldest, this.spanMs)))
    return [...closed.filter(({ fromMs }) => fromMs < this.#openIndex * this.spanMs), ...open].toSorted(
      (a, b) => a.fromMs - b.fromMs,
    )
  }

  /** Adds up the slots that `read` returns, without making any. */
  sum(nowMs: number): Pick<Slot, 'passed' | 'failed' | 'other'> {
    const oldest = Math.floor(nowMs / this.spanMs) - this.#slots + 1
    const sums = { passed: 0, failed: 0, other: 0 }
    for (const block of this.#blocks) block?.addTo(sums, { oldestIndex: oldest, openIndex: this.#openIndex })
    if (this.#open === undefined || this.#openIndex < oldest) return sums
    const { passed, failed, other } = countsOf(this.#open)
    return { passed: sums.passed + passed, failed: sums.failed + failed, other: sums.other + other }
  }

  #close(): void {
    if (this.#open === undefined) return
    const place = this.#openIndex % this.#slots
    const block = (this.#blocks[Math.floor(place / slotsOfBlock)] ??= new Block())
    block.write(place % slotsOfBlock, this.#openIndex, slotOf(this.#open, 0))
  }
}

class Block {
  /** Slot numbers since 1970; 0 where nothing was written. */
  readonly #indexes = new Float64Array(slotsOfBlock)
  readonly #counts = new Uint16Array(slotsOfBlock * 3)
  readonly #reasons = new Uint32Array(slotsOfBlock)
  /** 24 bits of mantissa: exact to 60 parts in a billion. */
  readonly #timesNs = new Float32Array(slotsOfBlock * 4).fill(Number.NaN)

  write(row: number, index: number, { passed, failed, other, reasons, timesNs }: Slot): void {
    this.#indexes[row] = index
    this.#counts.set(
      [passed, failed, other].map((count) => Math.min(count, 0xffff)),
      row * 3,
    )
    this.#reasons[row] = reasons.reduce((set, reason) => set | (1 << reasonNames.indexOf(reason)), 0)
    const { min, p50, p99, max } = timesNs ?? absent
    this.#timesNs.set([min, p50, p99, max], row * 4)
  }

  read(oldestIndex: number, spanMs: number): readonly Slot[] {
    return Array.from(this.#indexes.keys())
      .filter((row) => (this.#indexes[row] ?? 0) >= Math.max(1, oldestIndex))
      .map((row) => this.#slotAt(row, spanMs))
  }

  addTo(
    sums: { passed: number; failed: number; other: number },
    { oldestIndex, openIndex }: { readonly oldestIndex: number; readonly openIndex: number },
  ): void {
    for (let row = 0; row < slotsOfBlock; row++) {
      const index = this.#indexes[row] ?? 0
      if (index < Math.max(1, oldestIndex) || index >= openIndex) continue
      sums.passed += this.#counts[row * 3] ?? 0
      sums.failed += this.#counts[row * 3 + 1] ?? 0
      sums.other += this.#counts[row * 3 + 2] ?? 0
    }
  }

  #slotAt(row: number, spanMs: number): Slot {
    const [passed = 0, failed = 0, other = 0] = this.#counts.subarray(row * 3, row * 3 + 3)
    const [min = Number.NaN, p50 = 0, p99 = 0, max = 0] = this.#timesNs.subarray(row * 4, row * 4 + 4)
    const set = this.#reasons[row] ?? 0
    return {
      fromMs: (this.#indexes[row] ?? 0) * spanMs,
      passed,
      failed,
      other,
      reasons: reasonNames.filter((_, bit) => (set & (1 << bit)) !== 0),
      ...(Number.isNaN(min) ? {} : { timesNs: { min, p50, p99, max } }),
    }
  }
}

const absent = { min: Number.NaN, p50: Number.NaN, p99: Number.NaN, max: Number.NaN }

function countsOf({ counts }: Window): Pick<Slot, 'passed' | 'failed' | 'other'> {
  return {
    passed: counts.passed,
    failed: countOf(counts, 'failure'),
    other: countOf(counts, 'inconclusive') + countOf(counts, 'unable'),
  }
}

function slotOf(window: Window, fromMs: number): Slot {
  const { counts, times } = window
  const found = new Set(entriesOf(counts.reasons).map(([reason]) => reason))
  return {
    fromMs,
    ...countsOf(window),
    reasons: reasonNames.filter((reason) => found.has(reason)),
    ...(times.count === 0
      ? {}
      : { timesNs: { min: times.minNs, p50: times.quantileNs(0.5), p99: times.quantileNs(0.99), max: times.maxNs } }),
  }
}
