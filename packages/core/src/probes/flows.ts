import { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import { FailureError } from '../model/failure.ts'
import { type Answered, answerOf, type Fate } from '../net/packets/fate.ts'
import { udpPorts } from '../net/packets/providers.ts'
import type { Asker, PacketAnswer, Question } from '../net/packets/question.ts'
import type { Deadline } from '../time/deadline.ts'

/*
 * Several source ports at once. Routers and bundles of links choose the way of a packet by its addresses and ports, so that a bad member
 * breaks some ports and no others. A port stays the same until it has not been asked for in 30 s: those that fail go on failing.
 * The kernel chooses those of TCP connections, in each attempt others.
 */

export const flowsOption = z
  .int()
  .min(1)
  .max(udpPorts)
  .default(1)
  .describe(
    'source ports to send from at once, one packet each: an attempt succeeds if all are answered, and names those that are not',
  )

/** What became of the packet, or the connection, of one source port. */
export interface Flow {
  readonly sourcePort?: number
  /** Absent without an answer. */
  readonly rttNs?: number
}

/** Detail of an attempt that uses several. */
export interface SeenFlows {
  readonly flows?: readonly Flow[]
}

/** Asks once from each of so many source ports, from the one given on. */
export function askFlows(
  asker: Asker,
  question: Question,
  { count, by }: { readonly count: number; readonly by: Parameters<Asker['ask']>[1] },
): Promise<readonly Fate<PacketAnswer>[]> {
  const known = asker.flows(question)
  if (count > known) {
    throw new FailureError(
      'not-supported',
      `${count} source ports at once need the native part (install a C compiler, make and python3, then npm rebuild @scout/core)`,
    )
  }
  return Promise.all(Array.from({ length: count }, (_, index) => asker.ask(question, { ...by, flow: by.flow + index })))
}

export function flowOf(fate: Fate<PacketAnswer>): Flow {
  return {
    ...('sourcePort' in fate && fate.sourcePort !== undefined ? { sourcePort: fate.sourcePort } : {}),
    ...(fate.kind === 'answered' ? { rttNs: fate.tookNs } : {}),
  }
}

/**
 * Returns the answers, the quickest first.
 * @throws {FailureError} if one is missing; of several source ports it names those
 */
export function answersOf(
  fates: readonly Fate<PacketAnswer>[],
  to: Endpoint,
  deadline: Pick<Deadline, 'reason' | 'timedOut'>,
): readonly Answered<PacketAnswer>[] {
  const answered = fates.filter((fate) => fate.kind === 'answered')
  const missing = fates.filter((fate) => fate.kind !== 'answered')
  if (missing.length === 0) return answered.toSorted((a, b) => a.tookNs - b.tookNs)
  try {
    return [answerOf(missing[0], to, deadline)]
  } catch (error) {
    if (!(error instanceof FailureError) || fates.length === 1) throw error
    throw flowsFailure(error, { failing: missing.map(flowOf), count: fates.length })
  }
}

/** Returns the failure of an attempt of several flows of which some fail, the first one with this error. */
export function flowsFailure(
  { reason, message, code, icmp }: FailureError,
  { failing, count }: { readonly failing: readonly Flow[]; readonly count: number },
): FailureError {
  const ports = failing.flatMap(({ sourcePort }) => sourcePort ?? [])
  const named = ports.length === 0 ? 'before they had a source port' : `source ports ${ports.join(', ')}`
  const which = failing.length === count ? 'all' : named
  return new FailureError(reason, `${failing.length} of ${count} flows fail (${which}): ${message}`, {
    ...(code === undefined ? {} : { code }),
    ...(icmp === undefined ? {} : { icmp }),
  })
}
