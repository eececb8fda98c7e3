import { isIP } from 'node:net'
import { formatHostPort, type Prober, type RouteRequest } from '@scout/core'
import { z } from 'zod'
import { familyOf } from '../plan/check.ts'
import { isLoopback } from './loopback.ts'
import type { Peer } from './peer.ts'
import type { Self } from './self.ts'

/** Path on the responder where an agent tells who it is. */
export const greetingPath = '/greeting'

const word = z.string().min(1).max(253)
const addresses = z
  .array(z.string().refine((text) => isIP(text) !== 0))
  .max(64)
  .readonly()

/** What an agent tells of itself: what no EndpointSlice holds. */
const greeting = z.object({
  name: word,
  namespace: word.optional(),
  node: word,
  zone: word.optional(),
  addresses,
  nodeAddresses: addresses,
  version: word,
  /** Wall clock at which its process began. */
  startedAtMs: z.number(),
  /** The probes it is able to make. */
  probes: z.array(word).max(64).readonly(),
})

export type Greeting = z.output<typeof greeting>

/** `malformed`: something answered that is no agent, or one that speaks otherwise. */
export type GreetingAnswer = Greeting | 'malformed' | 'silent'

const timeoutMs = 3_500
const keepBytes = 16_384

/** Who says something to a peer, so that it knows whom to believe. */
export type Caller = Pick<Self, 'name' | 'namespace'> & { readonly startedAtMs: number }

/** Asks the agent behind a responder who it is. */
export async function askGreeting(prober: Prober, base: string, caller: Caller): Promise<GreetingAnswer> {
  const result = await prober.probe('http', urlOf(base, greetingPath, caller), { timeoutMs, keepBytes })
  if (!result.ok) return 'silent'
  return greeting.safeParse(parseJson(result.detail.body ?? '')).data ?? 'malformed'
}

/** Where a peer's responder is: by an address of a family this agent has, if there is one. */
export function baseOf({ proxy, addresses, port }: Peer, own: Pick<Self, 'addresses'>): string | undefined {
  if (proxy !== undefined) return proxy
  const families = new Set(own.addresses.map(familyOf))
  const address = addresses.find((candidate) => families.has(familyOf(candidate))) ?? addresses[0]
  return address === undefined ? undefined : `http://${formatHostPort(address, port)}`
}

/** `base` and `path`, with who calls. */
export function urlOf(base: string, path: string, { name, namespace, startedAtMs }: Caller): string {
  const query = new URLSearchParams({
    name,
    ...(namespace === undefined ? {} : { namespace }),
    startedAtMs: String(startedAtMs),
  })
  return `${base}${path}?${query.toString()}`
}

/**
 * The peer that made this request, and when its process began. Only its own address may speak for it; among peers of one host, which
 * call from whichever loopback address the host chooses, any of those.
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
      // A list need not know namespaces.
      (namespace === undefined || namespace === searchParams.get('namespace')) &&
      (addresses.includes(from) || (isLoopback(from) && addresses.some(isLoopback))),
  )
  return peer === undefined ? undefined : { peer, startedAtMs }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // told as malformed
  }
}
