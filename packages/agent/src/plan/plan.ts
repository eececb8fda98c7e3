import type { Family } from '@scout/core'
import type { SeriesKey } from '../memory/ledger.ts'
import type { KnownPeer } from '../peers/roster.ts'
import { type Check, familyOf, isAboutAddresses, isAboutPeers, targetAt, targetThrough } from './check.ts'

/** Every series there should be: each check on each address of a family both sides have, or once where it is not about addresses. */
export function planSeries(
  checks: readonly Check[],
  peers: Iterable<KnownPeer>,
  families: ReadonlySet<Family>,
): ReadonlyMap<string, SeriesKey> {
  const everyPeer = [...peers]
  return new Map(
    checks.flatMap((check) =>
      isAboutPeers(check)
        ? everyPeer.flatMap((peer) => seriesOf(check, peer, families))
        : [[check.name, { check, target: check.target }] as const],
    ),
  )
}

function seriesOf(
  check: Check,
  peer: KnownPeer,
  families: ReadonlySet<Family>,
): readonly (readonly [string, SeriesKey])[] {
  if (peer.proxy !== undefined) {
    const target = targetThrough(check, peer.proxy)
    return target === undefined ? [] : [[`${check.name} ${peer.proxy} ${peer.id}`, { check, peer, target }]]
  }
  const addresses = isAboutAddresses(check) ? peer.addresses : peer.addresses.slice(0, 1)
  return addresses.flatMap((address) => {
    const family = isAboutAddresses(check) ? familyOf(address) : undefined
    if (family !== undefined && !families.has(family)) return []
    return [[`${check.name} ${address} ${peer.id}`, { check, peer, target: targetAt(check, peer, address), family }]]
  })
}
