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
  /** Number of the question, 32 bits. */
  readonly sequence: number
  /** Bytes after the header of ICMP or UDP. */
  readonly payloadBytes: number
  /** A SYN was answered with RST. */
  readonly isReset: boolean
  /** The tag of a datagram was made with the same key. */
  readonly isGenuine: boolean
}

/** What came of one of many questions, and when. */
export interface Asked {
  readonly fate: Fate<PacketAnswer>
  /** Start and end, on the clock of `nowNs`. */
  readonly startedNs: number
  readonly endedNs: number
  /** Wall clock at the start. */
  readonly startedAtMs: number
}

/** When to ask repeatedly: first at `dueNs`, on the clock of `nowNs`. */
export interface Rounds {
  readonly intervalMs: number
  readonly dueNs: number
  readonly timeoutMs: number
}

/** Asks questions over sockets of one vantage. */
export interface Asker {
  /** Returns the number of source ports that `flow` selects from. Throws `FailureError` if this process cannot ask such a question. */
  flows(question: Question): number
  /** Asks once. Resolves to the fate of the packet. Throws as `flows` does. */
  ask(question: Question, by: { readonly flow: number; readonly deadline: Deadline }): Promise<Fate<PacketAnswer>>
  /**
   * Asks repeatedly, in a thread of its own, until the returned function is called. Undefined if this asker cannot: then each question
   * has to be asked in turn. Throws as `flows` does.
   */
  repeat?(question: Question, rounds: Rounds, onAsked: (asked: Asked) => void): () => void
  close(): void
}
