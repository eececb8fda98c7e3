import type { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import { FailureError } from '../model/failure.ts'
import { addPackets } from '../model/packets.ts'
import type { TargetForm } from '../model/target.ts'
import type { Exchange } from '../net/packets/exchange.ts'
import { type Answered, answerOf, countedOf, packetsOf, type Shot } from '../net/packets/fate.ts'
import { transports } from '../net/packets/providers.ts'
import type { PacketAnswer, Question } from '../net/packets/question.ts'
import { createStampSession, type StampSession } from '../net/packets/stamp-session.ts'
import { answersOf, askFlows, flowOf } from './flows.ts'
import type { Attempt, Probe } from './probe.ts'
import type { Session } from './session.ts'

/** An answer to a question of a probe, and what was asked. */
export interface AnswerTo extends PacketAnswer {
  readonly target: { readonly text: string }
  readonly ttl: number | undefined
  readonly trafficClass: number | undefined
  readonly sourcePort: number
}

/** What is particular to a probe that sends one packet of fixed layout an attempt. */
interface PacketProbe<
  Name extends string,
  Phase extends string,
  Form extends TargetForm,
  Options extends z.ZodObject,
  Detail,
> extends Omit<Probe<Name, Phase, Form, Options, Detail>, 'measure' | 'needs' | 'packet'> {
  readonly format: Question['format']
  /** Its only phase, of `phases`. */
  readonly phase: Phase
  question(options: z.output<Options>): Omit<Question, 'format' | 'to'>
  /** Number of source ports that an attempt sends from (default: 1). */
  flows?(options: z.output<Options>): number
  /** Returns the detail of a success. @throws {FailureError} for an answer that is none */
  detail(answer: AnswerTo, options: z.output<Options>): Detail
}

type Defined<P extends Probe> = P & Required<Pick<P, 'packet'>>

/** Defines a probe that sends one packet of fixed layout an attempt. */
export function definePacketProbe<
  const Name extends string,
  Phase extends string,
  Form extends TargetForm,
  Options extends z.ZodObject,
  Detail,
>({
  format,
  phase,
  question,
  flows = () => 1,
  detail,
  ...probe
}: PacketProbe<Name, Phase, Form, Options, Detail>): Defined<Probe<Name, Phase, Form, Options, Detail>> {
  const questionTo = (to: Endpoint, options: z.output<Options>): Question => ({ format, to, ...question(options) })
  const detailOf = (answer: AnswerTo, options: z.output<Options>) => {
    const { flaw, payloadBytes, target } = answer
    if (flaw !== undefined) throw flawFailure(flaw, target, [payloadBytes, question(options).payloadBytes])
    return detail(answer, options)
  }
  return {
    ...probe,
    needs: transports[format],
    packet: {
      phase,
      question: (to, options) => (flows(options) > 1 ? undefined : questionTo(to, options)),
      detail: ({ message, ttl, trafficClass, sourcePort }, target, options) =>
        detailOf({ ...message, ttl, trafficClass, sourcePort, target }, options),
    },
    async measure({ target, endpoint, deadline, sockets, session, stopwatch, record }, options) {
      const asked = questionTo(endpoint, options)
      const asker = sockets.asker(asked)
      const count = flows(options)
      const first = count > 1 ? 0 : await nextFlow(session, 'packet flow', { flows: asker.flows(asked) })
      // Losses counted over several flows at once would say nothing of any of them.
      const series = format === 'stamp' && count === 1 ? { session: await stampSessionOf(session) } : {}
      stopwatch.enter(phase)
      const by = { flow: first, deadline, ...series }
      const fates = await askFlows(asker, asked, { count, by })
      const seen = count > 1 ? { flows: fates.map(flowOf) } : {}
      // Packets of several flows have no order.
      record({ packets: fates.map((fate) => countedOf(fate, { dscp: asked.dscp })).reduce(addPackets), detail: seen })
      const details = answersOf(fates, endpoint, deadline).map((answer) => {
        const { message, tookNs, clocks, ttl, trafficClass, sourcePort } = answer
        return { tookNs, clocks, detail: detailOf({ ...message, ttl, trafficClass, sourcePort, target }, options) }
      })
      const median = details[details.length >> 1]
      if (median === undefined) throw new TypeError('an attempt has an answer for each flow')
      stopwatch.settle(median.tookNs, median.clocks)
      return { ...median.detail, ...seen }
    },
  }
}

/** Returns the session of STAMP of a series. */
export async function stampSessionOf(session: Session): Promise<StampSession> {
  const { value } = await session.hold('stamp', () => ({ ...createStampSession(), close() {} }))
  return value
}

function flawFailure(
  flaw: NonNullable<PacketAnswer['flaw']>,
  { text }: { readonly text: string },
  [received, sent]: readonly [number, number],
): FailureError {
  const change = received < sent ? 'cuts off' : 'extends'
  return new FailureError(
    'bad-reply',
    flaw === 'length'
      ? `${text} answered with ${received} bytes instead of the ${sent} it was sent: the target, or a device on the path, ${change} answers`
      : `${text} answered with other bytes than it was sent: the target, or a device on the path, alters them`,
  )
}

/**
 * Sends the only packet of an attempt. Records its counts, and ends the current phase with the time of the answer.
 * @throws {FailureError} for every fate except an answer
 */
export async function ask<Message>(
  {
    deadline,
    stopwatch,
    record,
  }: Pick<Attempt<string>, 'deadline' | 'record'> & {
    readonly stopwatch: Pick<Attempt<string>['stopwatch'], 'settle'>
  },
  exchange: Exchange,
  shot: Shot<Message>,
): Promise<Answered<Message>> {
  const fates = await exchange.volley([shot], deadline)
  record({ packets: packetsOf(fates) })
  const answer = answerOf(fates[0], shot.to, deadline)
  stopwatch.settle(answer.tookNs, answer.clocks)
  return answer
}

/**
 * Returns the next flow of a session. The first is random. Each series cycles through all source ports, so that it probes all equal-cost
 * paths in turn.
 */
export async function nextFlow(session: Session, name: string, { flows }: { readonly flows: number }): Promise<number> {
  if (flows === 1) return 0
  const { value } = await session.hold(name, () => ({ next: Math.floor(Math.random() * flows), close() {} }))
  value.next = (value.next + 1) % flows
  return value.next
}
