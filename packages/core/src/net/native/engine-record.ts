import { endianness } from 'node:os'
import { type Clocks, clockOf, clocksOf } from '../../time/clock.ts'
import { errnoName } from './errno.ts'
import type { NativeLayout } from './native.ts'

/** By `enum record_kind` and `enum stray_kind` of native/engine_records.h, from 1. */
const kinds = ['answered', 'icmp', 'unsent', 'silent', 'stray'] as const
const strayKinds = ['late', 'duplicate', 'foreign'] as const
const flagBits = { reset: 1, otherKey: 2, mayBeOurs: 4, otherLength: 8, altered: 16, stranger: 32 } as const

/** One row of the engine's memory (native/engine_records.h); moved from row to row. */
export class EngineRecord {
  readonly #layout: NativeLayout
  readonly #view: DataView
  readonly #bytes: Buffer
  #row = 0

  constructor(layout: NativeLayout, memory: ArrayBuffer) {
    this.#layout = layout
    this.#view = new DataView(memory)
    this.#bytes = Buffer.from(memory)
  }

  moveTo(index: number): void {
    this.#row = this.#layout.records + (index % this.#layout.recordCount) * this.#layout.recordBytes
  }

  /** Id of the question; for a stray the number of its lane. */
  get id(): number {
    return this.#number(this.#layout.recordId)
  }

  get kind(): (typeof kinds)[number] {
    return kinds[this.#word(this.#layout.recordKind) - 1] ?? 'silent'
  }

  get strayKind(): (typeof strayKinds)[number] {
    return strayKinds[this.#word(this.#layout.recordFlags) - 1] ?? 'foreign'
  }

  /** When it was handed to the kernel, on the clock of `nowNs`. */
  get startedNs(): number {
    return this.#number(this.#layout.recordStartedNs)
  }

  /** Wall clock. */
  get startedAtMs(): number {
    return this.#number(this.#layout.recordStartedMs)
  }

  /** When the result was known, on the clock of `nowNs`. */
  get endedNs(): number {
    return this.#number(this.#layout.recordEndedNs)
  }

  /** From departure to answer or error; for silence to its late answer; undefined if there was none. */
  get tookNs(): number | undefined {
    return measured(this.#number(this.#layout.recordTookNs))
  }

  get clocks(): Clocks {
    return clocksOf(clockOf(this.#word(this.#layout.recordTxClock)), clockOf(this.#word(this.#layout.recordRxClock)))
  }

  /** Number of answers in a row that it stands for; it is that of the last. */
  get answers(): number {
    return this.#word(this.#layout.recordAnswers)
  }

  /** Time between the first and the last of their questions. */
  get spanNs(): number {
    return this.#number(this.#layout.recordSpanNs)
  }

  get sequence(): number {
    return this.#word(this.#layout.recordSequence)
  }

  get sourcePort(): number {
    return this.#word(this.#layout.recordSourcePort)
  }

  /** Length of the answer. */
  get length(): number {
    return this.#word(this.#layout.recordLength)
  }

  get ttl(): number | undefined {
    return known(this.#view.getInt32(this.#row + this.#layout.recordTtl, isLittleEndian))
  }

  get trafficClass(): number | undefined {
    return known(this.#view.getInt32(this.#row + this.#layout.recordTrafficClass, isLittleEndian))
  }

  /** Of STAMP: number of the question in its session, and of the answers that the reflector gave in it before this one. */
  get stamp(): { readonly sequence: number; readonly reflected: number } {
    return {
      sequence: this.#word(this.#layout.recordStampSequence),
      reflected: this.#word(this.#layout.recordReflected),
    }
  }

  /** Of a further copy of an answer of STAMP: id of its question, and the reflector's numbers of the answer before and of this one. */
  get copy(): { readonly of: number; readonly numbers: readonly [before: number, now: number] } | undefined {
    const of = this.#number(this.#layout.recordCopyOf)
    if (of === 0) return undefined
    return { of, numbers: [this.#word(this.#layout.recordCopied), this.#word(this.#layout.recordReflected)] }
  }

  /** TTL with which the question arrived. */
  get senderTtl(): number | undefined {
    return known(this.#view.getInt32(this.#row + this.#layout.recordSenderTtl, isLittleEndian))
  }

  /** Time the question spent at the reflector, which `tookNs` is without. */
  get residenceNs(): number | undefined {
    return measured(this.#number(this.#layout.recordResidenceNs))
  }

  /** From our departure to the reflector's receipt, where both clocks follow UTC; and how wrong it may be. */
  get forthNs(): number | undefined {
    return measured(this.#number(this.#layout.recordForthNs))
  }

  get utcErrorNs(): number | undefined {
    return measured(this.#number(this.#layout.recordUtcErrorNs))
  }

  /** Name of the errno. */
  get code(): string {
    return errnoName(this.#word(this.#layout.recordNumber))
  }

  get icmp(): { readonly type: number; readonly code: number } {
    return { type: this.#word(this.#layout.recordType), code: this.#word(this.#layout.recordCode) }
  }

  /** MTU, where type and code, or EMSGSIZE, carry one; otherwise 0. */
  get info(): number {
    return this.#word(this.#layout.recordInfo)
  }

  /** Sender of the ICMP error or the stray. */
  get address(): string {
    const start = this.#row + this.#layout.recordAddress
    return this.#bytes.toString('latin1', start, start + this.#word(this.#layout.recordAddressLength))
  }

  get port(): number {
    return this.#word(this.#layout.recordPort)
  }

  has(flag: keyof typeof flagBits): boolean {
    return (this.#word(this.#layout.recordFlags) & flagBits[flag]) !== 0
  }

  #word(offset: number): number {
    return this.#view.getUint32(this.#row + offset, isLittleEndian)
  }

  #number(offset: number): number {
    return this.#view.getFloat64(this.#row + offset, isLittleEndian)
  }
}

const isLittleEndian = endianness() === 'LE'

function measured(ns: number): number | undefined {
  return Number.isNaN(ns) ? undefined : ns
}

function known(value: number): number | undefined {
  return value < 0 ? undefined : value
}
