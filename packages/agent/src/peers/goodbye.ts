import { type Prober, ScoutError, type Self } from '@scout/core'
import { type Caller, urlOf } from './greeting.ts'
import type { Peer } from './peer.ts'
import { directUrl } from './reach.ts'

/** Path on the responder to which a peer sends its goodbye. */
export const goodbyePath = '/goodbye'

/** Long enough for one lost SYN, short enough for a pod's grace period. */
const timeoutMs = 1_500

/** Sends every peer a goodbye at once; returns how many received it. The others learn from discovery that this agent stops. */
export async function sayGoodbye(prober: Prober, self: Self & Caller, peers: Iterable<Peer>): Promise<number> {
  const received = await Promise.all(
    [...peers].map(async (peer) => {
      const base = directUrl(peer, self)
      if (base === undefined) return false
      try {
        const { ok } = await prober.probe('http', urlOf(base, goodbyePath, self), { method: 'POST', timeoutMs })
        return ok
      } catch (error) {
        // An address that nothing can be sent to, or a prober that was closed before: the others still get theirs.
        if (error instanceof ScoutError) return false
        throw error
      }
    }),
  )
  return received.filter(Boolean).length
}
