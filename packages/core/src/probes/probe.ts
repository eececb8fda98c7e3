import type { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import type { Packets } from '../model/packets.ts'
import type { TargetForm, TargetOf } from '../model/target.ts'
import type { Answered } from '../net/packets/fate.ts'
import type { Transport } from '../net/packets/providers.ts'
import type { PacketAnswer, Question } from '../net/packets/question.ts'
import type { Sockets } from '../net/sockets.ts'
import type { Stopwatch } from '../time/clock.ts'
import type { Deadline } from '../time/deadline.ts'
import type { Session } from './session.ts'

/**
 * Ability that a probe needs: to send packets of a transport, to send packets of any size with DF, to time a handshake, or to time a whole
 * connection.
 */
export type Need = Transport | 'sizes' | 'handshake' | 'connection'

/** What an attempt has learned so far. */
export interface Learned {
  readonly packets?: Packets
  /** Part of the probe's detail. */
  readonly detail?: object
}

/** Everything the runner provides to a probe for one attempt. */
export interface Attempt<Phase extends string, Form extends TargetForm = TargetForm> {
  readonly target: TargetOf<Form>
  readonly endpoint: Endpoint
  /** When it is over, the probe must reject at once with its reason. */
  readonly deadline: Deadline
  /** Sockets shared by all attempts of one prober. */
  readonly sockets: Sockets
  /** State of the series this attempt belongs to. */
  readonly session: Session
  /** Receives the start of each phase, and durations by a better clock than the event loop's. */
  readonly stopwatch: Pick<Stopwatch<Phase>, 'enter' | 'settle' | 'revise'>
  /** Records packets, and detail for the case of failure; a success uses the detail that `measure` returns. Later calls override. */
  readonly record: (learned: Learned) => void
}

/** Measures a path with one protocol. Each probe is one file in `probes/` and one line in its registry. */
export interface Probe<
  Name extends string = string,
  Phase extends string = string,
  Form extends TargetForm = TargetForm,
  Options extends z.ZodObject = z.ZodObject,
  Detail = unknown,
> {
  readonly protocol: Name
  /** First line of help and docs, as an imperative: `time a TCP handshake`. */
  readonly summary: string
  readonly targetForm: Form
  readonly needs: Need
  /** Phases in the order they happen, each with its start and end. */
  readonly phases: Readonly<Record<Phase, string>>
  /**
   * `facts` if the duration of a result does not measure the path, as in a search with many packets (default: `time`). Facts never enter
   * a duration histogram.
   */
  readonly yields?: 'time' | 'facts'
  /** Default timeout of an attempt, for a probe that takes longer than others. */
  readonly timeoutMs?: number
  /** Whether the event loop stamps its phases: repeated attempts then run one after another, so that none delays another's stamps. */
  readonly runsAlone?: true
  /** Single source of types, defaults, flags, config keys and docs. */
  readonly options: Options
  /** Present if an attempt is one packet of fixed layout, which the native packet engine can repeat on its own. */
  readonly packet?: {
    readonly phase: Phase
    /** Undefined if these options need `measure`. */
    question(to: Endpoint, options: z.output<Options>): Question | undefined
    /** Returns the detail of a success. Throws `FailureError` for an answer that is none. */
    detail(answer: Answered<PacketAnswer>, target: { readonly text: string }, options: z.output<Options>): Detail
  }
  /** Makes one attempt and returns its detail. Throws on failure; the runner turns the error into a `Failure`. */
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
