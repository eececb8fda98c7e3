import { type Clock, clocksOf } from '../../time/clock.ts'
import type { Fate, Shot } from './fate.ts'
import type { Arrival } from './packet-socket.ts'

/** Times of an answer and its request. */
export interface Times {
  readonly arrival: Arrival
  readonly tookNs: number
  readonly departureClock: Clock
  readonly sourcePort: number
}

/** An answered packet. It refers to its volley only while that is in progress, so that finished volleys can be freed. */
export interface Followed {
  volley: { readonly open: OpenVolley; readonly index: number } | undefined
}

/** A volley in progress, as an exchange sees it: it receives the fate of each shot, by index. */
export interface OpenVolley {
  readonly timeoutNs: number
  /** Reads a packet that has the key of a shot. Returns whether it answers the shot. */
  reads(index: number, bytes: Uint8Array): boolean
  /** Settles the shot with the answer that was read last. */
  answered(index: number, times: Times, followed: Followed): void
  copied(index: number): void
  settled(index: number, fate: Fate<never>): void
}

/** Collects the fates of shots that were sent together. */
export class Volley<Message> implements OpenVolley {
  readonly fates: Promise<readonly Fate<Message>[]>
  readonly timeoutNs: number
  readonly #shots: readonly Shot<Message>[]
  readonly #settled: (Fate<Message> | undefined)[] = []
  #read: Message | undefined
  readonly #followed: Followed[] = []
  #left: number
  #onEnded: () => void = () => {}
  #resolve: (fates: readonly Fate<Message>[]) => void = () => {}
  #reject: (error: unknown) => void = () => {}

  constructor(shots: readonly Shot<Message>[], timeoutNs: number) {
    this.#shots = shots
    this.timeoutNs = timeoutNs
    this.#left = shots.length
    this.fates = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (this.#left === 0) this.#resolve([])
  }

  /** Calls `listener` when all fates are known. */
  whenEnded(listener: () => void): void {
    if (this.#left > 0) this.#onEnded = listener
    else listener()
  }

  reads(index: number, bytes: Uint8Array): boolean {
    try {
      this.#read = this.#shots[index]?.read(bytes)
      return this.#read !== undefined
    } catch (error) {
      this.#reject(error)
      return false
    }
  }

  answered(index: number, { arrival, tookNs, departureClock, sourcePort }: Times, followed: Followed): void {
    const { clock, atNs, ttl, trafficClass } = arrival
    const message = this.#read
    if (message === undefined) return
    this.#set(index, {
      kind: 'answered',
      message,
      tookNs,
      clocks: clocksOf(departureClock, clock),
      atNs,
      sourcePort,
      ...(ttl === undefined ? {} : { ttl }),
      ...(trafficClass === undefined ? {} : { trafficClass }),
      copies: 1,
    })
    if (this.#left === 0) return
    followed.volley = { open: this, index }
    this.#followed.push(followed)
  }

  copied(index: number): void {
    const fate = this.#settled[index]
    if (fate?.kind === 'answered') this.#settled[index] = { ...fate, copies: fate.copies + 1 }
  }

  settled(index: number, fate: Fate<never>): void {
    this.#set(index, fate)
  }

  #set(index: number, fate: Fate<Message>): void {
    this.#settled[index] = fate
    if (--this.#left > 0) return
    for (const followed of this.#followed) followed.volley = undefined
    this.#onEnded()
    this.#resolve(this.#settled.filter((each) => each !== undefined))
  }
}
