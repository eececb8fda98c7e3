import type { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import type { FailureReason } from '../model/failure.ts'
import type { TargetForm, TargetOf } from '../model/target.ts'
import type { Transport } from '../net/packets/providers.ts'
import type { Sockets } from '../net/sockets.ts'
import type { Clocks, Stopwatch } from '../time/clock.ts'
import type { Deadline } from '../time/deadline.ts'

export interface Failure<Phase extends string = string> {
  readonly reason: FailureReason
  /** The phase the attempt was in; `setup` before its first. */
  readonly phase: Phase | 'setup' | 'resolve'
  /** One sentence for a person: what was tried, what happened, what to do if known. */
  readonly message: string
  /** The machine's word for it: errno name, DNS rcode, HTTP status, TLS alert. */
  readonly code?: string
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
  /** Nanoseconds: the sum of the phases of a success; of a failure, the time until it was known. */
  readonly totalNs: number
  readonly clock: Clocks
}

export interface Success<Name extends string = string, Phase extends string = string, Detail = unknown>
  extends Measured<Name, Phase> {
  readonly ok: true
  readonly detail: Detail
}

export interface Failed<Name extends string = string, Phase extends string = string> extends Measured<Name, Phase> {
  readonly ok: false
  readonly failure: Failure<Phase>
}

/** What came of one attempt: data whether it succeeded or not, and safe to turn into JSON and back. */
export type Result<Name extends string = string, Phase extends string = string, Detail = unknown> =
  | Success<Name, Phase, Detail>
  | Failed<Name, Phase>

/** What the runner lends a probe for one attempt. */
export interface Attempt<Phase extends string, Form extends TargetForm = TargetForm> {
  readonly target: TargetOf<Form>
  readonly endpoint: Endpoint
  /** When it is over the probe rejects at once with its reason. */
  readonly deadline: Deadline
  /** Sockets shared by all attempts of one prober. */
  readonly sockets: Sockets
  /** Told of each phase as it begins, and of what took its time better than the event loop can. */
  readonly stopwatch: Pick<Stopwatch<Phase>, 'enter' | 'settle' | 'revise'>
}

/** One protocol's way to time a path: a single file under `probes/`, and one line in its registry. */
export interface Probe<
  Name extends string = string,
  Phase extends string = string,
  Form extends TargetForm = TargetForm,
  Options extends z.ZodObject = z.ZodObject,
  Detail = unknown,
> {
  readonly protocol: Name
  /** Finishes the sentence "the probe that … ": first line of help and docs. */
  readonly summary: string
  readonly targetForm: Form
  /** What is timed: packets of a transport, the kernel's handshake, or all of a connection of the kernel's. */
  readonly medium: Transport | 'handshake' | 'connection'
  /** In the order they happen. */
  readonly phases: Readonly<Record<Phase, string>>
  /** The one source of types, defaults, flags, config keys and docs. */
  readonly options: Options
  /** Makes one attempt and returns what it learned; throws whatever happened, which the runner turns into a `Failure`. */
  measure(attempt: Attempt<Phase, Form>, options: z.output<Options>): Promise<Detail>
}

export function defineProbe<
  const Name extends string,
  Phase extends string,
  Form extends TargetForm,
  Options extends z.ZodObject,
  Detail,
>(probe: Probe<Name, Phase, Form, Options, Detail>): Probe<Name, Phase, Form, Options, Detail> {
  return probe
}
