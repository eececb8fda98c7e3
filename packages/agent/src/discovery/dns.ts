import { Resolver } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { ScoutError } from '@scout/core'
import { clusterDomain } from '../config/host.ts'
import { inOrder } from '../kubernetes/slices.ts'
import type { Greeting } from '../peers/greeting.ts'
import type { Discovery } from '../peers/knowledge.ts'
import type { Peer } from '../peers/peer.ts'

export interface DnsDiscoveryOptions {
  readonly name: string
  readonly port: number
  readonly pollMs: number
  readonly resolve: (name: string) => Promise<readonly string[]>
  readonly isOwn: (address: string) => boolean
  /** Requests the identity of the agent at this address; undefined without an answer. */
  readonly ask: (address: string) => Promise<Greeting | undefined>
  readonly onDefect: (error: unknown) => void
}

/** One address of the name. */
interface Place {
  /** Last answer of the agent at this address; kept when later requests fail. */
  greeting?: Greeting
  askedAtMs: number
  isAsked: boolean
}

/** Rounds until every known agent has been greeted again, because its address may belong to another pod by then. */
const roundsOfAsking = 12

/**
 * Finds peers by resolving one name, without an API server. DNS returns only addresses, ready or not; so an address is `starting` until its
 * agent has answered, and addresses with the same answer are one peer.
 */
export function createDnsDiscovery(options: DnsDiscoveryOptions): Discovery {
  const { name, port, pollMs, resolve, isOwn, ask, onDefect } = options
  const stopping = new AbortController()
  const source = `the name ${name}`
  return {
    async start(onKnowledge) {
      const places = new Map<string, Place>()
      let heardAtMs = 0
      let trouble: string | undefined

      const report = () => onKnowledge({ peers: peersOf(places, port), source, heardAtMs, trouble })

      const look = async () => {
        const found = (await resolve(name)).filter((address) => !isOwn(address))
        if (stopping.signal.aborted) return
        heardAtMs = Date.now()
        trouble = undefined
        for (const address of places.keys()) if (!found.includes(address)) places.delete(address)
        for (const address of found) if (!places.has(address)) places.set(address, { askedAtMs: 0, isAsked: false })
        report()
        for (const [address, place] of dueIn(places)) askAt(address, place).catch(onDefect)
      }

      /** Runs without the round waiting for it, so that a silent agent does not delay the others. */
      const askAt = async (address: string, place: Place) => {
        place.askedAtMs = performance.now()
        place.isAsked = true
        const greeting = await ask(address).finally(() => {
          place.isAsked = false
        })
        if (greeting === undefined || places.get(address) !== place || stopping.signal.aborted) return
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

function peersOf(places: ReadonlyMap<string, Place>, port: number): readonly Peer[] {
  const peers = new Map<string, Peer>()
  for (const [address, { greeting }] of places) {
    if (greeting === undefined) {
      peers.set(address, { id: address, name: address, node: address, addresses: [address], port, state: 'starting' })
      continue
    }
    const { name, namespace, node, zone } = greeting
    const id = [namespace, name].join('/')
    const addresses = inOrder([...(peers.get(id)?.addresses ?? []), address])
    peers.set(id, { id, name, namespace, node, zone, addresses, port, state: 'ready' })
  }
  return [...peers.values()]
}

/** Resolves a name to its addresses of both families (default: with the name servers of this host). Either family may have none. */
export async function resolveBoth(name: string, servers?: readonly string[]): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  if (servers !== undefined) resolver.setServers(servers)
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  const failed = [v4, v6].find((answer) => answer.status === 'rejected' && !isWithoutData(answer.reason))
  if (failed?.status === 'rejected') throw failed.reason
  return [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
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
