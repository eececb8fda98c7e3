import { Resolver } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Family, familyOf, messageOf, ScoutError } from '@scout/core'
import { clusterDomain } from '../config/host.ts'
import { inOrder } from '../kubernetes/slices.ts'
import type { Greeting } from '../peers/greeting.ts'
import type { Discovery } from '../peers/knowledge.ts'
import type { Peer } from '../peers/peer.ts'

export interface DnsDiscoveryOptions {
  readonly name: string
  readonly port: number
  readonly pollMs: number
  readonly resolve: (name: string) => Promise<Resolved>
  readonly isOwn: (address: string) => boolean
  /** Requests the identity of the agent at this address; undefined without an answer. */
  readonly ask: (address: string) => Promise<Greeting | undefined>
  readonly onDefect: (error: unknown) => void
  readonly startingMostMs?: number
}

/** The addresses of a name, and the families whose addresses are unknown, each with the reason. */
export interface Resolved {
  readonly addresses: readonly string[]
  readonly broken: readonly { readonly family: Family; readonly reason: string }[]
}

/** One address of the name. Times are monotonic. */
interface Place {
  readonly sinceMs: number
  /** Last answer of the agent at this address; kept when later requests fail. */
  greeting?: Greeting
  /** When it first answered with this name. */
  namedAtMs?: number
  askedAtMs: number
  isAsked: boolean
}

type Claimant = readonly [address: string, GreetedPlace]

type GreetedPlace = Place & Required<Pick<Place, 'greeting' | 'namedAtMs'>>

/** How long a pod may take to start. An address that never answered counts as ready from then on, so that it can fail. */
const usualStartingMostMs = 600_000

/** Rounds until every known agent has been greeted again, because its address may belong to another pod by then. */
const roundsOfAsking = 12

/**
 * Finds peers by resolving one name, without an API server. DNS returns only addresses, ready or not; so an address is `starting` until its
 * agent has answered. Addresses that list each other in their answers are one peer. Any pod behind the name may claim to be another: the
 * first to claim a name has it (of several at once the one with the first address), later ones are known by their address, and the conflict
 * is reported.
 */
export function createDnsDiscovery(options: DnsDiscoveryOptions): Discovery {
  const { name, port, pollMs, resolve, isOwn, ask, onDefect, startingMostMs = usualStartingMostMs } = options
  const stopping = new AbortController()
  const source = `the name ${name}`
  return {
    async start(onKnowledge) {
      const places = new Map<string, Place>()
      let heardAtMs = 0
      let trouble: string | undefined

      const report = () => {
        const { peers, conflict } = peersOf(places, { port, startingMostMs })
        const troubles = [trouble, conflict].filter((text) => text !== undefined)
        onKnowledge({ peers, source, heardAtMs, trouble: troubles.length === 0 ? undefined : troubles.join('; ') })
      }

      const look = async () => {
        const { addresses, broken } = await resolve(name)
        const found = addresses.filter((address) => !isOwn(address))
        if (stopping.signal.aborted) return
        heardAtMs = Date.now()
        trouble =
          broken.length === 0 ? undefined : `cannot resolve ${name}: ${broken.map(({ reason }) => reason).join('; ')}`
        // What is known of a broken family stays: its absence from the answer proves nothing.
        const isUnknown = (address: string) => broken.some(({ family }) => family === familyOf(address))
        for (const address of places.keys()) if (!found.includes(address) && !isUnknown(address)) places.delete(address)
        const sinceMs = performance.now()
        for (const address of found)
          if (!places.has(address)) places.set(address, { sinceMs, askedAtMs: 0, isAsked: false })
        report()
        for (const [address, place] of dueIn(places)) askAt(address, place, sinceMs).catch(onDefect)
      }

      /** Runs without the round waiting for it, so that a silent agent does not delay the others. */
      const askAt = async (address: string, place: Place, roundMs: number) => {
        place.askedAtMs = roundMs
        place.isAsked = true
        const greeting = await ask(address).finally(() => {
          place.isAsked = false
        })
        if (greeting === undefined || places.get(address) !== place || stopping.signal.aborted) return
        const isSameName = place.greeting !== undefined && idOf(place.greeting) === idOf(greeting)
        if (!isSameName) place.namedAtMs = roundMs
        place.greeting = greeting
        report()
      }

      const troubleBehind = (error: unknown) => {
        if (error instanceof Error && 'code' in error) return `cannot resolve ${name}: ${error.message}`
        onDefect(error)
        return `a defect in scout interrupted the lookup of ${name}: ${String(error)}`
      }

      const poll = async () => {
        while (!stopping.signal.aborted) {
          try {
            await look()
          } catch (error) {
            if (stopping.signal.aborted) return
            trouble = troubleBehind(error)
            report()
          }
          await sleep(pollMs, undefined, { signal: stopping.signal }).catch(() => {}) // aborted: the loop ends by itself
        }
      }
      // Not caught on purpose: if even trouble cannot be reported, the process must end rather than look healthy.
      void poll()
    },
    stop: () => stopping.abort(),
  }
}

