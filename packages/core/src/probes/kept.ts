import { z } from 'zod'
import { FailureError, type FailureReason } from '../model/failure.ts'
import { formatHostPort } from '../model/target.ts'
import { nowNs } from '../time/clock.ts'
import { Deadline } from '../time/deadline.ts'
import { formatDurationNs } from '../time/duration.ts'
import type { Attempt } from './probe.ts'

/*
 * Flows that the attempts of a series share, so that it shows what becomes of old and idle ones. Where an attempt gets no answer over
 * such a flow, it asks over a new one, and then over the old one again. Only if the new one works and the old one still does not, it is the
 * flow that the path no longer passes (`flow-dropped`). If neither works, it is a failure like that of any other attempt. A flow that the
 * other side has closed is no failure: the attempt opens another one.
 */

/** Age of the flow that an attempt used, in nanoseconds; absent if it opened one. */
export interface FlowAge {
  /** Since it was opened. */
  readonly ageNs: number
  /** Since an answer last came over it. */
  readonly idleNs: number
}

/** Option of a probe: whether the attempts of a series share a flow. */
export function keepOption(meaning: string) {
  return z
    .boolean()
    .default(false)
    .describe(`${meaning}; where it no longer passes packets while a new one does, fail as flow-dropped`)
}

/** Returns how long an old flow has for its answer before a new one is asked: a third of the time. So has the new one, if packets are lost. */
export function patienceMsOf({ timeoutNs }: Pick<Deadline, 'timeoutNs'>): number {
  return timeoutNs / 3e6
}

export function ageOf({ openedNs, usedNs }: { readonly openedNs: number; readonly usedNs: number }): FlowAge {
  const now = nowNs()
  return { ageNs: now - openedNs, idleNs: now - usedNs }
}

/** Returns the failure of an attempt whose flow was dropped. `what` says how that showed: `no longer gets an answer`. */
export function droppedFailure(
  { ageNs, idleNs }: FlowAge,
  { flow, what, code }: { readonly flow: string; readonly what: string; readonly code?: string | undefined },
): FailureError {
  const [age, idle] = [ageNs, idleNs].map((ns) => formatDurationNs(Math.round(ns / 1e8) * 1e8))
  const advice =
    'a device or a node on the path has forgotten it (a firewall, NAT, a load balancer, connection tracking)'
  return new FailureError(
    'flow-dropped',
    `${flow}, open for ${age} and idle for ${idle}, ${what}, while a new one works: ${advice}`,
    {
      code,
    },
  )
}

interface Closable {
  close(): void
}

/** Reasons for which an attempt had no answer from its target. */
const unanswered: ReadonlySet<FailureReason> = new Set(['timeout', 'refused', 'unreachable', 'expired', 'prohibited'])

/**
 * Asks over the datagram socket of the series, which `open` opens: the first attempt does, and later ones go on with it even while it fails,
 * as applications do. Adds the age of the flow to what `ask` resolves to.
 */
export async function askOverKept<Socket extends Closable, Answer>(
  { session, endpoint, deadline, record }: Pick<Attempt<string>, 'session' | 'endpoint' | 'deadline' | 'record'>,
  { open, ask }: { readonly open: () => Socket; readonly ask: (socket: Socket, deadline: Deadline) => Promise<Answer> },
): Promise<{ readonly answer: Answer; readonly age: Partial<FlowAge> }> {
  const { value: kept, isNew } = await session.hold(`socket to ${endpoint.address}`, () => {
    const socket = open()
    const openedNs = nowNs()
    return { socket, openedNs, usedNs: openedNs, close: () => socket.close() }
  })
  const askOld = async (until: Deadline) => {
    const answer = await ask(kept.socket, until)
    kept.usedNs = nowNs()
    return answer
  }
  if (isNew) return { answer: await askOld(deadline), age: {} }
  const age = ageOf(kept)
  record({ detail: age })
  const first = await inPartOf(deadline, askOld)
  if (first.isAnswered) return { answer: first.answer, age }
  const fresh = await inPartOf(deadline, async (until) => {
    const other = open()
    try {
      return await ask(other, until)
    } finally {
      other.close()
    }
  })
  try {
    return { answer: await askOld(deadline), age }
  } catch (error) {
    if (!fresh.isAnswered || !isUnanswered(error) || deadline.reason?.reason === 'cancelled') throw error
    const { address, port } = endpoint
    throw droppedFailure(age, {
      flow: `the UDP flow to ${port === undefined ? address : formatHostPort(address, port)}`,
      what: error.reason === 'timeout' ? 'no longer gets an answer' : `is ${error.reason}`,
      code: error.code,
    })
  }
}

/** Calls a function with a deadline that is a part of another one. Returns undefined if it had no answer from its target. */
async function inPartOf<Answer>(
  deadline: Deadline,
  ask: (until: Deadline) => Promise<Answer>,
): Promise<{ readonly isAnswered: true; readonly answer: Answer } | { readonly isAnswered: false }> {
  const part = new Deadline(patienceMsOf(deadline))
  // As at any deadline, what has arrived is read before it ends.
  const timer = setTimeout(() => setImmediate(() => part.end(deadline.timedOut())), part.timeoutNs / 1e6)
  const off = deadline.onOver((reason) => part.end(reason))
  try {
    return { isAnswered: true, answer: await ask(part) }
  } catch (error) {
    if (!isUnanswered(error)) throw error
    return { isAnswered: false }
  } finally {
    clearTimeout(timer)
    off()
  }
}

function isUnanswered(error: unknown): error is FailureError {
  return error instanceof FailureError && unanswered.has(error.reason)
}
