import { randomInt } from 'node:crypto'
import type { Family } from '../../model/endpoint.ts'
import type { Deadline } from '../../time/deadline.ts'
import { type Fate, fateOfError, type Key, type Shot, unsentCodes, unsentFate } from './fate.ts'
import type { Arrival, OpenPacketSocket, PacketAddress, PacketSocket, SendError } from './packet-socket.ts'
import { createMemory } from './recent.ts'
import { type Outgoing, sendAll } from './send-all.ts'
import { type Followed, type OpenVolley, Volley } from './volley.ts'

/**
 * A packet that no attempt waits for: a late answer (after its deadline), a duplicate, or a foreign one. Foreign means an answer to no
 * request of ours, or an ICMP error that quotes too little to be sure that it is about a packet of ours.
 */
export interface Stray {
  readonly kind: 'late' | 'duplicate' | 'foreign'
  readonly from: PacketAddress
  /** For a late or duplicate answer: the time since its request left. */
  readonly afterNs?: number
}

/** Requests and answers over one transport. Matches them by key and source address, and reports every answer that does not match. */
export interface Exchange {
  /** 32 bits, random for each exchange; distinguishes our answers from those of other probers. */
  readonly sender: number
  /** Number of source ports that `flow` selects from. */
  readonly flows: number
  /** Returns the next 32-bit number of this exchange. The first is random, so that a restart does not repeat them. */
  nextSequence(): number
  /** Returns whether a key is free: no request has it, or had it so recently that a late answer could be taken for another one. */
  isFree(key: Key): boolean
  /**
   * Sends all shots at once. Resolves to the fate of each when all are settled, or when the deadline expires or is cancelled. Rejects
   * only for bugs, such as a `read` that throws. Throws `FailureError` if the socket of a flow cannot be opened.
   */
  volley<Message>(shots: readonly Shot<Message>[], deadline: Deadline): Promise<readonly Fate<Message>[]>
  close(): void
}

export interface ExchangeOptions {
  readonly open: OpenPacketSocket
  /** Number of sockets for the flows, each opened on first use. */
  readonly sourcePorts: number
  readonly family: Family
  /** Returns the key of a packet that may be an answer to this sender; undefined if it cannot be one. */
  readonly keyOf: (bytes: Uint8Array, sender: number) => Key | undefined
  /** Whether the socket also receives packets for others (raw ICMP). If so, a packet without a key is ignored, not counted. */
  readonly isShared: boolean
  readonly onStray: (stray: Stray) => void
}

interface Waiting extends Outgoing {
  readonly onCopy: Shot<unknown>['onCopy'] | undefined
  readonly key: Key
  readonly volley: OpenVolley
  readonly index: number
  /** Whether this host has dropped packets since it was sent, perhaps including its answer. */
  mayBeOurs: boolean
  /** ICMP error that may be about it, and quotes nothing to be sure. */
  likelyError: SendError | undefined
}

interface Past extends Pick<Outgoing, 'socket' | 'to' | 'ticket'>, Followed {
  wasAnswered: boolean
  onCopy: ((bytes: Uint8Array) => void) | undefined
}

/** How long a late answer is still recognised: at least the two minutes a packet may live (RFC 793 §3.3). */
const memoryMs = 120_000

/** Limit on remembered requests: as many as the native part stores departures for. */
const mostRemembered = 8_192

