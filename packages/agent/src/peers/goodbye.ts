import { type Prober, ScoutError, type Self } from '@scout/core'
import { type Caller, urlOf } from './greeting.ts'
import type { Peer } from './peer.ts'
import { directUrl } from './reach.ts'

/** Responder path for goodbyes. */
export const goodbyePath = '/goodbye'

/** Long enough for one lost SYN, short enough for a pod's grace period. */
const timeoutMs = 1_500

/** Sends a goodbye to all peers at once; returns how many received it. For the others, discovery reports that this agent is leaving. */
export async function sayGoodbye(prober: Prober, self: Self & Caller, peers: Iterable<Peer>): Promise<number> {
  const received = await Promise.all(
    [...peers].map(async (peer) => {
      const base = directUrl(peer, self)
      if (base === undefined) return false
      try {
        const { ok } = await prober.probe('http', urlOf(base, goodbyePath, self), { method: 'POST', timeoutMs })
        return ok
      } catch (error) {
        // An address that cannot be sent to, or a prober that is already closed: the goodbyes to other peers still go out.
        if (error instanceof ScoutError) return false
        throw error
      }
    }),
  )
  return received.filter(Boolean).length
}
