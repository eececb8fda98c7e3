import type { Endpoint, Family } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf, type IcmpError, isSystemError } from '../../model/failure.ts'
import { icmpFailure } from '../../model/icmp.ts'
import type { Packets } from '../../model/packets.ts'
import { formatHostPort } from '../../model/target.ts'
import { type Clocks, clocksOf } from '../../time/clock.ts'
import type { Deadline } from '../../time/deadline.ts'
import type { ReflectedClass } from '../../wire/stamp-question.ts'
import type { Departure, SendError, SendingOptions } from './packet-socket.ts'
import { remarkedOf } from './remarked.ts'
import type { SeenByDirection } from './stamp-session.ts'

/** Identifies a pending request among all others of its exchange. A number has 32 bits. */
export type Key = string | number

/** A packet to send. */
export interface Shot<Message> {
  readonly bytes: Uint8Array
  /** Key that its answer will carry. */
  readonly key: Key
  readonly to: Endpoint
  /** Index of the exchange's source port to send from, from 0 and wrapping around (default: 0). */
  readonly flow?: number
  readonly send?: SendingOptions
  /**
   * Parses the answer, whose bytes are valid only during the call. Undefined for a packet that has the key but answers something else:
   * it counts as foreign, and the shot waits on.
   */
  readonly read: (bytes: Uint8Array) => Message | undefined
  /** Receives a further copy of the answer, the first that arrives, also after the volley has ended. */
  readonly onCopy?: (bytes: Uint8Array) => void
}

export interface Answered<Message> {
  readonly kind: 'answered'
  readonly message: Message
  readonly tookNs: number
  readonly clocks: Clocks
  /** Arrival of the answer; comparable only within one volley. */
  readonly atNs: number
  /** Local port the packet left from; 0 if the packet carries its own or has none. */
  readonly sourcePort: number
  readonly ttl?: number
  readonly trafficClass?: number
  /** Number of times the answer arrived before the volley ended: 1, or more if it was duplicated. */
  readonly copies: number
}

/** What happened to one packet. */
export type Fate<Message> =
  | Answered<Message>
  /** A router or the destination returned an error about it. */
  | {
      readonly kind: 'icmp'
      readonly error: IcmpError
      readonly tookNs: number
      readonly clocks: Clocks
      readonly sourcePort?: number
    }
  /** This host refused to send it, or reported an error as an errno only (as node:dgram does). `mtu` is that of the route's first hop. */
  | { readonly kind: 'unsent'; readonly code: string; readonly mtu?: number }
  /** No answer arrived in time. */
  | {
      readonly kind: 'silent'
      /** This host dropped packets in the meantime, perhaps its answer. */
      readonly mayBeOurs: boolean
      /** Its answer arrived late, this long after it was sent. */
      readonly lateNs?: number
      /** What arrived in the place of an answer. */
      readonly doubt?: Doubt
      readonly sourcePort?: number
    }

/**
 * What may arrive from the target and is no answer: a tag made with another key, a reply without what was sent, or something of another
 * format. Anyone can forge it, so it ends no attempt, and matters only if nothing genuine arrives. The first that applies is reported.
 */
export const doubts = ['otherKey', 'altered', 'stranger'] as const

export type Doubt = (typeof doubts)[number]

/** Codes of packets that were never passed to the kernel. */
export const unsentCodes = { isOver: 'ECANCELED', keyInUse: 'EBUSY', lacksOptions: 'ENOTSUP' } as const

/** Counts the fates of packets, given in the order they were sent. */
export function packetsOf(fates: readonly Fate<unknown>[]): Packets {
  let sent = 0
  let returned = 0
  let duplicated = 0
  let reordered = 0
  let late = 0
  let latestNs = Number.NEGATIVE_INFINITY
  for (const fate of fates) {
    if (fate.kind !== 'unsent') sent++
    if (fate.kind === 'silent' && fate.lateNs !== undefined) late++
    if (fate.kind !== 'answered') continue
    returned++
    duplicated += fate.copies - 1
    if (fate.atNs < latestNs) reordered++
    else latestNs = fate.atNs
  }
  return { sent, returned, duplicated, reordered, late }
}

/**
 * Counts the only packet of an attempt, and what its answer says about earlier ones of the session. `attempts` is how many ended like this
 * one, which is the last of them (default: 1); `dscp` is what it was sent with.
 */
export function countedOf(
  fate: Fate<{ readonly reflected?: SeenByDirection & { readonly service?: ReflectedClass } }>,
  { attempts = 1, dscp }: { readonly attempts?: number | undefined; readonly dscp?: number | undefined },
): Packets {
  const one = packetsOf([fate])
  const packets = attempts === 1 ? one : { ...one, sent: attempts, returned: attempts }
  if (fate.kind !== 'answered' || fate.message.reflected === undefined) return packets
  const { lost, duplicated, service } = fate.message.reflected
  const remarked = dscp === undefined ? {} : remarkedOf(dscp, { trafficClass: fate.trafficClass, service })
  return {
    ...packets,
    arrived: attempts + (lost?.back ?? 0),
    ...(lost === undefined ? {} : { lostForth: lost.forth }),
    ...(duplicated === undefined
      ? {}
      : { duplicated: duplicated.forth + duplicated.back, duplicatedForth: duplicated.forth }),
    ...(remarked.forth === undefined ? {} : { remarkedForth: Number(remarked.forth) }),
    ...(remarked.back === undefined ? {} : { remarkedBack: Number(remarked.back) }),
  }
}