export function openExchange(options: ExchangeOptions): Exchange {
  const { open, sourcePorts, family, keyOf, isShared, onStray } = options
  const sender = randomInt(2 ** 32)
  let sequence = randomInt(2 ** 32)
  const pending = new Map<Key, Waiting>()
  const past = createMemory<Key, Past>({
    spanMs: memoryMs,
    most: mostRemembered,
    onForgotten: ({ socket, ticket }) => socket.forget(ticket),
  })

  const end = ({ key, socket, to, ticket, onCopy }: Waiting, wasAnswered: boolean): Past => {
    pending.delete(key)
    const ended: Past = { socket, to, ticket, wasAnswered, onCopy, volley: undefined }
    past.remember(key, ended)
    return ended
  }

  const arrived = (by: PacketSocket | undefined, arrival: Arrival) => {
    const found = keyOf(arrival.bytes, sender)
    if (found === undefined) return isShared ? undefined : onStray({ kind: 'foreign', from: sourceOf(arrival) })
    const key = unboxed(found)
    const waiting = pending.get(key)
    // Only where the request left from: a forger must know the port, too (RFC 5452 §9.1).
    if (waiting === undefined || waiting.socket !== by || !isFrom(waiting, arrival)) return arrivedUnasked(key, arrival)
    const { socket, volley, index } = waiting
    if (!volley.reads(index, arrival.bytes)) return onStray({ kind: 'foreign', from: sourceOf(arrival) })
    const departure = socket.departure(waiting.ticket)
    if (departure === undefined) return // no time is known, so the attempt runs into its deadline
    const tookNs = arrival.atNs - departure.atNs
    const ended = end(waiting, true)
    // It is late by the kernel's clock, although the deadline's timer has not fired yet.
    if (arrival.clock === 'kernel' && tookNs > volley.timeoutNs) {
      onStray({ kind: 'late', from: sourceOf(arrival), afterNs: tookNs })
      return volley.settled(index, { kind: 'silent', mayBeOurs: false, lateNs: tookNs })
    }
    volley.answered(index, { arrival, tookNs, departureClock: departure.clock, sourcePort: socket.port }, ended)
  }

  const arrivedUnasked = (key: Key, arrival: Arrival) => {
    const from = sourceOf(arrival)
    const gone = past.recall(key)
    if (gone === undefined || !isFrom(gone, from)) return onStray({ kind: 'foreign', from })
    const kind = gone.wasAnswered ? 'duplicate' : 'late'
    gone.wasAnswered = true
    gone.volley?.open.copied(gone.volley.index)
    if (kind === 'duplicate') {
      gone.onCopy?.(arrival.bytes)
      gone.onCopy = undefined
    }
    const departure = gone.socket.departure(gone.ticket)
    onStray(departure === undefined ? { kind, from } : { kind, from, afterNs: arrival.atNs - departure.atNs })
  }

  const sourceOf = ({ address, port }: Arrival): PacketAddress => ({ address, family, port })

  const overflowed = () => {
    for (const waiting of pending.values()) waiting.mayBeOurs = true
  }

  // An error may quote too little of its packet to identify it. It is only about a packet if no other one from that socket to that
  // endpoint is in flight. An ICMP error without a quote may be made by anyone who knows the ports, so it ends no attempt: it is
  // reported where no answer arrives.
  const failed = (socket: PacketSocket | undefined, error: SendError) => {
    const { bytes } = error
    const meant: Waiting[] = []
    for (const waiting of pending.values()) {
      if (waiting.socket !== socket || !isFrom(waiting, error.to)) continue
      if (bytes === undefined || beginAlike(waiting.bytes, bytes)) meant.push(waiting)
    }
    const [only, another] = meant
    if (only === undefined) return
    const isLikely = bytes === undefined && error.icmp !== undefined
    if (another !== undefined || isLikely) onStray({ kind: 'foreign', from: error.to })
    if (another !== undefined) return
    if (isLikely) only.likelyError = error
    else settleFailed(only, error)
  }

  const settleFailed = (waiting: Waiting, error: SendError) => {
    end(waiting, false)
    waiting.volley.settled(waiting.index, fateOfError(error, waiting.socket.departure(waiting.ticket)))
  }

  const sockets: (PacketSocket | undefined)[] = []
  const openFlow = (flow: number): PacketSocket => {
    const socket = open(family, {
      arrived: (arrival) => arrived(sockets[flow], arrival),
      failed: (error) => failed(sockets[flow], error),
      overflowed,
    })
    sockets[flow] = socket
    return socket
  }
  // At once, so that an exchange this process may not open fails here.
  openFlow(0)
  const socketOf = ({ flow = 0 }: { readonly flow?: number }) =>
    sockets[flow % sourcePorts] ?? openFlow(flow % sourcePorts)

  const refused = (waiting: Waiting, error: unknown) => {
    pending.delete(waiting.key)
    waiting.volley.settled(waiting.index, unsentFate(error))
  }

  const giveUp = (waiting: Waiting) => {
    if (pending.get(waiting.key) !== waiting) return
    end(waiting, false)
    waiting.volley.settled(waiting.index, { kind: 'silent', mayBeOurs: waiting.mayBeOurs })
  }

  const expire = (waiting: Waiting) => {
    const { likelyError, mayBeOurs } = waiting
    if (likelyError === undefined || mayBeOurs) return giveUp(waiting)
    if (pending.get(waiting.key) === waiting) settleFailed(waiting, likelyError)
  }

  return {
    sender,
    flows: sourcePorts,
    nextSequence: () => (sequence = (sequence + 1) >>> 0),
    isFree: (key) => !pending.has(unboxed(key)) && past.recall(unboxed(key)) === undefined,
    volley(shots, deadline) {
      // Also after `close`, which ends the deadlines first: a socket opened now would stay open.
      if (deadline.reason !== undefined)
        return Promise.resolve(shots.map(() => ({ kind: 'unsent', code: unsentCodes.isOver })))
      // Open all sockets before sending the first packet, because opening may throw.
      const from = shots.map(socketOf)
      const volley = new Volley(shots, deadline.remainingNs())
      const sent: Waiting[] = []
      for (const [index, socket] of from.entries()) {
        const shot = shots[index]
        if (shot === undefined) continue
        const { bytes, to, send: options, onCopy } = shot
        const key = unboxed(shot.key)
        if (pending.has(key)) {
          volley.settled(index, { kind: 'unsent', code: unsentCodes.keyInUse })
          continue
        }
        const address = { address: to.address, family, port: to.port ?? 0 }
        const state = { ticket: -1, mayBeOurs: false, likelyError: undefined }
        const waiting: Waiting = { socket, to: address, key, bytes, options, onCopy, volley, index, ...state }
        pending.set(key, waiting)
        sent.push(waiting)
      }
      try {
        sendAll(sent, refused)
      } catch (error) {
        // A bug, after which nobody waits for any of them.
        for (const { key } of sent) pending.delete(key)
        throw error
      }
      const off = deadline.onOver(({ reason }) => {
        // An answer may have arrived but not been read yet. It counts if it arrived before the deadline.
        if (reason === 'timeout')
          for (const waiting of sent) if (pending.get(waiting.key) === waiting) waiting.socket.drain()
        for (const waiting of sent) (reason === 'timeout' ? expire : giveUp)(waiting)
      })
      volley.whenEnded(off)
      return volley.fates
    },
    close() {
      for (const socket of sockets) socket?.close()
      for (const waiting of pending.values()) giveUp(waiting)
      past.clear()
    },
  }
}

/** Returns a number as a signed 32-bit integer, which V8 stores unboxed and finds in a map in half the time. */
function unboxed(key: Key): Key {
  return typeof key === 'number' ? key | 0 : key
}

function isFrom({ to }: Pick<Outgoing, 'to'>, { address, port }: Pick<PacketAddress, 'address' | 'port'>): boolean {
  return to.port === port && (to.address === address || withoutZone(to.address) === withoutZone(address))
}

/** Removes the zone of a link-local address: not every provider reports it for arrivals. */
function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? address
}

/** Compares the common prefix. A router may quote part of a packet, or append padding and extensions (RFC 4884 §5.1). */
function beginAlike(sent: Uint8Array, quoted: Uint8Array): boolean {
  const length = Math.min(sent.length, quoted.length)
  return Buffer.compare(sent.subarray(0, length), quoted.subarray(0, length)) === 0
}
