import type { Exchange } from '../net/packets/exchange.ts'
import { type Answered, answerOf, packetsOf, type Shot } from '../net/packets/fate.ts'
import type { Attempt } from './probe.ts'
import type { Session } from './session.ts'

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
export async function nextFlow(session: Session, name: string, { flows }: Exchange): Promise<number> {
  if (flows === 1) return 0
  const { value } = await session.hold(name, () => ({ next: Math.floor(Math.random() * flows), close() {} }))
  value.next = (value.next + 1) % flows
  return value.next
}
