import { isIP } from 'node:net'
import { bracketed, type Family, familyOf, formatHostPort, type Path, type Place, placeAt } from '@scout/core'
import type { Peer } from './peer.ts'

/*
 * The one place that knows how a peer is reached: at the addresses of its pod, at those of its node, or, from outside a cluster, through
 * the proxy of an API server.
 */

/** One way to a peer, to aim a check along. */
export interface Way {
  /** The path it takes, which is not the check's where a proxy stands in for the pod. */
  readonly path: Path
  /** Absent where a proxy chooses it. */
  readonly family?: Family | undefined
  readonly place: Place
}

type ReachablePeer = Peer & { readonly greeting?: { readonly nodeAddresses: readonly string[] } | undefined }

/** Returns the ways to a peer along the path of a check. */
export function waysTo(peer: ReachablePeer, path: Path): readonly Way[] {
  const { name, node, addresses, port, proxy, greeting } = peer
  if (proxy !== undefined) return path === 'pod' ? [{ path: 'api-proxy', place: { base: proxy, name, node } }] : []
  const wayAt = (address: string, place: Place) => ({
    path,
    family: familyOf(address),
    place: { ...place, name, node },
  })
  // The responder listens in the network of the pod; no port of the node is known.
  if (path === 'node')
    return (greeting?.nodeAddresses ?? []).map((address) => wayAt(address, { host: bracketed(address) }))
  return addresses.map((address) => wayAt(address, placeAt(address, port)))
}

/** Returns where requests to the peer's responder begin: an address of a family this agent has, if there is one. */
export function baseUrl(peer: Peer, own: { readonly addresses: readonly string[] }): string | undefined {
  return peer.proxy ?? directUrl(peer, own)
}

/** Returns the base of requests that come from our own address, by which the peer can tell that they are ours; none through a proxy. */
export function directUrl(peer: Peer, own: { readonly addresses: readonly string[] }): string | undefined {
  if (peer.proxy !== undefined) return undefined
  const families = new Set(own.addresses.map(familyOf))
  const address = peer.addresses.find((candidate) => families.has(familyOf(candidate))) ?? peer.addresses[0]
  return address === undefined ? undefined : `http://${formatHostPort(address, peer.port)}`
}

/** Returns a text that changes with the way to the peer's responder. */
export function reachOf({ addresses, port, proxy }: Peer): string {
  return [...addresses, port, proxy].join(' ')
}

/** Returns why no check reaches a peer that none is planned for. */
export function obstacleTo(peer: Peer, families: ReadonlySet<Family>): string {
  return peer.proxy !== undefined || peer.addresses.some((address) => families.has(familyOf(address)))
    ? 'no check is about it'
    : 'it has no address of a family that this agent has an address of'
}

/** Returns whether the address never leaves this host. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}
