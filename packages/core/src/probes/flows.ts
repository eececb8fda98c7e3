import { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import { FailureError } from '../model/failure.ts'
import { groupBy } from '../model/group-by.ts'
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
  if (fates.length === 1) return [answerOf(missing[0], to, deadline)]
  const failing = missing.map((fate) => ({ flow: flowOf(fate), failure: failureOf(fate, to, deadline) }))
  throw flowsFailure(failing, fates.length)
}

function failureOf(...[fate, to, deadline]: Parameters<typeof answerOf<PacketAnswer>>): FailureError {
  try {
    answerOf(fate, to, deadline)
  } catch (error) {
    if (error instanceof FailureError) return error
    throw error
  }
  throw new TypeError('a flow without an answer has a failure')
}

/** Returns the failure of an attempt of several flows of which these fail: the most frequent one, with the numbers of all. */
export function flowsFailure(
  failing: readonly { readonly flow: Flow; readonly failure: FailureError }[],
  count: number,
): FailureError {
  const groups = groupBy(failing, ({ failure }) => failure.reason).toSorted((a, b) => b.length - a.length)
  const first = groups[0]?.[0]?.failure
  if (first === undefined) throw new TypeError('an attempt fails with a flow')
  const { reason, message, code, icmp } = first
  const ports = failing.flatMap(({ flow }) => flow.sourcePort ?? [])
  const named = ports.length === 0 ? 'before they had a source port' : `source ports ${ports.join(', ')}`
  const which = failing.length === count ? 'all' : named
  const numbers = groups.map((group) => `${group.length} ${group[0]?.failure.reason}`).join(', ')
  const how = groups.length === 1 ? which : `${which}; ${numbers}`
  return new FailureError(reason, `${failing.length} of ${count} flows fail (${how}): ${message}`, {
    ...(code === undefined ? {} : { code }),
    ...(icmp === undefined ? {} : { icmp }),
  })
}
