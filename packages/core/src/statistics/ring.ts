import type { Result } from '../probes/result.ts'
import {
  Block,
  countsOf,
  indexOfPacked,
  reasonNames,
  rowBytes,
  rowsOfBlock,
  type Slot,
  type SlotCounts,
  SlotSum,
  type Summary,
  summaryOf,
  sumOf,
} from './slots.ts'
import { Window, type Yields } from './window.ts'

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

/**
 * A compact history of fixed length: the newest `slots` spans of `spanMs`, 30 bytes each, allocated as needed. The open slot is a
 * `Window`, which is packed when its span ends.
 */
export class Ring {
  readonly spanMs: number
  readonly #slots: number
  readonly #blocks: (Block | undefined)[]
  #open: Window | undefined
  #openIndex = 0
  #isOpenChanged = false

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
    const counted = yields === 'time' ? result : withoutPackets(result)
    const presentIndex = Math.floor(Math.max(atMs, nowMs) / this.spanMs)
    if (this.#openIndex * this.spanMs - nowMs > latestMs && presentIndex < this.#openIndex) this.#setBack(presentIndex)
    const index = Math.floor(atMs / this.spanMs)
    if (index < this.#openIndex && this.#openIndex * this.spanMs - atMs <= latestMs) {
      const late = new Window()
      late.add(counted, yields)
      return this.#keep(index, late)
    }
    if (index > this.#openIndex) {
      this.#close()
      this.#openIndex = index
    }
    this.#open ??= new Window()
    this.#open.add(counted, yields)
    this.#isOpenChanged = true
  }

  /** Returns the non-empty slots, oldest first, with the open one last. */
  read(nowMs: number): readonly Slot[] {
    const slots = [...this.#rows(nowMs)].map(([block, row]) => block.read(row, this.spanMs))
    const open = this.#openSince(nowMs)
    const fromMs = this.#openIndex * this.spanMs
    const closed = open === undefined ? slots : slots.filter((slot) => slot.fromMs !== fromMs)
    if (open !== undefined) closed.push({ fromMs, ...this.#summaryAt(this.#openIndex, open) })
    return closed.toSorted((a, b) => a.fromMs - b.fromMs)
  }

  /** Sums up the slots that `read` would return, without creating them. */
  sum(nowMs: number): SlotCounts {
    const sum = new SlotSum()
    const oldest = this.#oldestIndex(nowMs)
    for (const block of this.#blocks) {
      if (block === undefined) continue
      for (let row = 0; row < rowsOfBlock; row++) if (this.#isKept(block.index(row), oldest)) block.addTo(sum, row)
    }
    const open = this.#openSince(nowMs)
    if (open !== undefined) sum.add(countsOf(open))
    return sum.counts
  }

  /**
   * Returns slots packed, to outlive this process: all that `read` would return, or those that have changed since the last call, too. The
   * one with the greatest number comes last.
   */
  pack(nowMs: number, which: 'all' | 'changed'): Buffer {
    const oldest = this.#oldestIndex(nowMs)
    const rows: Uint8Array[] = []
    for (const block of this.#blocks) {
      const changed = block?.takeChanged() ?? 0
      if (block === undefined || (which === 'changed' && changed === 0)) continue
      for (let row = 0; row < rowsOfBlock; row++) {
        const index = block.index(row)
        const isWanted = which === 'all' || (changed & (1 << row)) !== 0
        if (isWanted && this.#isKept(index, oldest)) rows.push(block.packed(row))
      }
    }
    const open = this.#openSince(nowMs)
    if (open !== undefined && (which === 'all' || this.#isOpenChanged)) {
      const block = new Block()
      block.write(0, this.#openIndex, this.#summaryAt(this.#openIndex, open))
      rows.push(block.packed(0))
    }
    this.#isOpenChanged = false
    return Buffer.concat(rows)
  }

  /**
   * Adds packed slots to a ring without results, except those that it would have dropped by now. Those of a later call replace those of an
   * earlier one. `reasons` are those of the process that packed them, by bit.
   */
  unpack(bytes: Buffer, { reasons, nowMs }: { readonly reasons: readonly string[]; readonly nowMs: number }): void {
    const bits = reasons.map((reason) => reasonNames.findIndex((name) => name === reason))
    const oldest = this.#oldestIndex(nowMs)
    for (let start = 0; start + rowBytes <= bytes.length; start += rowBytes) {
      const packed = bytes.subarray(start, start + rowBytes)
      const index = indexOfPacked(packed)
      if (index < oldest || index * this.spanMs - nowMs > latestMs) continue
      const { block, row } = this.#placeOf(index)
      if (block.index(row) > index) continue
      block.unpack(row, packed, bits)
      this.#openIndex = Math.max(this.#openIndex, index)
    }
  }

  /** Yields the rows of closed slots, and of the part of the open one that was unpacked. */
  *#rows(nowMs: number): Generator<readonly [block: Block, row: number]> {
    const oldest = this.#oldestIndex(nowMs)
    for (const block of this.#blocks) {
      if (block === undefined) continue
      for (let row = 0; row < rowsOfBlock; row++) {
        if (this.#isKept(block.index(row), oldest)) yield [block, row]
      }
    }
  }

  #isKept(index: number, oldest: number): boolean {
    return index >= oldest && index <= this.#openIndex
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
    if (this.#open !== undefined) this.#keep(this.#openIndex, this.#open)
    this.#open = undefined
  }

  /** Adds to a closed slot. */
  #keep(index: number, added: Window): void {
    const { block, row } = this.#placeOf(index)
    // The ring may have wrapped around since.
    if (block.index(row) <= index) block.write(row, index, this.#summaryAt(index, added))
  }

  /** Returns the summary of a slot with what is added to it. */
  #summaryAt(index: number, added: Window): Summary {
    const { block, row } = this.#placeOf(index)
    const summary = summaryOf(added)
    return block.index(row) === index ? sumOf(block.read(row, this.spanMs), summary) : summary
  }

  #placeOf(index: number) {
    const place = index % this.#slots
    const block = (this.#blocks[Math.floor(place / rowsOfBlock)] ??= new Block())
    return { block, row: place % rowsOfBlock }
  }
}

/** A search sends packets that are meant to be too large, or to expire: those that are lost are no loss. */
function withoutPackets({ packets: _, ...result }: Result): Result {
  return result
}
