import { randomInt } from 'node:crypto'
import type { Endpoint, Family } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf, icmpFailure, isSystemError } from '../../model/failure.ts'
import { type Clock, type Clocks, kernelClocks } from '../../time/clock.ts'
import type { Deadline } from '../../time/deadline.ts'
import type { Arrival, OpenPacketSocket, PacketAddress, PacketSocket, SendError } from './packet-socket.ts'
import { createMemory } from './recent.ts'

/** An answer nobody waits for: it came after its deadline, came twice, or belongs to no question of ours. */
export interface Stray {
  readonly kind: 'late' | 'duplicate' | 'foreign'
  readonly from: PacketAddress
  /** Of a late or duplicate answer: the time since its question left. */
  readonly afterNs?: number
}

/** A number has 32 bits. */
type Key = string | number

export interface Question<Message> {
  readonly bytes: Uint8Array
  /** What the answer will carry to be told from all others; no other question that waits on this exchange has it. */
  readonly key: Key
  readonly endpoint: Endpoint
  readonly deadline: Deadline
  /** What is wanted of the answer; its bytes are the socket's and valid only meanwhile. */
  readonly read: (bytes: Uint8Array) => Message
}

export interface Answer<Message> {
  readonly message: Message
  readonly tookNs: number
  readonly clocks: Clocks
  readonly ttl: number | undefined
}

/** Questions and answers over one packet socket: matches by key and source address, and counts what does not match. */
export interface Exchange {
  /** 32 bits, random for each exchange: tells our answers from those of every other prober. */
  readonly session: number
  /** Local ports a question may be sent from, where it carries one itself. */
  readonly ports: readonly number[]
  /** The next of this exchange's 32-bit numbers; the first is random, so that a restart does not repeat them. */
  nextSequence(): number
  /** Rejects with a `FailureError`: the deadline's, or what the network or this host answered instead. */
  ask<Message>(question: Question<Message>): Promise<Answer<Message>>
  close(): void
}

export interface ExchangeOptions {
  readonly open: OpenPacketSocket
  /** Sockets that are asked from in turn, each opened when its turn first comes. */
  readonly sourcePorts: number
  readonly family: Family
  /** The key in a packet that may be an answer of this session; undefined when it cannot be one. */
  readonly keyOf: (bytes: Uint8Array, session: number) => Key | undefined
  /** The socket also receives what was sent to others (raw ICMP): what has no key is none of our business. */
  readonly isShared: boolean
  readonly onStray: (stray: Stray) => void
}

/** A question that was sent. */
interface Asked {
  readonly socket: PacketSocket
  readonly to: PacketAddress
  readonly ticket: number
}

interface Pending extends Asked {
  readonly bytes: Uint8Array
  readonly timeoutNs: number
  /** This host has lost packets since it was asked, perhaps its answer. */
  mayBeDropped: boolean
  readonly resolve: (bytes: Uint8Array, answer: Omit<Answer<unknown>, 'message'>) => void
  readonly reject: (error: unknown) => void
}

interface Past extends Asked {
  wasAnswered: boolean
}

/** How long an answer that comes too late is still recognised: longer than the two minutes a packet may live (RFC 793 §3.3). */
const memoryMs = 120_000

/** Unless there are more questions than the native part knows the departures of. */
const mostRemembered = 8_192

