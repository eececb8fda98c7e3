import { randomBytes, randomInt } from 'node:crypto'
import { explanations, FailureError, failureErrorOf, icmpReasonOf, isSystemError } from '../failure.ts'
import type { Clocks, Endpoint, Family } from '../probe.ts'
import type { Arrival, OpenPacketSocket, PacketAddress, PacketSocket, SendError } from './packet-socket.ts'

/** An answer nobody waits for: it came after its deadline, came twice, or belongs to no question of ours. */
export interface Stray {
  readonly kind: 'late' | 'duplicate' | 'foreign'
  readonly from: PacketAddress
  /** Of a late or duplicate answer: the time since its question left. */
  readonly afterNs?: number
}

export interface Question {
  readonly bytes: Uint8Array
  /** What the answer will carry to be told from all others. */
  readonly key: string | number
  readonly endpoint: Endpoint
  readonly timeoutNs: number
  readonly signal: AbortSignal
}

export interface Answer {
  readonly bytes: Uint8Array
  readonly tookNs: number
  readonly clocks: Clocks
  readonly ttl?: number
}

/** Questions and answers over one packet socket: matches by key and source address, and counts what does not match. */
export interface Exchange {
  /** Random for each exchange: tells our answers from those of every other prober. */
  readonly session: bigint
  /** Local ports a question may be sent from, where it carries one itself. */
  readonly ports: readonly number[]
  /** The next of this exchange's 32-bit numbers; the first is random, so that a restart does not repeat them. */
  nextSequence(): number
  /** Rejects with a `FailureError`: the deadline's, or what the network or this host answered instead. */
  ask(question: Question): Promise<Answer>
  close(): void
}

export interface ExchangeOptions {
  readonly open: OpenPacketSocket
  readonly family: Family
  /** The key in a packet that may be an answer of this session; undefined when it cannot be one. */
  readonly keyOf: (bytes: Uint8Array, session: bigint) => string | number | undefined
  /** The socket also receives what was sent to others (raw ICMP): what has no key is none of our business. */
  readonly isShared: boolean
  readonly onStray: (stray: Stray) => void
}

