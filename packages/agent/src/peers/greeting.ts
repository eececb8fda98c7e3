import { isIP } from 'node:net'
import { isPrintable, type Prober, type RouteRequest, type Self } from '@scout/core'
import { z } from 'zod'
import type { Peer } from './peer.ts'
import { isLoopback } from './reach.ts'

/** Responder path that returns the agent's identity. */
export const greetingPath = '/greeting'

const word = z.string().min(1).max(253).refine(isPrintable)
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
  /** Random id of its process; absent from older agents. */
  process: word.optional(),
  /** Wall clock at the start of its process, by which older agents tell processes apart. */
  startedAtMs: z.number(),
})

export type Greeting = z.output<typeof greeting>

/**
 * `malformed`: something answered, but not an agent, or an incompatible one; `silent`: it accepted the connection, and did not answer;
 * `unreached`: nobody accepted a connection.
 */
export type GreetingAnswer = Greeting | 'malformed' | 'silent' | 'unreached'

const keepBytes = 16_384

/** The sender of a greeting or goodbye. */
export type Caller = Pick<Self, 'name' | 'namespace'> & {
  readonly process: string
  readonly startedAtMs: number
}

/** Requests the identity of the agent at a responder. */
export async function askGreeting(prober: Prober, base: string, caller: Caller): Promise<GreetingAnswer> {
  const query = new URLSearchParams(queryOf(caller)).toString()
  const result = await prober.probe('http', `${base}${greetingPath}?${query}`, { keepBytes })
  if (result.ok) return greeting.safeParse(parseJson(result.detail.body ?? '')).data ?? 'malformed'
  const { reason, phase } = result.failure
  // The responder is older than greetings, or is none of Scout's.
  if (reason === 'bad-status' || reason === 'bad-reply') return 'malformed'
  return phase === 'setup' || phase === 'resolve' || phase === 'connect' ? 'unreached' : 'silent'
}

/** Returns the fields of a query that names the caller. */
export function queryOf({ name, namespace, process, startedAtMs }: Caller): Record<string, string> {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    process,
    startedAtMs: String(startedAtMs),
  }
}

/** Returns a text that differs between the processes of one peer: its id, or for an older agent its start. */
export function processOf({ process, startedAtMs }: Pick<Greeting, 'process' | 'startedAtMs'>): string {
  return process ?? `started at ${startedAtMs}`
}

/**
 * Returns the peer that sent this request, and which of its processes. The request must come from one of its addresses; among peers on
 * one host, where the kernel chooses the sender's loopback address, any loopback address is accepted.
 */
export function callerOf(
  { url, from }: Pick<RouteRequest, 'url' | 'from'>,
  peers: Iterable<Peer>,
): { readonly peer: Peer; readonly process: string } | undefined {
  const { searchParams } = new URL(url, 'http://scout')
  const { data: caller } = processQuery.safeParse(Object.fromEntries(searchParams))
  if (caller === undefined) return undefined
  const peer = [...peers].find(
    ({ name, namespace, addresses }) =>
      name === searchParams.get('name') &&
      // Peers from a list may have no namespace.
      (namespace === undefined || namespace === searchParams.get('namespace')) &&
      (addresses.includes(from) || (isLoopback(from) && addresses.some(isLoopback))),
  )
  return peer === undefined ? undefined : { peer, process: processOf(caller) }
}

const processQuery = z.object({ process: word.optional(), startedAtMs: z.coerce.number() })

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // reported as malformed
  }
}
