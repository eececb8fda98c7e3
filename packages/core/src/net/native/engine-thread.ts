import { endianness } from 'node:os'
import type { SendingOptions } from '../packets/packet-socket.ts'
import type { Timing } from '../packets/question.ts'
import { EngineRecord } from './engine-record.ts'
import { arrivalsIn, type LastArrival } from './engine-sessions.ts'
import { errnoName } from './errno.ts'
import type { Native, NativeEngine, NativeLaneOptions, NativeSocketOptions } from './native.ts'

/** A question for the engine, asked once or repeatedly. */
export interface EngineRequest {
  readonly lane: number
  readonly address: string
  readonly port: number
  readonly payloadBytes: number
  readonly timeoutMs: number
  /** Index of the source port; absent: another one in each round. */
  readonly flow?: number | undefined
  readonly key?: Uint8Array | undefined
  readonly send?: SendingOptions | undefined
  /** Of STAMP: its session, and the number of its first packet. */
  readonly session?: { readonly ssid: number; readonly sequence: number; readonly isLight: boolean } | undefined
  /** Absent: once, at once. */
  readonly rounds?: Timing['rounds'] | undefined
}

/** Receives the results of a question. The record is valid only during the call. */
export type OnRecord = (record: EngineRecord) => void

/** Counters of the responders, by the fields of `ResponderCounters`. */
export interface EngineResponder {
  readonly port: number
  counts(): { readonly answered: number; readonly rejected: number; readonly unsent: number; readonly dropped: number }
  /** Returns when the last request of each session it keeps was read. */
  arrivals(): readonly LastArrival[]
  close(): void
}

export interface EngineCounts {
  readonly started: number
  readonly late: number
  readonly skipped: number
  readonly inFlight: number
  /** Results that found no room, because this thread was busy for too long. */
  readonly lost: number
}

interface Asked {
  readonly slot: number
  readonly isOnce: boolean
  readonly onRecord: OnRecord
  readonly onEnded: () => void
  /** Receives further copies of answers, also after that of a question asked once: a record of kind `stray`. */
  readonly onCopy?: OnRecord | undefined
  /** Called when records were lost because nobody had read those before: what comes next does not follow what came before. */
  readonly onLost?: (() => void) | undefined
}

/** Copies come within moments, so that few questions need to be remembered. */
const mostPast = 256

/**
 * The packet engine of this JavaScript thread: a native thread that asks and answers with packets of fixed layout. It runs while someone
 * has acquired it.
 */
export class EngineThread {
  readonly #native: Native
  readonly #engine: NativeEngine
  readonly #view: DataView
  readonly #record: EngineRecord
  readonly #asked = new Map<number, Asked>()
  /** Receivers of copies, of the newest questions that were asked once. */
  readonly #past = new Map<number, OnRecord>()
  readonly #strays = new Map<number, OnRecord>()
  readonly #freeSlots: number[] = []
  #slots = 0
  #ids = 0
  #read = 0
  #lost = 0
  #isWaking = false
  #isReading = false
  #ended: Error | undefined

  constructor(native: Native) {
    this.#native = native
    this.#engine = native.openEngine(() => this.read())
    this.#view = new DataView(this.#engine.memory)
    this.#record = new EngineRecord(native.layout, this.#engine.memory)
  }

  /** Why the thread ended by itself; undefined while it runs. */
  get ended(): Error | undefined {
    return this.#ended
  }

  /** Opens sockets in the current network namespace. Throws the system's error. */
  openLane(options: NativeLaneOptions, onStray: OnRecord): number {
    const lane = this.#engine.openLane(options)
    this.#strays.set(lane, onStray)
    return lane
  }

