import type { Endpoint } from '../model/endpoint.ts'
import type { FailureReason, IcmpError } from '../model/failure.ts'
import type { Packets } from '../model/packets.ts'
import type { Clocks } from '../time/clock.ts'

export interface Failure<Phase extends string = string> {
  readonly reason: FailureReason
  /** The phase the attempt was in; `setup` before its first. */
  readonly phase: Phase | 'setup' | 'resolve'
  /** One sentence for a person: what was tried, what happened, what to do if known. */
  readonly message: string
  /** The machine's word for it: errno name, DNS rcode, HTTP status, TLS alert. */
  readonly code?: string
  /** The ICMP error that says so, where it was one. */
  readonly icmp?: IcmpError
}

interface Measured<Name extends string, Phase extends string> {
  readonly protocol: Name
  /** As it was asked for. */
  readonly target: string
  /** Absent when the name did not resolve. */
  readonly endpoint?: Endpoint
  /** Wall clock in milliseconds since 1970, for showing; never subtract it. */
  readonly startedAtMs: number
  /** Disjoint phases in nanoseconds; a phase that did not happen is absent. `resolve` is the runner's. */
  readonly phasesNs: Readonly<Partial<Record<Phase | 'resolve', number>>>
  /** Nanoseconds: the sum of the phases of a success that yields time; otherwise the time until the result was known. */
  readonly totalNs: number
  readonly clock: Clocks
  /** What became of the packets the probe sent itself; absent where the kernel sends them. */
  readonly packets?: Packets
}

export interface Success<Name extends string = string, Phase extends string = string, Detail = unknown>
  extends Measured<Name, Phase> {
  readonly ok: true
  readonly detail: Detail
}

export interface Failed<Name extends string = string, Phase extends string = string, Detail = unknown>
  extends Measured<Name, Phase> {
  readonly ok: false
  readonly failure: Failure<Phase>
  /** What was learned before it failed. */
  readonly detail?: Partial<Detail>
}

/** Result of one attempt: data whether it succeeded or not, and unchanged by a way through JSON. */
export type Result<Name extends string = string, Phase extends string = string, Detail = unknown> =
  | Success<Name, Phase, Detail>
  | Failed<Name, Phase, Detail>