interface Pending {
  readonly question: Question
  readonly ticket: number
  /** This host has lost packets since it was asked, perhaps its answer. */
  mayBeDropped: boolean
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

interface Past {
  readonly endedAtMs: number
  readonly wasAnswered: boolean
  readonly ticket: number
}

/** How long an answer that comes too late is still recognised: longer than the two minutes a packet may live (RFC 793 §3.3). */
const memoryMs = 120_000

export function openExchange({ open, family, keyOf, isShared, onStray }: ExchangeOptions): Exchange {
  const session = randomBytes(8).readBigUInt64BE()
  let sequence = randomInt(2 ** 32)
  const pending = new Map<string, Pending>()
  const past = new Map<string, Past>()

  const end = (id: string, entry: Pending, wasAnswered: boolean) => {
    pending.delete(id)
    // A key of only 16 bits comes round again before it is forgotten, and then moves to the end of the queue.
    const before = past.get(id)
    if (before !== undefined) {
      past.delete(id)
      socket.forget(before.ticket)
    }
    past.set(id, { endedAtMs: Date.now(), wasAnswered, ticket: entry.ticket })
    forgetOld()
  }

  const forgetOld = () => {
    const horizonMs = Date.now() - memoryMs
    for (const [id, { endedAtMs, ticket }] of past) {
      if (endedAtMs > horizonMs) break
      past.delete(id)
      socket.forget(ticket)
    }
  }

  const arrived = ({ bytes, from, atNs, clock, ttl }: Arrival) => {
    const key = keyOf(bytes, session)
    if (key === undefined) return isShared ? undefined : onStray({ kind: 'foreign', from })
    const id = idOf(from, key)
    const waiting = pending.get(id)
    if (waiting === undefined) {
      const gone = past.get(id)
      if (gone === undefined) return onStray({ kind: 'foreign', from })
      if (!gone.wasAnswered) past.set(id, { ...gone, wasAnswered: true })
      const departure = socket.departure(gone.ticket)
      const after = departure === undefined ? {} : { afterNs: atNs - departure.atNs }
      return onStray({ kind: gone.wasAnswered ? 'duplicate' : 'late', from, ...after })
    }
    const departure = socket.departure(waiting.ticket)
    if (departure === undefined) return // its deadline says that no time is known
    const tookNs = atNs - departure.atNs
    if (clock === 'kernel' && tookNs > waiting.question.timeoutNs) return // its deadline is about to say so
    end(id, waiting, true)
    const clocks: Clocks = { tx: departure.clock, rx: clock }
    waiting.resolve({ bytes: bytes.slice(), tookNs, clocks, ...(ttl === undefined ? {} : { ttl }) })
  }

  const overflowed = () => {
    for (const entry of pending.values()) entry.mayBeDropped = true
  }

  // Where the error does not quote the packet it is about, it is about every question that waits for this endpoint.
  const failed = (error: SendError) => {
    const { to, bytes } = error
    for (const [id, entry] of pending) {
      const { endpoint, bytes: sent } = entry.question
      if (endpoint.address !== to.address || (endpoint.port ?? 0) !== to.port) continue
      if (bytes !== undefined && Buffer.compare(sent.subarray(0, bytes.length), bytes) !== 0) continue
      end(id, entry, false)
      entry.reject(failureOf(error))
    }
  }

  const socket: PacketSocket = open(family, { arrived, failed, overflowed })

  return {
    session,
    ports: socket.ports,
    nextSequence: () => (sequence = (sequence + 1) >>> 0),
    ask: (question) =>
      new Promise((resolve, reject) => {
        const { endpoint, signal } = question
        const to = { address: endpoint.address, family: endpoint.family, port: endpoint.port ?? 0 }
        const id = idOf(to, question.key)
        const onAbort = () => {
          // An answer may be in and unread: what came before the deadline counts, whenever it is looked at.
          if (isTimeout(signal.reason)) socket.drain()
          const entry = pending.get(id)
          if (entry !== undefined) end(id, entry, false)
          reject(entry?.mayBeDropped === true ? droppedHere(to) : signal.reason)
        }
        if (signal.aborted) return reject(signal.reason)
        const settled = () => signal.removeEventListener('abort', onAbort)
        let ticket: number
        try {
          ticket = socket.send(question.bytes, to)
        } catch (error) {
          return reject(isSystemError(error) ? systemFailure(error.code, to, error) : error)
        }
        signal.addEventListener('abort', onAbort, { once: true })
        pending.set(id, {
          question,
          ticket,
          mayBeDropped: false,
          resolve: (answer) => {
            settled()
            resolve(answer)
          },
          reject: (error) => {
            settled()
            reject(error)
          },
        })
      }),
    close() {
      socket.close()
      const closed = new FailureError('cancelled', 'the prober was closed while this attempt waited for its answer')
      for (const entry of pending.values()) entry.reject(closed)
      pending.clear()
      past.clear()
    },
  }
}

/** Without the zone of a link-local address: the kernel does not tell it with what arrives. */
function idOf(from: PacketAddress, key: string | number): string {
  const [address] = from.address.split('%', 1)
  return `${key} ${from.port} ${address}`
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof FailureError && reason.reason === 'timeout'
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
  const reason = icmpReasonOf(to.family, icmp.type, icmp.code)
  const mtu = icmp.mtu === undefined ? '' : `, which can pass on ${icmp.mtu} bytes`
  const why = explanations[reason]
  return new FailureError(
    reason,
    `${icmp.from} answered ICMP type ${icmp.type} code ${icmp.code} to a packet for ${to.address}${mtu}${why === undefined ? '' : ` (${why})`}`,
    { code: `ICMP ${icmp.type}/${icmp.code}` },
  )
}

function systemFailure(code: string, to: PacketAddress, cause?: Error): FailureError {
  const error = cause ?? Object.assign(new Error(code), { code })
  return failureErrorOf(error, `sending to ${to.address}${to.port === 0 ? '' : ` port ${to.port}`}`)
}
