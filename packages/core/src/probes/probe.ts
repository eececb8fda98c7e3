import type { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import type { Packets } from '../model/packets.ts'
import type { TargetForm, TargetOf } from '../model/target.ts'
import type { Transport } from '../net/packets/providers.ts'
import type { Sockets } from '../net/sockets.ts'
import type { Stopwatch } from '../time/clock.ts'
import type { Deadline } from '../time/deadline.ts'
import type { Session } from './session.ts'

/** What a process must be able to do for a probe: send packets of a transport, time a handshake, or time all of a connection. */
export type Need = Transport | 'handshake' | 'connection'

export interface Learned {
  readonly packets?: Packets
  /** Part of the probe's detail. */
  readonly detail?: object
}

/** What the runner lends a probe for one attempt. */
export interface Attempt<Phase extends string, Form extends TargetForm = TargetForm> {
  readonly target: TargetOf<Form>
  readonly endpoint: Endpoint
  /** When it is over the probe rejects at once with its reason. */
  readonly deadline: Deadline
  /** Sockets shared by all attempts of one prober. */
  readonly sockets: Sockets
  /** State that lives as long as the series this attempt is part of. */
  readonly session: Session
  /** Told of each phase as it begins, and of what took its time better than the event loop can. */
  readonly stopwatch: Pick<Stopwatch<Phase>, 'enter' | 'settle' | 'revise'>
  /** Records what a failure is to hold as well; a success holds the detail that `measure` returns. The last call of each counts. */
  readonly record: (learned: Learned) => void
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
  readonly needs: Need
  /** In the order they happen. */
  readonly phases: Readonly<Record<Phase, string>>
  /**
   * `facts` where a result's duration says nothing about the path (a search of many packets): such a result never enters a duration
   * histogram; `time` where it is left out.
   */
  readonly yields?: 'time' | 'facts'
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
