import { type FailureReason, reasons as reasonTable } from '../model/failure.ts'
import type { Packets } from '../model/packets.ts'
import { countOf, entriesOf, type Window } from './window.ts'

/** Packets without an answer in time, of how many. */
export interface Lost {
  readonly sent: number
  readonly lost: number
  /**
   * Of these, lost on the way there and on the way back; absent if the other side does not count packets. The next answer reports them, which
   * may be in the slot after.
   */
  readonly forth?: number | undefined
  readonly back?: number | undefined
}

/** One slot of a history. `timesNs` covers successes and is absent if there were none. */
export interface Slot {
  /** Wall clock at which the slot starts. */
  readonly fromMs: number
  readonly passed: number
  /** Attempts that count against the link. */
  readonly failed: number
  /** Attempts that are no evidence about it. */
  readonly other: number
  /** Absent if the probe sends no packets itself. */
  readonly lost?: Lost | undefined
  /** All reasons that occurred, in the order of the table. */
  readonly reasons: readonly FailureReason[]
  readonly timesNs?: { readonly min: number; readonly p50: number; readonly p99: number; readonly max: number }
}

export type SlotCounts = Pick<Slot, 'passed' | 'failed' | 'other' | 'lost'>

export type Summary = Omit<Slot, 'fromMs'>

/** All reasons in the order of the table, which are the bits of packed slots, so that a set of them fits a 32-bit number. */
export const reasonNames = Object.keys(reasonTable).filter((name): name is FailureReason => name in reasonTable)

/** Rows allocated together: few enough that an agent that runs for minutes does not use the memory of a day. */
export const rowsOfBlock = 20

/** Byte offsets in a row. Files have the same rows: another layout is another version of their format. */
const at = { index: 0, reasons: 4, counts: 8, times: 14, packets: 22 } as const
/** Bytes of one packed slot. */
export const rowBytes = 30

/** Stands for a number of packets that is not known. */
const unknown = 0xffff

/** Rows of a ring in one buffer: thousands of rings must not cost thousands of objects. */
export class Block {
  readonly #bytes = new Uint8Array(rowsOfBlock * rowBytes)
  readonly #view = new DataView(this.#bytes.buffer)
  /** A bit for each row that was written since `takeChanged`. */
  #changed = 0

  /** Returns the number of the slot since 1970; -1 if the row is empty. */
  index(row: number): number {
    return this.#view.getUint32(row * rowBytes + at.index) - 1
  }

  erase(row: number): void {
    this.#view.setUint32(row * rowBytes + at.index, 0)
  }

  /** Returns which rows were written since the last call, a bit for each. */
  takeChanged(): number {
    const changed = this.#changed
    this.#changed = 0
    return changed
  }

  /** Returns the bytes of a row, which are not copied. */
  packed(row: number): Uint8Array {
    return this.#bytes.subarray(row * rowBytes, (row + 1) * rowBytes)
  }

  /** Writes a packed row. `bits` has the bit of each reason here by that in the row; -1 for one that is not known here. */
  unpack(row: number, packed: Uint8Array, bits: readonly number[]): void {
    const start = row * rowBytes
    this.#bytes.set(packed, start)
    const set = this.#view.getUint32(start + at.reasons)
    const known = bits.reduce((all, bit, from) => (bit >= 0 && (set & (1 << from)) !== 0 ? all | (1 << bit) : all), 0)
    this.#view.setUint32(start + at.reasons, known)
  }

  /** Adds the counts of a row to a sum. */
  addTo(sum: SlotSum, row: number): void {
    const start = row * rowBytes
    const view = this.#view
    sum.passed += view.getUint16(start + at.counts)
    sum.failed += view.getUint16(start + at.counts + 2)
    sum.other += view.getUint16(start + at.counts + 4)
    const sent = view.getUint16(start + at.packets)
    if (sent === 0) return
    sum.sent += sent
    sum.lost += view.getUint16(start + at.packets + 2)
    const forth = view.getUint16(start + at.packets + 4)
    const back = view.getUint16(start + at.packets + 6)
    if (forth !== unknown && back !== unknown) sum.addDirections(forth, back)
  }

  write(row: number, index: number, { passed, failed, other, lost, reasons, timesNs }: Summary): void {
    const start = row * rowBytes
    this.#view.setUint32(start + at.index, index + 1)
    const set = reasons.reduce((bits, reason) => bits | (1 << reasonNames.indexOf(reason)), 0)
    this.#view.setUint32(start + at.reasons, set)
    this.#put(start + at.counts, passed)
    this.#put(start + at.counts + 2, failed)
    this.#put(start + at.counts + 4, other)
    this.#put(start + at.times, packedTime(timesNs?.min))
    this.#put(start + at.times + 2, packedTime(timesNs?.p50))
    this.#put(start + at.times + 4, packedTime(timesNs?.p99))
    this.#put(start + at.times + 6, packedTime(timesNs?.max))
    this.#put(start + at.packets, lost?.sent ?? 0)
    this.#put(start + at.packets + 2, lost?.lost ?? 0)
    this.#put(start + at.packets + 4, lost?.forth ?? unknown)
    this.#put(start + at.packets + 6, lost?.back ?? unknown)
    this.#changed |= 1 << row
  }