/**
 * Returns the answer of a probe's only packet.
 * @throws {FailureError} for every other fate
 */
export function answerOf<Message>(
  fate: Fate<Message> | undefined,
  to: Endpoint,
  deadline: Pick<Deadline, 'reason' | 'timedOut'>,
): Answered<Message> {
  switch (fate?.kind) {
    case 'answered':
      return fate
    case 'icmp':
      throw icmpFailure(fate.error, to)
    case 'unsent':
      throw unsentFailure(fate, to, deadline)
    case 'silent':
      if (fate.lateNs !== undefined) throw deadline.reason ?? deadline.timedOut()
      if (deadline.reason?.reason === 'cancelled') throw deadline.reason
      if (fate.mayBeOurs) throw droppedHere(to)
      throw fate.doubt === undefined ? overFailure(deadline) : doubtFailure(fate.doubt, to)
    case undefined:
      throw new TypeError('a volley has a fate for each shot')
  }
}

function overFailure(deadline: Pick<Deadline, 'reason'>): FailureError {
  return (
    deadline.reason ?? new FailureError('cancelled', 'the prober was closed while this attempt waited for an answer')
  )
}

function doubtFailure(doubt: Doubt, { address, port = 0 }: Endpoint): FailureError {
  const who = port === 0 ? address : formatHostPort(address, port)
  switch (doubt) {
    case 'otherKey':
      return new FailureError(
        'bad-reply',
        `${who} answered with an HMAC made with a different key: use the same key on both sides`,
      )
    case 'altered':
      return new FailureError(
        'bad-reply',
        `${who} answered without the bytes it was sent: the target, or a device on the path, cuts off or replaces them`,
      )
    case 'stranger':
      return new FailureError(
        'bad-reply',
        `${who} answered, but not as a STAMP reflector with this key: another service is listening there, which needs the options send and expect, or a reflector with another key`,
      )
  }
}

function unsentFailure(
  { code, mtu }: { readonly code: string; readonly mtu?: number },
  { address, port }: Endpoint,
  deadline: Pick<Deadline, 'reason'>,
): FailureError {
  if (code === unsentCodes.isOver) return overFailure(deadline)
  if (code === unsentCodes.keyInUse) {
    return new FailureError(
      'local-error',
      `cannot send to ${address}: all sequence numbers are in use; send fewer probes at once`,
    )
  }
  if (code === unsentCodes.lacksOptions) {
    return new FailureError(
      'not-supported',
      `cannot send to ${address} with options of the packet (TTL, traffic class, DF): they need the native part (install a C compiler, make and python3, then npm rebuild @scout/core)`,
      { code },
    )
  }
  // The MTU of this host's own link, or one that a router reported for an earlier packet.
  const passes = mtu === undefined ? '' : `, where packets of up to ${mtu} bytes pass as far as this host knows`
  const error = Object.assign(new Error(code), { code })
  return failureErrorOf(
    error,
    `sending to ${address}${port === undefined || port === 0 ? '' : ` port ${port}`}${passes}`,
  )
}

function droppedHere({ address }: Endpoint): FailureError {
  return new FailureError(
    'local-error',
    `no answer from ${address} was seen, but this host dropped packets because the receive buffer was full: raise net.core.rmem_max or send fewer probes at once`,
    { code: 'ENOBUFS' },
  )
}

/** Returns an ICMP error. `info` is its MTU if its type and code carry one (RFC 1191 §4, RFC 4443 §3.2), otherwise meaningless. */
export function icmpErrorOf(
  family: Family,
  { type, code, from, info }: Omit<IcmpError, 'mtu'> & { readonly info: number },
): IcmpError {
  const isTooBig = family === 'ipv4' ? type === 3 && code === 4 : type === 2
  return { type, code, from, ...(isTooBig && info > 0 ? { mtu: info } : {}) }
}

/** Returns the fate of the packet that this error is about. */
export function fateOfError({ code, icmp, atNs, clock }: SendError, departure: Departure | undefined): Fate<never> {
  if (icmp === undefined) return { kind: 'unsent', code }
  const { atNs: leftNs, clock: departureClock } = departure ?? { atNs, clock }
  return { kind: 'icmp', error: icmp, tookNs: atNs - leftNs, clocks: clocksOf(departureClock, clock) }
}

/**
 * Returns the fate of a packet that the socket refused.
 * @throws `error` itself if it is not a system error, which is a bug
 */
export function unsentFate(error: unknown): Fate<never> {
  if (!isSystemError(error)) throw error
  const mtu = 'mtu' in error && typeof error.mtu === 'number' ? { mtu: error.mtu } : {}
  return { kind: 'unsent', code: error.code, ...mtu }
}
