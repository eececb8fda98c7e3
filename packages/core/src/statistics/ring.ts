import { type FailureReason, reasons as reasonTable } from '../model/failure.ts'
import type { Result } from '../probes/result.ts'
import { countOf, entriesOf, Window, type Yields } from './window.ts'

/** One slot of a history. `timesNs` covers successes and is absent if there were none. */
export interface Slot {
  /** Wall clock at which the slot starts. */
  readonly fromMs: number
  readonly passed: number
  /** Attempts that count against the link. */
  readonly failed: number
  /** Attempts that are no evidence about it. */
  readonly other: number
  /** All reasons that occurred, in the order of the table. */
  readonly reasons: readonly FailureReason[]
  readonly timesNs?: { readonly min: number; readonly p50: number; readonly p99: number; readonly max: number }
}

type SlotCounts = Pick<Slot, 'passed' | 'failed' | 'other'>

/** A result's place in a ring. Both times are wall clock. */
interface Added {
  readonly atMs: number
  readonly nowMs: number
  readonly yields: Yields
}

interface RingOptions {
  readonly spanMs: number
  readonly slots: number
}

/** How late a result may be added and still go to the slot of its own time. A larger step back means that the clock was set back. */
export const latestMs = 120_000

/** All reasons in the order of the table, so that a set of them fits a 32-bit number. */
const reasonNames = Object.keys(reasonTable).filter((name): name is FailureReason => name in reasonTable)

