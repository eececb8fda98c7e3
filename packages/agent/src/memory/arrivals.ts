import { type Arrivals, familyOf, nowNs, type Row } from '@scout/core'
import type { KnownPeer } from '../peers/roster.ts'

interface Known {
  readonly takenAtMs: number
  readonly self: { readonly addresses: readonly string[] }
  readonly peers: Iterable<KnownPeer>
}

/**
 * Returns when something last arrived from the pods of each node. Only their own addresses count, and only since the pod is ready: before, the
 * address may have been that of another. What has the address of a node, because that masquerades it, or one that several pods have, is left
 * out. However many addresses requests come from, the row has no more entries than there are nodes and families.
 */
export function arrivalsOf(arrivals: Arrivals = new Map(), { takenAtMs, self, peers }: Known): Row['arrivals'] {
  const owners = new Map<string, KnownPeer | undefined>(self.addresses.map((address) => [address, undefined]))
  for (const peer of peers)
    for (const address of peer.addresses) owners.set(address, owners.has(address) ? undefined : peer)
  const now = nowNs()
  const latest = new Map<string, Row['arrivals'][number]>()
  for (const [address, peer] of owners) {
    const atNs = arrivals.get(address)
    if (peer?.state !== 'ready' || atNs === undefined) continue
    const atMs = takenAtMs - (now - atNs) / 1e6
    if (atMs < peer.stateSinceMs) continue
    const arrival = { from: peer.node, family: familyOf(address), atMs }
    const id = `${arrival.family} ${arrival.from}`
    if (atMs > (latest.get(id)?.atMs ?? 0)) latest.set(id, arrival)
  }
  return [...latest.values()]
}
