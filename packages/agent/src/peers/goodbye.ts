import { type Prober, ScoutError } from '@scout/core'
import { baseOf, type Caller, urlOf } from './greeting.ts'
import type { Peer } from './peer.ts'
import type { Self } from './self.ts'

/** Path on the responder where a peer says that it is about to stop. */
export const goodbyePath = '/goodbye'

/** Long enough for one lost SYN, short enough for a pod's grace period. */
const timeoutMs = 1_500

/** Tells every peer at once that this agent stops; returns how many heard it. The others learn it from discovery. */
export async function sayGoodbye(prober: Prober, self: Self & Caller, peers: Iterable<Peer>): Promise<number> {
  const heard = await Promise.all(
    [...peers].map(async (peer) => {
      const base = baseOf(peer, self)
      // Through the API server's proxy nobody could tell who calls.
      if (base === undefined || peer.proxy !== undefined) return false
      try {
        const { ok } = await prober.probe('http', urlOf(base, goodbyePath, self), { method: 'POST', timeoutMs })
        return ok
      } catch (error) {
        // An address that nothing can be sent to, or a prober that ended before us: no reason not to tell the others.
        if (error instanceof ScoutError) return false
        throw error
      }
    }),
  )
  return heard.filter(Boolean).length
}