  closeLane(lane: number): void {
    this.#strays.delete(lane)
    if (this.#ended !== undefined) return
    this.#engine.closeLane(lane)
    this.#wakeSoon()
  }

  /**
   * Asks. Results of repeated questions wait for `read`, except failures and the first success after them. `onEnded` is called instead of `onRecord` if the thread ends by itself. Returns a function that stops asking; no record comes
   * after it.
   */
  ask(request: EngineRequest, on: Omit<Asked, 'slot' | 'isOnce'>): () => void {
    const { layout } = this.#native
    const { rounds, session } = request
    const slot = this.#freeSlots.pop() ?? this.#slots++
    const id = ++this.#ids
    this.#set(layout.requestSlot, slot)
    this.#set(layout.requestId, id)
    this.#set(layout.requestLane, request.lane)
    this.#set(layout.requestPort, request.port)
    this.#set(layout.requestPayloadBytes, request.payloadBytes)
    this.#set(layout.requestTimeoutMs, request.timeoutMs)
    this.#set(layout.requestIntervalMs, rounds?.intervalMs ?? 0)
    this.#set(layout.requestDueNs, rounds?.dueNs ?? 0)
    this.#set(layout.requestFlow, request.flow ?? -1)
    this.#set(layout.requestSsid, session?.ssid ?? 0)
    this.#set(layout.requestSequence, session?.sequence ?? 0)
    this.#set(layout.requestIsLight, session?.isLight === true ? 1 : 0)
    this.#set(layout.requestCondensed, rounds?.condensed ?? 0)
    try {
      this.#engine.add(request.address, request.key, request.send)
    } catch (error) {
      this.#freeSlots.push(slot)
      throw error
    }
    this.#asked.set(id, { slot, isOnce: rounds === undefined, ...on })
    this.#wakeSoon()
    return () => {
      if (!this.#forget(id) || this.#ended !== undefined) return
      this.#engine.remove(slot)
      this.#wakeSoon()
    }
  }

  openResponder(options: NativeSocketOptions, key: Uint8Array): EngineResponder {
    const { layout } = this.#native
    const { index, port } = this.#engine.openResponder(options, key)
    const row = layout.responders + index * layout.responderBytes
    const count = (offset: number) => this.#view.getFloat64(row + offset, isLittleEndian)
    return {
      port,
      counts: () => ({
        answered: count(layout.responderAnswered),
        rejected: count(layout.responderRejected),
        unsent: count(layout.responderUnsent),
        dropped: count(layout.responderDropped),
      }),
      arrivals: () => arrivalsIn(this.#view, layout, index),
      close: () => {
        if (this.#ended === undefined) this.#engine.closeResponder(index)
      },
    }
  }

  counts(): EngineCounts {
    const { layout } = this.#native
    const count = (offset: number) => this.#view.getFloat64(offset, isLittleEndian)
    return {
      started: count(layout.countStarted),
      late: count(layout.countLate),
      skipped: count(layout.countSkipped),
      inFlight: count(layout.countInFlight),
      lost: count(layout.countLost),
    }
  }

  /** Hands over all results there are. */
  read(): void {
    if (this.#ended !== undefined || this.#isReading) return
    this.#isReading = true
    let done = 0
    try {
      // A listener may throw, or close the engine.
      for (const rows = this.#engine.take(); done < rows && this.ended === undefined; ) {
        done++
        this.#record.moveTo(this.#read++)
        this.#handOver()
      }
    } finally {
      this.#isReading = false
      if (this.ended === undefined) this.#engine.release(done)
    }
    this.#tellLoss()
    const errno = this.ended === undefined ? this.#engine.failed() : 0
    if (errno !== 0) this.#end(errno)
  }

  close(): void {
    this.#asked.clear()
    this.#past.clear()
    this.#engine.close()
    this.#ended ??= new Error('the packet engine is closed')
  }

  #handOver(): void {
    const record = this.#record
    const { id } = record
    if (record.kind === 'stray') {
      const { copy } = record
      if (copy !== undefined) (this.#asked.get(copy.of)?.onCopy ?? this.#past.get(copy.of))?.(record)
      return this.#strays.get(id)?.(record)
    }
    const asked = this.#asked.get(id)
    if (asked === undefined) return
    if (asked.isOnce) this.#forget(id)
    if (asked.isOnce && asked.onCopy !== undefined) this.#remember(id, asked.onCopy)
    asked.onRecord(record)
  }

  /** Records are lost only while the memory is full: what was read came before, and what follows after, except for a few that were written meanwhile. */
  #tellLoss(): void {
    if (this.#ended !== undefined) return
    const { lost } = this.counts()
    if (lost === this.#lost) return
    this.#lost = lost
    for (const { onLost } of this.#asked.values()) onLost?.()
  }

  #remember(id: number, onCopy: OnRecord): void {
    this.#past.set(id, onCopy)
    const [oldest] = this.#past.keys()
    if (oldest !== undefined && this.#past.size > mostPast) this.#past.delete(oldest)
  }

  #forget(id: number): boolean {
    const asked = this.#asked.get(id)
    if (asked === undefined) return false
    this.#asked.delete(id)
    this.#freeSlots.push(asked.slot)
    return true
  }

  /** Questions of one turn of the event loop go out together. */
  #wakeSoon(): void {
    if (this.#isWaking) return
    this.#isWaking = true
    queueMicrotask(() => {
      this.#isWaking = false
      if (this.#ended === undefined) this.#engine.wake()
    })
  }

  #end(errno: number): void {
    this.#ended = new Error(`the packet engine ended with ${errnoName(errno)}: this is a defect, please report it`)
    const asked = [...this.#asked.values()]
    this.#asked.clear()
    for (const { onEnded } of asked) onEnded()
    // Nobody waits for repeated questions, so nobody would notice.
    if (asked.some(({ isOnce }) => !isOnce)) throw this.#ended
  }

  #set(offset: number, value: number): void {
    this.#view.setFloat64(offset, value, isLittleEndian)
  }
}

let shared: { readonly thread: EngineThread; holders: number } | undefined

/** Hands over all results of this JavaScript thread's engine. */
export function readEngine(): void {
  shared?.thread.read()
}

/** Returns the counts of this JavaScript thread's engine. */
export function engineCounts(): EngineCounts {
  return shared?.thread.counts() ?? { started: 0, late: 0, skipped: 0, inFlight: 0, lost: 0 }
}

/** Returns the engine of this JavaScript thread; starts it if it does not run. Pass it to `releaseEngine` once for each call. */
export function acquireEngine(native: Native): EngineThread {
  if (shared === undefined || shared.thread.ended !== undefined)
    shared = { thread: new EngineThread(native), holders: 0 }
  shared.holders++
  return shared.thread
}

export function releaseEngine(thread: EngineThread): void {
  if (shared?.thread !== thread) return thread.close() // it ended by itself, and another has taken its place
  if (--shared.holders > 0) return
  thread.close()
  shared = undefined
}

const isLittleEndian = endianness() === 'LE'
