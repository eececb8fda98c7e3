import { isIPv6 } from 'node:net'
import type { Family, Protocol } from '@scout/core'
import type { Peer } from '../peers/peer.ts'

/** A probe with its options, aimed by a template. */
export interface Check {
  readonly name: string
  readonly protocol: Protocol
  /**
   * `{host}`, `{port}`, `{name}` and `{node}` stand for the peer's. A target that names none of them is not a peer's: it is probed
   * once an interval.
   */
  readonly target: string
  readonly options: Readonly<Record<string, unknown>>
}

const placeholder = /\{(host|port|name|node)\}/g

/** The check is made for each peer, not once. */
export function isAboutPeers(check: Check): boolean {
  return check.target.search(placeholder) >= 0
}

/** The check is made for each address of a peer, not once for its name. */
export function isAboutAddresses(check: Check): boolean {
  return check.target.includes('{host}')
}

export function targetAt(check: Check, peer: Peer, address: string): string {
  const values = {
    host: isIPv6(address) ? `[${address}]` : address,
    port: String(peer.port),
    name: peer.name,
    node: peer.node,
  }
  return check.target.replaceAll(placeholder, (_, key: keyof typeof values) => values[key])
}

/** The check of a peer that can only be reached through the API server's proxy; undefined for one that is not plain HTTP to it. */
export function targetThrough(check: Check, proxy: string): string | undefined {
  const responder = 'http://{host}:{port}'
  return check.protocol === 'http' && check.target.startsWith(responder)
    ? `${proxy}${check.target.slice(responder.length)}`
    : undefined
}

export function familyOf(address: string): Family {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}
