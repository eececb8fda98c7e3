import type { Knowledge } from '../../src/peers/knowledge.ts'
import type { Peer } from '../../src/peers/peer.ts'

/** Returns a ready peer of that name. */
export function peer(name: string, more: Partial<Peer> = {}): Peer {
  return {
    id: `uid-of-${name}`,
    name,
    node: `node-of-${name}`,
    addresses: ['10.0.0.1'],
    port: 8081,
    state: 'ready',
    ...more,
  }
}

export function knowledge(peers: readonly Peer[], more: Partial<Knowledge> = {}): Knowledge {
  return { peers, source: 'a test', heardAtMs: Date.now(), ...more }
}
