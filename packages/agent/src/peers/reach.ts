import { isIP } from 'node:net'
import {
  bracketed,
  type Family,
  familyOf,
  formatHostPort,
  type Path,
  type Place,
  placeAt,
  usableAddressOf,
} from '@scout/core'
import type { Peer } from './peer.ts'

/*
 * The only place that decides how a peer is reached: at the addresses of its pod, at those of its node, or, from outside a cluster, through
 * the proxy of an API server.
 */

/** One way to reach a peer with a check. */
export interface Way {
  /** Path that it takes; differs from the check's if a proxy stands in for the pod. */
  readonly path: Path
  /** Absent if a proxy chooses it. */
  readonly family?: Family | undefined
  readonly place: Place
}

type ReachablePeer = Peer & { readonly greeting?: { readonly nodeAddresses: readonly string[] } | undefined }

/** Returns the ways to reach a peer on the path of a check. */
export function waysTo(peer: ReachablePeer, path: Path): readonly Way[] {
  const { name, node, addresses, port, proxy, greeting } = peer
  if (proxy !== undefined) return path === 'pod' ? [{ path: 'api-proxy', place: { base: proxy, name, node } }] : []
  const wayAt = (address: string, place: Place) => ({
    path,
    family: familyOf(address),
    place: { ...place, name, node },
  })
  // The responder listens in the pod's network namespace; no port of the node is known.
  if (path === 'node')
    return usable(greeting?.nodeAddresses).map((address) => wayAt(address, { host: bracketed(address) }))
  return usable(addresses).map((address) => wayAt(address, placeAt(address, port)))
}

/** Leaves out what is no address of one host: a single such target would invalidate the whole plan. */
function usable(addresses: readonly string[] = []): readonly string[] {
  return [...new Set(addresses.flatMap((text) => usableAddressOf(text)?.address ?? []))]
}

/** Returns the base URL of the peer's responder, preferably in an address family of this agent. */
export function baseUrl(peer: Peer, own: { readonly addresses: readonly string[] }): string | undefined {
  return peer.proxy ?? directUrl(peer, own)
}

/** Returns the base URL for requests that arrive from our own address, which identifies us to the peer; undefined through a proxy. */
export function directUrl(peer: Peer, own: { readonly addresses: readonly string[] }): string | undefined {
  if (peer.proxy !== undefined) return undefined
  const families = new Set(own.addresses.map(familyOf))
  const address = peer.addresses.find((candidate) => families.has(familyOf(candidate))) ?? peer.addresses[0]
  return address === undefined ? undefined : `http://${formatHostPort(address, peer.port)}`
}

/** Returns a text that changes whenever the address of the peer's responder does. */
export function reachOf({ addresses, port, proxy }: Peer): string {
  return [...addresses, port, proxy].join(' ')
}

/** Returns why no check is planned for a peer. */
export function obstacleTo(peer: Peer, families: ReadonlySet<Family>): string {
  return peer.proxy !== undefined || peer.addresses.some((address) => families.has(familyOf(address)))
    ? 'no check targets it'
    : 'it shares no address family with this agent'
}

/** Returns whether the address never leaves this host. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}
