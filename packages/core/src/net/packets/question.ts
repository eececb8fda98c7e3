import type { Endpoint } from '../../model/endpoint.ts'
import type { Deadline } from '../../time/deadline.ts'
import type { Fate } from './fate.ts'
import type { SendingOptions } from './packet-socket.ts'

/**
 * A packet of fixed layout that asks for an answer: an ICMP echo request, a datagram of Scout's UDP echo (wire/echo-datagram.ts), or the
 * SYN of a half-open handshake.
 */
export interface Question {
  readonly format: 'echo' | 'datagram' | 'syn'
  readonly to: Endpoint
  /** Bytes after the header of ICMP or UDP. A SYN has none. */
  readonly payloadBytes: number
  /** Secret that tags a datagram. */
  readonly key?: string
  readonly send?: Pick<SendingOptions, 'ttl' | 'trafficClass'>
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
}

/** The fate of one of many questions, and when. */
export interface Asked {
  readonly fate: Fate<PacketAnswer>
  /** Start and end, on the clock of `nowNs`. */
  readonly startedNs: number
  readonly endedNs: number
  /** Wall clock at the start. */
  readonly startedAtMs: number
}

/** How to ask in the packet engine. */
export interface Timing {
  readonly timeoutMs: number
  /** Index of the source port (default: at random, or another one in each round). */
  readonly flow?: number
  /** Repeats, first at `dueNs`, on the clock of `nowNs` (default: asks once, at once). */
  readonly rounds?: { readonly intervalMs: number; readonly dueNs: number }
}

/** Asks questions over sockets of one vantage. */
export interface Asker {
  /** Returns the number of source ports that `flow` selects from. Throws `FailureError` if this process cannot ask such a question. */
  flows(question: Question): number
  /** Asks once. Resolves to the fate of the packet. Throws as `flows` does. */
  ask(question: Question, by: { readonly flow: number; readonly deadline: Deadline }): Promise<Fate<PacketAnswer>>
  /**
   * Asks in a thread of its own, and calls `onAsked` with the fate of each question until the returned function is called. Absent
   * without a native packet engine. Throws as `flows` does.
   */
  readonly begin?: (question: Question, timing: Timing, onAsked: (asked: Asked) => void) => () => void
  close(): void
}