/**
 * A compact history of fixed length: the newest `slots` spans of `spanMs`, 22 bytes each, allocated as needed. The open slot is a
 * `Window`, which is packed when its span ends.
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
    this.#blocks = new Array<Block | undefined>(Math.ceil(slots / rowsOfBlock)).fill(undefined)
  }

  /**
   * Adds a result to the slot at `atMs`; `nowMs` is the present. A late result is counted in its closed slot, whose times stay those of the
   * results before it; one that is even later goes to the open slot. If the clock was set back, by more than results are late, the slots
   * from then on are dropped, and the open one becomes the present one.
   */
  add(result: Result, { atMs, nowMs, yields }: Added): void {
    const presentIndex = Math.floor(Math.max(atMs, nowMs) / this.spanMs)
    if (this.#openIndex * this.spanMs - nowMs > latestMs && presentIndex < this.#openIndex) this.#setBack(presentIndex)
    const index = Math.floor(atMs / this.spanMs)
    if (index < this.#openIndex && this.#openIndex * this.spanMs - atMs <= latestMs) {
      const late = new Window()
      late.add(result, yields)
      return this.#addLate(index, late)
    }
    if (this.#open === undefined || index > this.#openIndex) {
      this.#close()
      this.#openIndex = index
      this.#open = new Window()
    }
    this.#open.add(result, yields)
  }

  /** Returns the non-empty slots, oldest first, with the open one last. */
  read(nowMs: number): readonly Slot[] {
    const closed = [...this.#closedRows(nowMs)].map(([block, row]) => block.read(row, this.spanMs))
    const open = this.#openSince(nowMs)
    if (open !== undefined) closed.push({ fromMs: this.#openIndex * this.spanMs, ...summaryOf(open) })
    return closed.toSorted((a, b) => a.fromMs - b.fromMs)
  }

  /** Sums up the slots that `read` would return, without creating them. */
  sum(nowMs: number): SlotCounts {
    const sums = { passed: 0, failed: 0, other: 0 }
    const add = ({ passed, failed, other }: SlotCounts) => {
      sums.passed += passed
      sums.failed += failed
      sums.other += other
    }
    for (const [block, row] of this.#closedRows(nowMs)) add(block.counts(row))
    const open = this.#openSince(nowMs)
    if (open !== undefined) add(countsOf(open))
    return sums
  }

  *#closedRows(nowMs: number): Generator<readonly [block: Block, row: number]> {
    const oldest = this.#oldestIndex(nowMs)
    for (const block of this.#blocks) {
      if (block === undefined) continue
      for (let row = 0; row < rowsOfBlock; row++) {
        const index = block.index(row)
        if (index >= oldest && index < this.#openIndex) yield [block, row]
      }
    }
  }

  #openSince(nowMs: number): Window | undefined {
    return this.#openIndex < this.#oldestIndex(nowMs) ? undefined : this.#open
  }

  #oldestIndex(nowMs: number): number {
    return Math.max(0, Math.floor(nowMs / this.spanMs) - this.#slots + 1)
  }

  #setBack(index: number): void {
    for (const block of this.#blocks) {
      if (block === undefined) continue
      for (let row = 0; row < rowsOfBlock; row++) if (block.index(row) >= index) block.erase(row)
    }
    this.#openIndex = index
  }

  #close(): void {
    if (this.#open === undefined) return
    const { block, row } = this.#placeOf(this.#openIndex)
    block.write(row, this.#openIndex, summaryOf(this.#open))
  }

  #addLate(index: number, late: Window): void {
    const { block, row } = this.#placeOf(index)
    const before = block.index(row)
    // The ring has wrapped around since.
    if (before > index) return
    const added = summaryOf(late)
    block.write(row, index, before === index ? sumOf(block.read(row, this.spanMs), added) : added)
  }

  #placeOf(index: number) {
    const place = index % this.#slots
    const block = (this.#blocks[Math.floor(place / rowsOfBlock)] ??= new Block())
    return { block, row: place % rowsOfBlock }
  }
}

/** Rows allocated together: few enough that an agent that runs for minutes does not use the memory of a day. */
const rowsOfBlock = 20

/** Byte offsets in a row. */
const at = { index: 0, reasons: 4, counts: 8, times: 14 } as const
const rowBytes = 22

/** Rows of a ring in one buffer: thousands of rings must not cost thousands of objects. */
class Block {
  readonly #view = new DataView(new ArrayBuffer(rowsOfBlock * rowBytes))

  /** Returns the number of the slot since 1970; -1 if the row is empty. */
  index(row: number): number {
    return this.#view.getUint32(row * rowBytes + at.index) - 1
  }

  erase(row: number): void {
    this.#view.setUint32(row * rowBytes + at.index, 0)
  }

  counts(row: number): SlotCounts {
    const count = (position: number) => this.#view.getUint16(row * rowBytes + at.counts + 2 * position)
    return { passed: count(0), failed: count(1), other: count(2) }
  }

  write(row: number, index: number, { passed, failed, other, reasons, timesNs }: Summary): void {
    const start = row * rowBytes
    this.#view.setUint32(start + at.index, index + 1)
    const set = reasons.reduce((bits, reason) => bits | (1 << reasonNames.indexOf(reason)), 0)
    this.#view.setUint32(start + at.reasons, set)
    for (const [position, count] of [passed, failed, other].entries())
      this.#view.setUint16(start + at.counts + 2 * position, Math.min(count, 0xffff))
    const times = timesNs === undefined ? [] : [timesNs.min, timesNs.p50, timesNs.p99, timesNs.max]
    for (let position = 0; position < 4; position++)
      this.#view.setUint16(start + at.times + 2 * position, packedTime(times[position]))
  }

  read(row: number, spanMs: number): Slot {
    const start = row * rowBytes
    const set = this.#view.getUint32(start + at.reasons)
    const time = (position: number) => unpackedTime(this.#view.getUint16(start + at.times + 2 * position))
    const [min, p50, p99, max] = [time(0), time(1), time(2), time(3)]
    const hasTimes = min !== undefined && p50 !== undefined && p99 !== undefined && max !== undefined
    return {
      fromMs: this.index(row) * spanMs,
      ...this.counts(row),
      reasons: reasonNames.filter((_, bit) => (set & (1 << bit)) !== 0),
      ...(hasTimes ? { timesNs: { min, p50, p99, max } } : {}),
    }
  }
}

/** Steps per octave: 16 bits cover 1 ns to 12 minutes with an error of 0.02 %. 0 stands for no time. */
const stepsOfOctave = 1_650

function packedTime(ns: number | undefined): number {
  return ns === undefined ? 0 : Math.min(0xffff, 1 + Math.round(Math.log2(Math.max(1, ns)) * stepsOfOctave))
}

function unpackedTime(packed: number): number | undefined {
  return packed === 0 ? undefined : Math.round(2 ** ((packed - 1) / stepsOfOctave))
}

function countsOf({ counts }: Window): SlotCounts {
  return {
    passed: counts.passed,
    failed: countOf(counts, 'failure'),
    other: countOf(counts, 'inconclusive') + countOf(counts, 'unable'),
  }
}

type Summary = Omit<Slot, 'fromMs'>

function sumOf(a: Summary, b: Summary): Summary {
  const timesNs = a.timesNs ?? b.timesNs
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    other: a.other + b.other,
    reasons: reasonNames.filter((reason) => a.reasons.includes(reason) || b.reasons.includes(reason)),
    ...(timesNs === undefined ? {} : { timesNs }),
  }
}

function summaryOf(window: Window): Summary {
  const { counts, times } = window
  const found = new Set(entriesOf(counts.reasons).map(([reason]) => reason))
  return {
    ...countsOf(window),
    reasons: reasonNames.filter((reason) => found.has(reason)),
    ...(times.count === 0
      ? {}
      : { timesNs: { min: times.minNs, p50: times.quantileNs(0.5), p99: times.quantileNs(0.99), max: times.maxNs } }),
  }
}
