import { setTimeout as sleep } from 'node:timers/promises'
import { type Prober, type RouteRequest, ScoutError, type Self } from '@scout/core'
import { type Caller, queryOf } from './greeting.ts'
import type { Peer } from './peer.ts'
import { directUrl } from './reach.ts'
import { isSigned, signatureOf } from './signature.ts'

/** Responder path for goodbyes. */
export const goodbyePath = '/goodbye'

/** Long enough for one lost SYN, short enough for a pod's grace period. */
const timeoutMs = 1_500

/** How long all of them may take. */
const mostMs = 2_000

interface Goodbyes {
  readonly prober: Prober
  readonly self: Self & Caller
  /** Secret shared by all agents; empty if there is none, and goodbyes are not signed. */
  readonly key: string
}

/** Sends a goodbye to all peers at once; returns how many received it. For the others, discovery reports that this agent is leaving. */
export async function sayGoodbye({ prober, self, key }: Goodbyes, peers: Iterable<Peer>): Promise<number> {
  const query = signedQueryOf(self, key)
  const received = await Promise.all(
    [...peers].map(async (peer) => {
      const base = directUrl(peer, self)
      if (base === undefined) return false
      try {
        const { ok } = await prober.probe('http', `${base}${goodbyePath}?${query}`, { method: 'POST', timeoutMs })
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

/** Says goodbye to all peers, and waits until attempts that they have in flight are answered. Without peers there is nothing to wait for. */
export async function takeLeave(
  { graceMs, ...goodbyes }: Goodbyes & { readonly graceMs: number },
  peers: Iterable<Peer>,
): Promise<void> {
  // A stuck probe thread sends none.
  const received = await Promise.race([sayGoodbye(goodbyes, peers), sleep(mostMs, 0, { ref: false })])
  if (received > 0) await sleep(graceMs)
}

function signedQueryOf(self: Caller, key: string): string {
  const query = new URLSearchParams(queryOf(self))
  if (key !== '') query.set('signature', signatureOf(signedText(query), key))
  return query.toString()
}

/** Whether the query of a goodbye is signed with the key; any is, without a key. */
export function isGenuine({ url }: Pick<RouteRequest, 'url'>, key: string): boolean {
  const { searchParams } = new URL(url, 'http://scout')
  return isSigned({ text: signedText(searchParams), signature: searchParams.get('signature') }, key)
}

/**
 * Returns what is signed: who says goodbye. The id of its process is random, so a signature serves for one process, which does say goodbye;
 * repeated later, the goodbye is that of an earlier process, which the roster ignores.
 */
function signedText(query: URLSearchParams): string {
  return JSON.stringify(['goodbye', ...['name', 'namespace', 'process'].map((field) => query.get(field))])
}
