import type { Knowledge } from './discovery/discovery.ts'
import type { Peer } from './peer.ts'

export interface RosterChange {
  readonly joined: readonly Peer[]
  readonly left: readonly Peer[]
  /** Same peer, another state or other facts. */
  readonly changed: readonly { readonly before: Peer; readonly after: Peer }[]
}

/** The peers that are there now: what discovery knows, less ourselves, with the goodbyes that were heard. */
export interface Roster {
  readonly peers: ReadonlyMap<string, Peer>
  readonly knowledge: Omit<Knowledge, 'peers'>
  update(knowledge: Knowledge): void
  /** This peer said that it is about to stop. */
  goodbye(peer: Peer): void
}

interface RosterOptions {
  readonly isSelf: (peer: Peer) => boolean
  readonly onChange: (change: RosterChange) => void
}

export function createRoster({ isSelf, onChange }: RosterOptions): Roster {
  let peers: ReadonlyMap<string, Peer> = new Map()
  let knowledge: Omit<Knowledge, 'peers'> = { source: 'nothing yet', heardAtMs: 0 }
  /** Ids of peers that said goodbye; a successor has another id. */
  const goodbyes = new Set<string>()

  const replace = (found: readonly Peer[]) => {
    const next = new Map(found.filter((peer) => !isSelf(peer)).map((peer) => [peer.id, withGoodbye(peer)]))
    const joined = [...next.values()].filter(({ id }) => !peers.has(id))
    const left = [...peers.values()].filter(({ id }) => !next.has(id))
    const changed = [...next.values()].flatMap((after) => {
      const before = peers.get(after.id)
      return before === undefined || isSame(before, after) ? [] : [{ before, after }]
    })
    peers = next
    for (const { id } of left) goodbyes.delete(id)
    if (joined.length + left.length + changed.length > 0) onChange({ joined, left, changed })
  }

  const withGoodbye = (peer: Peer): Peer => (goodbyes.has(peer.id) ? { ...peer, state: 'leaving' } : peer)

  return {
    get peers() {
      return peers
    },
    get knowledge() {
      return knowledge
    },
    update({ peers: found, ...rest }) {
      knowledge = rest
      replace(found)
    },
    goodbye({ id }) {
      goodbyes.add(id)
      replace([...peers.values()])
    },
  }
}

function isSame(a: Peer, b: Peer): boolean {
  return (
    a.state === b.state &&
    a.node === b.node &&
    a.zone === b.zone &&
    a.port === b.port &&
    a.addresses.join() === b.addresses.join()
  )
}
