import { nowNs } from '@scout/core'
import { describe, expect, test } from 'vitest'
import { arrivalsOf } from '../../src/memory/arrivals.ts'
import type { KnownPeer } from '../../src/peers/roster.ts'

const takenAtMs = Date.UTC(2026, 0, 2)
const self = { addresses: ['10.0.0.1'] }

function peer(number: number, addresses: readonly string[], changes: Partial<KnownPeer> = {}): KnownPeer {
  const name = `scout-${number}`
  const stateSinceMs = takenAtMs - 60_000
  return { id: name, name, node: `node-${number}`, addresses, port: 8081, state: 'ready', stateSinceMs, ...changes }
}

/** Returns what is known, with the seconds since then. */
function knownOf(peers: readonly KnownPeer[], secondsAgo: Readonly<Record<string, number>>) {
  const now = nowNs()
  const arrivals = new Map(Object.entries(secondsAgo).map(([address, seconds]) => [address, now - seconds * 1e9]))
  return arrivalsOf(arrivals, { takenAtMs, self, peers }).map(
    ({ from, family, atMs }) => `${from} ${family} ${Math.round((takenAtMs - atMs) / 1_000)} s`,
  )
}

describe('what arrives', () => {
  test('from the pods of a node is of that node, the last of each family', () => {
    const peers = [peer(2, ['10.0.0.2', 'fd00::2']), peer(3, ['10.0.0.3']), peer(4, ['10.0.0.4'], { node: 'node-3' })]
    const secondsAgo = { '10.0.0.2': 2, 'fd00::2': 30, '10.0.0.3': 9, '10.0.0.4': 4 }
    expect(knownOf(peers, secondsAgo)).toEqual(['node-2 ipv4 2 s', 'node-2 ipv6 30 s', 'node-3 ipv4 4 s'])
  })

  test.each([
    { name: 'from nobody of the roster', peers: [peer(2, ['10.0.0.2'])], from: '192.168.0.2' },
    {
      name: 'from an address of several peers',
      peers: [peer(2, ['10.0.0.9']), peer(3, ['10.0.0.9'])],
      from: '10.0.0.9',
    },
    { name: 'from an address that this agent has, too', peers: [peer(2, ['10.0.0.1'])], from: '10.0.0.1' },
    { name: 'from a peer that is leaving', peers: [peer(2, ['10.0.0.2'], { state: 'leaving' })], from: '10.0.0.2' },
    {
      name: 'before the pod was ready that has the address now',
      peers: [peer(2, ['10.0.0.2'], { stateSinceMs: takenAtMs - 1_000 })],
      from: '10.0.0.2',
    },
  ])('$name is of no node', ({ peers, from }) => {
    expect(knownOf(peers, { [from]: 2 })).toEqual([])
  })
})
