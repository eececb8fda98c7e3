import type { Endpoint } from '../../model/endpoint.ts'
import type { Deadline } from '../../time/deadline.ts'
import type { ReflectedClass, ReflectedStamps, StampMethod } from '../../wire/stamp-question.ts'
import type { Timestamp, TimestampFormat } from '../../wire/stamp-time.ts'
import type { Fate } from './fate.ts'
import type { SendingOptions } from './packet-socket.ts'
import type { SeenByDirection, StampSession } from './stamp-session.ts'

/**
 * A packet of fixed layout that asks for an answer: an ICMP echo request, a packet of STAMP (wire/stamp.ts), or the SYN of a half-open
 * handshake.
 */
export interface Question {
  readonly format: 'echo' | 'stamp' | 'syn'
  readonly to: Endpoint
  /** Bytes after the header of ICMP or UDP. A SYN has none. */
  readonly payloadBytes: number
  /** Of STAMP: secret shared with the reflector. */
  readonly key?: string
  /** Of STAMP: the reflector may drop TLVs, as one of TWAMP Light does. */
  readonly isLight?: boolean
  /** Of STAMP: DSCP to send with; the reflector is asked which one arrived, and to answer with the same one. */
  readonly dscp?: number
  /** Of STAMP: the reflector is asked how it stamps packets, and when its previous answer left. */
  readonly asksStamps?: boolean
  readonly send?: Pick<SendingOptions, 'ttl' | 'trafficClass' | 'mtuDiscovery'>
}

/** What an answer says. */
export interface PacketAnswer {
  /** Number of the question in the order of sending, 32 bits. */
  readonly sequence: number
  /** Bytes after the header of ICMP or UDP. */
  readonly payloadBytes: number
  /** A SYN was answered with RST. */
  readonly isReset: boolean
  /** It does not bring back what was sent: it has another length, or the same length and other bytes. */
  readonly flaw?: 'length' | 'bytes'
  readonly reflected?: Reflected
}

/** What the answer of a STAMP reflector says. */
export interface Reflected extends SeenByDirection {
  /** Time between receipt and answer at the reflector, which the round trip is without; absent if its clock is wrong. */
  readonly residenceNs?: number
  /** Numbers of the request and of its answer; only of questions asked outside the packet engine. */
  readonly numbers?: { readonly asked: number; readonly answered: number }
  /** When the question arrived and the answer left, by the reflector's clock; only of questions asked outside the packet engine. */
  readonly at?: { readonly received: Timestamp; readonly sent: Timestamp; readonly format: TimestampFormat }
  /** TTL with which the question arrived. */
  readonly senderTtl?: number
  /** Class of service, if the question asked for it and the reflector understood it. */
  readonly service?: ReflectedClass
  /** How the reflector stamps packets, if the question asked for it and the reflector understood it. */
  readonly stamps?: ReflectedStamps
  /** The previous packet, if the question asked for it and the reflector understood it; null if there is none. */
  readonly previous?: Previous | null
  /** One-way delays, and how far each may be from the truth: only where both clocks follow UTC. */
  readonly oneWay?: { readonly forthNs: number; readonly backNs: number; readonly errorNs: number }
}

/** What a reflector says of the previous packet of a session. */
export interface Previous {
  /** What took the time at which its answer left. */
  readonly sentBy: StampMethod
  /** Time between its arrival and that; absent if its answer did not arrive, or the clock of the reflector is wrong. */
  readonly residenceNs?: number
}

/** The fate of one of many questions, and when. */
export interface Asked {
  readonly fate: Fate<PacketAnswer>
  /** Start and end, on the clock of `nowNs`. */
  readonly startedNs: number
  readonly endedNs: number
  /** Wall clock at the start. */
  readonly startedAtMs: number
  /** It is the last of several in a row that were answered alike. */
  readonly condensed?: Condensed | undefined
}

/** Several attempts in a row with the same outcome, of which only the last is known in full. */
export interface Condensed {
  readonly attempts: number
  /** Time between the starts of the first and the last. */
  readonly spanMs: number
}

/** How to ask in the packet engine. */
export interface Timing {
  readonly timeoutMs: number
  /** Index of the source port (default: at random, or another one in each round). */
  readonly flow?: number
  /** Of STAMP (default: a session that begins with this question). */
  readonly session?: StampSession
  /** Repeats, first at `dueNs`, on the clock of `nowNs` (default: asks once, at once). */
  readonly rounds?: {
    readonly intervalMs: number
    readonly dueNs: number
    /** Of STAMP: most answers in a row that are reported as one, if nothing changes (default: each is reported). */
    readonly condensed?: number | undefined
  }
}

/** How to ask once. */
export interface Asking {
  readonly flow: number
  readonly deadline: Deadline
  /** Of STAMP (default: a session of this question alone). */
  readonly session?: StampSession
}

/** Asks questions over sockets of one vantage. */
export interface Asker {
  /** Returns the number of source ports that `flow` selects from. Throws `FailureError` if this process cannot ask such a question. */
  flows(question: Question): number
  /** Asks once. Resolves to the fate of the packet. Throws as `flows` does. */
  ask(question: Question, by: Asking): Promise<Fate<PacketAnswer>>
  /**
   * Asks in a thread of its own, and calls `onAsked` with the fate of each question until the returned function is called. Absent
   * without a native packet engine. Throws as `flows` does.
   */
  readonly begin?: (question: Question, timing: Timing, onAsked: (asked: Asked) => void) => () => void
  close(): void
}

/** Asks the same question several times at once. */
export interface VolleyAsker extends Pick<Asker, 'flows'> {
  /** Sends from one source port. Resolves to the fates in the order of sending. Throws as `flows` does. */
  askTogether(question: Question, by: Asking & { readonly count: number }): Promise<readonly Fate<PacketAnswer>[]>
}
