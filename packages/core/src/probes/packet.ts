import type { Exchange } from '../net/packets/exchange.ts'
import { type Answered, answerOf, packetsOf, type Shot } from '../net/packets/fate.ts'
import type { Attempt } from './probe.ts'
import type { Session } from './session.ts'

/**
 * Sends the only packet of an attempt: records its counts, and ends the phase in progress with the time of its answer.
 * @throws {FailureError} for every fate but an answer
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
 * Returns the flow after the session's last one. The first is random, and each series goes through all source ports, so that every
 * one of several paths of equal cost is probed in turn.
 */
export async function nextFlow(session: Session, name: string, { flows }: Exchange): Promise<number> {
  if (flows === 1) return 0
  const { value } = await session.hold(name, () => ({ next: Math.floor(Math.random() * flows), close() {} }))
  value.next = (value.next + 1) % flows
  return value.next
}