  read(row: number, spanMs: number): Slot {
    const start = row * rowBytes
    const set = this.#view.getUint32(start + at.reasons)
    const time = (position: number) => unpackedTime(this.#view.getUint16(start + at.times + 2 * position))
    const [min, p50, p99, max] = [time(0), time(1), time(2), time(3)]
    const hasTimes = min !== undefined && p50 !== undefined && p99 !== undefined && max !== undefined
    return {
      fromMs: this.index(row) * spanMs,
      ...countsAt(this, row),
      reasons: reasonNames.filter((_, bit) => (set & (1 << bit)) !== 0),
      ...(hasTimes ? { timesNs: { min, p50, p99, max } } : {}),
    }
  }

  #put(position: number, value: number): void {
    this.#view.setUint16(position, Math.min(value, 0xffff))
  }
}

/** Adds up the counts of slots. A report reads tens of thousands of them, so none becomes an object. */
export class SlotSum {
  passed = 0
  failed = 0
  other = 0
  sent = 0
  lost = 0
  #forth = 0
  #back = 0
  #hasDirections = false

  add({ passed, failed, other, lost }: SlotCounts): void {
    this.passed += passed
    this.failed += failed
    this.other += other
    if (lost === undefined) return
    this.sent += lost.sent
    this.lost += lost.lost
    if (lost.forth !== undefined && lost.back !== undefined) this.addDirections(lost.forth, lost.back)
  }

  /** A slot that does not know the direction, because nothing was answered, does not hide that others do. */
  addDirections(forth: number, back: number): void {
    this.#forth += forth
    this.#back += back
    this.#hasDirections = true
  }

  /** Returns the sum as the counts of one slot. */
  get counts(): SlotCounts {
    const { passed, failed, other, sent, lost } = this
    const byDirection = this.#hasDirections ? { forth: this.#forth, back: this.#back } : {}
    return { passed, failed, other, ...(sent === 0 ? {} : { lost: { sent, lost, ...byDirection } }) }
  }
}

function countsAt(block: Block, row: number): SlotCounts {
  const sum = new SlotSum()
  block.addTo(sum, row)
  return sum.counts
}

/** Steps per octave: 16 bits cover 1 ns to 12 minutes with an error of 0.02 %. 0 stands for no time. */
const stepsOfOctave = 1_650

function packedTime(ns: number | undefined): number {
  return ns === undefined ? 0 : Math.min(0xffff, 1 + Math.round(Math.log2(Math.max(1, ns)) * stepsOfOctave))
}

function unpackedTime(packed: number): number | undefined {
  return packed === 0 ? undefined : Math.round(2 ** ((packed - 1) / stepsOfOctave))
}

export function countsOf({ counts }: Window): SlotCounts {
  return {
    passed: counts.passed,
    failed: countOf(counts, 'failure'),
    other: countOf(counts, 'inconclusive') + countOf(counts, 'unable'),
    lost: lostOf(counts.packets),
  }
}

function lostOf(packets: Packets | undefined): Lost | undefined {
  if (packets === undefined || packets.sent === 0) return undefined
  const { sent, returned, arrived, lostForth = 0 } = packets
  const lost = Math.max(0, sent - returned)
  return arrived === undefined
    ? { sent, lost }
    : { sent, lost, forth: lostForth, back: Math.max(0, arrived - returned) }
}

function sumOfCounts(a: SlotCounts, b: SlotCounts): SlotCounts {
  const sum = new SlotSum()
  sum.add(a)
  sum.add(b)
  return sum.counts
}

export function sumOf(a: Summary, b: Summary): Summary {
  const timesNs = a.timesNs ?? b.timesNs
  return {
    ...sumOfCounts(a, b),
    reasons: reasonNames.filter((reason) => a.reasons.includes(reason) || b.reasons.includes(reason)),
    ...(timesNs === undefined ? {} : { timesNs }),
  }
}

export function summaryOf(window: Window): Summary {
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

/** Returns the number of the slot of a packed row, as `Block.index` does. */
export function indexOfPacked(packed: Uint8Array): number {
  return new DataView(packed.buffer, packed.byteOffset).getUint32(at.index) - 1
}