export function openExchange(options: ExchangeOptions): Exchange {
  const { open, sourcePorts, family, keyOf, isShared, onStray } = options
  const session = randomInt(2 ** 32)
  let sequence = randomInt(2 ** 32)
  const pending = new Map<Key, Pending>()
  const past = createMemory<Key, Past>({
    spanMs: memoryMs,
    most: mostRemembered,
    onForgotten: ({ socket, ticket }) => socket.forget(ticket),
  })

  const end = (key: Key, { socket, to, ticket }: Pending, wasAnswered: boolean) => {
    pending.delete(key)
    past.remember(key, { socket, to, ticket, wasAnswered })
  }

  const arrived = (arrival: Arrival) => {
    const { bytes, atNs, clock, ttl } = arrival
    const found = keyOf(bytes, session)
    if (found === undefined) return isShared ? undefined : onStray({ kind: 'foreign', from: sourceOf(arrival) })
    const key = unboxed(found)
    const waiting = pending.get(key)
    if (waiting === undefined || !isFrom(waiting, arrival)) return arrivedUnasked(key, arrival)
    const departure = waiting.socket.departure(waiting.ticket)
    if (departure === undefined) return // its deadline says that no time is known
    const tookNs = atNs - departure.atNs
    end(key, waiting, true)
    // Read before the deadline could say so, which it is about to.
    if (clock === 'kernel' && tookNs > waiting.timeoutNs)
      return onStray({ kind: 'late', from: sourceOf(arrival), afterNs: tookNs })
    waiting.resolve(bytes, { tookNs, clocks: clocksOf(departure.clock, clock), ttl })
  }

  const arrivedUnasked = (key: Key, arrival: Arrival) => {
    const from = sourceOf(arrival)
    const gone = past.recall(key)
    if (gone === undefined || !isFrom(gone, from)) return onStray({ kind: 'foreign', from })
    const kind = gone.wasAnswered ? 'duplicate' : 'late'
    gone.wasAnswered = true
    const departure = gone.socket.departure(gone.ticket)
    onStray(departure === undefined ? { kind, from } : { kind, from, afterNs: arrival.atNs - departure.atNs })
  }

  const sourceOf = ({ address, port }: Arrival): PacketAddress => ({ address, family, port })

  const overflowed = () => {
    for (const entry of pending.values()) entry.mayBeDropped = true
  }

  // Where the error does not quote the packet it is about, it is about every question that waits for this endpoint.
  const failed = (error: SendError) => {
    const { bytes } = error
    for (const [key, entry] of pending) {
      if (!isFrom(entry, error.to)) continue
      if (bytes !== undefined && !beginAlike(entry.bytes, bytes)) continue
      end(key, entry, false)
      entry.reject(failureOf(error))
    }
  }

  const first = open(family, { arrived, failed, overflowed })
  const sockets = [first]
  let turn = 0
  const nextSocket = () => {
    turn = (turn + 1) % sourcePorts
    if (turn >= sockets.length) sockets.push(open(family, { arrived, failed, overflowed }))
    return sockets[turn] ?? first
  }

  return {
    session,
    ports: first.ports,
    nextSequence: () => (sequence = (sequence + 1) >>> 0),
    ask: ({ bytes, key: given, endpoint, deadline, read }) =>
      new Promise((resolve, reject) => {
        const key = unboxed(given)
        if (deadline.reason !== undefined) return reject(deadline.reason)
        const to = { address: endpoint.address, family, port: endpoint.port ?? 0 }
        if (pending.has(key)) return reject(tooManyAtOnce(to))
        const socket = nextSocket()
        let ticket: number
        try {
          ticket = socket.send(bytes, to)
        } catch (error) {
          return reject(isSystemError(error) ? systemFailure(error.code, to, error) : error)
        }
        const entry: Pending = {
          socket,
          to,
          ticket,
          bytes,
          timeoutNs: deadline.remainingNs(),
          mayBeDropped: false,
          resolve: (answer, { tookNs, clocks, ttl }) => {
            try {
              resolve({ message: read(answer), tookNs, clocks, ttl })
            } catch (error) {
              reject(error)
            }
          },
          reject,
        }
        pending.set(key, entry)
        deadline.onOver((reason) => {
          // An answer may be in and unread: what came before the deadline counts, whenever it is looked at.
          if (reason.reason === 'timeout') socket.drain()
          if (pending.get(key) === entry) end(key, entry, false)
          reject(entry.mayBeDropped ? droppedHere(to) : reason)
        })
      }),
    close() {
      for (const socket of sockets) socket.close()
      const closed = new FailureError('cancelled', 'the prober was closed while this attempt waited for its answer')
      for (const entry of pending.values()) entry.reject(closed)
      pending.clear()
      past.clear()
    },
  }
}

/** V8 has no box for integers of 32 bits with a sign, and finds them in a map in half the time. */
function unboxed(key: Key): Key {
  return typeof key === 'number' ? key | 0 : key
}

function isFrom({ to }: Asked, { address, port }: Pick<PacketAddress, 'address' | 'port'>): boolean {
  return to.port === port && (to.address === address || withoutZone(to.address) === withoutZone(address))
}

/** Not every provider tells the zone of a link-local address with what arrives. */
function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? address
}

function clocksOf(tx: Clock, rx: Clock): Clocks {
  return tx === 'kernel' && rx === 'kernel' ? kernelClocks : { tx, rx }
}

/** A router may quote less of a packet than all, or more: padding, and extensions behind it (RFC 4884 §5.1). */
function beginAlike(sent: Uint8Array, quoted: Uint8Array): boolean {
  const length = Math.min(sent.length, quoted.length)
  return Buffer.compare(sent.subarray(0, length), quoted.subarray(0, length)) === 0
}

function tooManyAtOnce(to: PacketAddress): FailureError {
  return new FailureError(
    'local-error',
    `cannot ask ${to.address}: as many questions as there are numbers for them wait for answers (probe less at once)`,
  )
}

function droppedHere(to: PacketAddress): FailureError {
  return new FailureError(
    'local-error',
    `no answer from ${to.address} was seen, and this host dropped packets for want of room in the receive buffer: raise net.core.rmem_max or probe less at once`,
    { code: 'ENOBUFS' },
  )
}

function failureOf({ to, code, icmp }: SendError): FailureError {
  if (icmp === undefined) return systemFailure(code, to)
  return icmpFailure(icmp, to)
}

function systemFailure(code: string, to: PacketAddress, cause?: Error): FailureError {
  const error = cause ?? Object.assign(new Error(code), { code })
  const mtu = 'mtu' in error ? `, where the way begins with an MTU of ${String(error.mtu)} bytes` : ''
  return failureErrorOf(error, `sending to ${to.address}${to.port === 0 ? '' : ` port ${to.port}`}${mtu}`)
}