/** Returns every agent that has not answered yet, and the share of the others that were asked longest ago. */
function dueIn(places: ReadonlyMap<string, Place>): readonly (readonly [string, Place])[] {
  const idle = [...places].filter(([, { isAsked }]) => !isAsked)
  const known = idle.filter(([, { greeting }]) => greeting !== undefined)
  return [
    ...idle.filter(([, { greeting }]) => greeting === undefined),
    ...known.toSorted(([, a], [, b]) => a.askedAtMs - b.askedAtMs).slice(0, Math.ceil(known.length / roundsOfAsking)),
  ]
}

type PeersOptions = Required<Pick<DnsDiscoveryOptions, 'port' | 'startingMostMs'>>

interface FoundPeers {
  readonly peers: readonly Peer[]
  readonly conflict: string | undefined
}

function peersOf(places: ReadonlyMap<string, Place>, { port, startingMostMs }: PeersOptions): FoundPeers {
  const byAddress = (address: string, state: Peer['state']): Peer => ({
    id: address,
    name: address,
    node: address,
    addresses: [address],
    port,
    state,
  })
  const peers: Peer[] = []
  const conflicts: string[] = []
  const claims = new Map<string, Claimant[]>()
  for (const [address, place] of places) {
    if (isGreeted(place)) {
      const id = idOf(place.greeting)
      claims.set(id, [...(claims.get(id) ?? []), [address, place]])
    } else {
      peers.push(byAddress(address, performance.now() - place.sinceMs < startingMostMs ? 'starting' : 'ready'))
    }
  }
  for (const [id, claimants] of claims) {
    const [first, ...later] = claimants.toSorted(byClaim)
    if (first === undefined) continue
    const { name, namespace, node, zone } = first[1].greeting
    const same = later.filter((other) => isSamePod(first, other))
    const others = later.filter((other) => !same.includes(other)).map(([address]) => address)
    const addresses = inOrder([first, ...same].map(([address]) => address))
    peers.push({ id, name, namespace, node, zone, addresses, port, state: 'ready' })
    peers.push(...others.map((address) => byAddress(address, 'ready')))
    if (others.length > 0) conflicts.push(conflictOf({ name, namespace, addresses, others }))
  }
  const [conflict] = conflicts
  const more = conflicts.length > 1 ? ` (and ${conflicts.length - 1} more names)` : ''
  return { peers, conflict: conflict === undefined ? undefined : `${conflict}${more}` }
}

function isGreeted(place: Place): place is GreetedPlace {
  return place.greeting !== undefined && place.namedAtMs !== undefined
}

function idOf({ namespace, name }: Pick<Greeting, 'namespace' | 'name'>): string {
  return [namespace, name].join('/')
}

/** Orders claims by the rounds of asking that brought them, and those of one round by address, because answers arrive in any order. */
function byClaim([a, ofA]: Claimant, [b, ofB]: Claimant): number {
  return ofA.namedAtMs - ofB.namedAtMs || (a < b ? -1 : 1)
}

/** Whether each of two agents of one name says that it has the address of the other, too. */
function isSamePod([a, ofA]: Claimant, [b, ofB]: Claimant): boolean {
  return ofA.greeting.addresses.includes(b) && ofB.greeting.addresses.includes(a)
}

interface Conflict extends Pick<Peer, 'name' | 'namespace' | 'addresses'> {
  readonly others: readonly string[]
}

function conflictOf({ name, namespace, addresses, others }: Conflict): string {
  const where = namespace === undefined ? '' : ` in namespace ${namespace}`
  return `${others.join(', ')} and ${addresses.join(', ')} all claim to be ${name}${where}: the last stays ${name}, the others are known by their address; find them with kubectl get pods -A -o wide`
}

/**
 * Resolves a name to its addresses of both families (default: with the name servers of this host). Either family may have none, and one
 * may be broken while the other has addresses. Rejects if there is no address because a lookup failed.
 */
export async function resolveBoth(name: string, servers?: readonly string[]): Promise<Resolved> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  if (servers !== undefined) resolver.setServers(servers)
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  const addresses = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  const failed = (
    [
      ['ipv4', v4],
      ['ipv6', v6],
    ] as const
  ).flatMap(([family, answer]) =>
    answer.status === 'rejected' && !isWithoutData(answer.reason) ? [{ family, error: reasonOf(answer) }] : [],
  )
  if (addresses.length === 0 && failed[0] !== undefined) throw failed[0].error
  return { addresses, broken: failed.map(({ family, error }) => ({ family, reason: messageOf(error) })) }
}

function reasonOf({ reason }: PromiseRejectedResult): unknown {
  return reason
}

/** Whether the name exists but has no address of this family. */
function isWithoutData(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENODATA'
}

/**
 * Returns the DNS name of a headless Service; a name with a dot stays as it is.
 * @throws {ScoutError} `invalid-option` if the namespace is unknown.
 */
export function serviceName(service: string, namespace: string | undefined, resolvConf?: string): string {
  if (service.includes('.')) return service
  if (namespace === undefined) {
    throw new ScoutError('invalid-option', `the namespace of service ${service} is unknown: set it with --namespace`)
  }
  return `${service}.${namespace}.svc.${clusterDomain(resolvConf) ?? 'cluster.local'}`
}
