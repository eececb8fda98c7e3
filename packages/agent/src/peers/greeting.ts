import { isIP } from 'node:net'
import type { Prober, RouteRequest, Self } from '@scout/core'
import { z } from 'zod'
import type { Peer } from './peer.ts'
import { isLoopback } from './reach.ts'

/** Responder path that returns the agent's identity. */
export const greetingPath = '/greeting'

const word = z.string().min(1).max(253)
const addresses = z
  .array(z.string().refine((text) => isIP(text) !== 0))
  .max(64)
  .readonly()

/** Identity of an agent, most of which is not in any EndpointSlice. */
const greeting = z.object({
  name: word,
  namespace: word.optional(),
  node: word,
  zone: word.optional(),
  addresses,
  nodeAddresses: addresses,
  version: word,
  /** Wall clock at the start of its process. */
  startedAtMs: z.number(),
})

export type Greeting = z.output<typeof greeting>

/** `malformed`: the answer is not from an agent, or from an incompatible one. */
export type GreetingAnswer = Greeting | 'malformed' | 'silent'

const keepBytes = 16_384

/** The sender of a greeting or goodbye. */
export type Caller = Pick<Self, 'name' | 'namespace'> & { readonly startedAtMs: number }

/** Requests the identity of the agent at a responder. */
export async function askGreeting(prober: Prober, base: string, caller: Caller): Promise<GreetingAnswer> {
  const result = await prober.probe('http', urlOf(base, greetingPath, caller), { keepBytes })
  if (!result.ok) return 'silent'
  return greeting.safeParse(parseJson(result.detail.body ?? '')).data ?? 'malformed'
}

/** Returns the URL of `path` below `base`, with the caller in its query. */
export function urlOf(base: string, path: string, { name, namespace, startedAtMs }: Caller): string {
  const query = new URLSearchParams({
    name,
    ...(namespace === undefined ? {} : { namespace }),
    startedAtMs: String(startedAtMs),
  })
  return `${base}${path}?${query.toString()}`
}

/**
 * Returns the peer that sent this request, and when its process started. The request must come from one of its addresses; among peers on
 * one host, where the kernel chooses the sender's loopback address, any loopback address is accepted.
 */
export function callerOf(
  { url, from }: RouteRequest,
  peers: Iterable<Peer>,
): { readonly peer: Peer; readonly startedAtMs: number } | undefined {
  const { searchParams } = new URL(url, 'http://scout')
  const startedAtMs = Number(searchParams.get('startedAtMs') ?? Number.NaN)
  if (!Number.isFinite(startedAtMs)) return undefined
  const peer = [...peers].find(
    ({ name, namespace, addresses }) =>
      name === searchParams.get('name') &&
      // Peers from a list may have no namespace.
      (namespace === undefined || namespace === searchParams.get('namespace')) &&
      (addresses.includes(from) || (isLoopback(from) && addresses.some(isLoopback))),
  )
  return peer === undefined ? undefined : { peer, startedAtMs }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // reported as malformed
  }
}
