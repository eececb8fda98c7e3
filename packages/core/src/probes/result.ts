import type { Endpoint } from '../model/endpoint.ts'
import type { FailureReason, IcmpError } from '../model/failure.ts'
import type { Packets } from '../model/packets.ts'
import type { Condensed } from '../net/packets/question.ts'
import type { Clocks } from '../time/clock.ts'

export interface Failure<Phase extends string = string> {
  readonly reason: FailureReason
  /** Phase in which the attempt failed; `setup` before its first phase. */
  readonly phase: Phase | 'setup' | 'resolve'
  /** One sentence for people: what was tried, what happened and, if known, what to do. */
  readonly message: string
  /** Code for programs: errno name, DNS rcode, HTTP status, TLS alert. */
  readonly code?: string
  /** The ICMP error that caused it, if there was one. */
  readonly icmp?: IcmpError
}

interface Measured<Name extends string, Phase extends string> {
  readonly protocol: Name
  /** Target as requested. */
  readonly target: string
  /** Absent if the name did not resolve. */
  readonly endpoint?: Endpoint
  /** Wall clock in milliseconds since 1970, for display only; never subtract it. */
  readonly startedAtMs: number
  /** Disjoint phases in nanoseconds; a phase that did not happen is absent. The runner adds `resolve`. */
  readonly phasesNs: Readonly<Partial<Record<Phase | 'resolve', number>>>
  /** Total in nanoseconds: for a success that yields time, the sum of its phases; otherwise the time until the result was known. */
  readonly totalNs: number
  readonly clock: Clocks
  /** Counts of the packets that the probe itself sent; absent if the kernel sends them. */
  readonly packets?: Packets
}

export interface Success<Name extends string = string, Phase extends string = string, Detail = unknown>
  extends Measured<Name, Phase> {
  readonly ok: true
  readonly detail: Detail
  /** It stands for several attempts, which its packets count; all else is that of the last. */
  readonly condensed?: Condensed
}

export interface Failed<Name extends string = string, Phase extends string = string, Detail = unknown>
  extends Measured<Name, Phase> {
  readonly ok: false
  readonly failure: Failure<Phase>
  /** Details known before it failed. */
  readonly detail?: Partial<Detail>
}

/** Result of one attempt. It is plain data, whether success or failure, and survives JSON unchanged. */
export type Result<Name extends string = string, Phase extends string = string, Detail = unknown> =
  | Success<Name, Phase, Detail>
  | Failed<Name, Phase, Detail>
