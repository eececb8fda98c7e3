import type { Greeting } from './greeting.ts'
import type { Knowledge } from './knowledge.ts'
import type { Peer } from './peer.ts'
import { reachOf } from './reach.ts'

/** A peer with the facts that this agent learned directly. */
export interface KnownPeer extends Peer {
  /** Wall clock of its last change of state. */
  readonly stateSinceMs: number
  /** Its answer to our greeting; absent until it has answered. */
  readonly greeting?: Greeting | undefined
}

export interface RosterChange {
  readonly joined: readonly KnownPeer[]
  readonly left: readonly KnownPeer[]
  /** Peers that stayed but changed their state or other facts. */
  readonly changed: readonly { readonly before: KnownPeer; readonly after: KnownPeer }[]
  /** Ids of peers that left or changed their state or address: attempts in flight no longer count. */
  readonly disturbed: readonly string[]
}

/** The current peers: those of discovery, except this agent, with the goodbyes and greetings they sent. */
export interface Roster {
  readonly peers: ReadonlyMap<string, KnownPeer>
  readonly knowledge: Omit<Knowledge, 'peers'>
  /** This agent as reported by discovery; undefined if it is not among the peers. */
  readonly own: Peer | undefined
  update(knowledge: Knowledge): void
  /** Records the goodbye of a peer, from its process that started at `startedAtMs`. */
  goodbye(peer: Peer, startedAtMs: number): void
  /** Records that a peer's process is alive: the goodbye of a process that started earlier no longer holds. */
  hello(peer: Peer, startedAtMs: number): void
  greeted(peer: Peer, greeting: Greeting): void
}

interface RosterOptions {
  readonly isSelf: (peer: Peer) => boolean
  readonly onChange: (change: RosterChange) => void
}

/**
 * A goodbye may arrive before or after discovery reports that the peer is leaving. It holds until the peer is gone, discovery has reported
 * it not ready and then ready again (its container was restarted in place), the peer greets us again, or discovery reports it ready for
 * another minute. A silent source does not count: while the API server is down, a peer that said goodbye is still leaving.
 */
const goodbyeLastsMs = 60_000

interface Goodbye {
  /** Start of the process that sent it; processes of one pod share its identity. */
  readonly startedAtMs: number
  readonly saidAtMs: number
  /** Time of the source's first report after it. */
  readonly heardAtMs?: number | undefined
  /** Discovery has reported the peer as not ready since. */
  readonly isConfirmed: boolean
}

export function createRoster({ isSelf, onChange }: RosterOptions): Roster {
  let peers: ReadonlyMap<string, KnownPeer> = new Map()
  let knowledge: Knowledge = { peers: [], source: 'nothing yet', heardAtMs: 0 }
  let own: Peer | undefined
  const goodbyes = new Map<string, Goodbye>()
  const greetings = new Map<string, Greeting>()

  const refresh = () => {
    const nowMs = Date.now()
    const next = new Map<string, KnownPeer>()
    for (const found of knowledge.peers) {
      if (isSelf(found)) continue
      const state = goodbyes.has(found.id) ? 'leaving' : found.state
      const before = peers.get(found.id)
      const stateSinceMs = before?.state === state ? before.stateSinceMs : nowMs
      next.set(found.id, { ...found, state, stateSinceMs, greeting: greetings.get(found.id) })
    }
    const joined = [...next.values()].filter(({ id }) => !peers.has(id))
    const left = [...peers.values()].filter(({ id }) => !next.has(id))
    const changed = [...next.values()].flatMap((after) => {
      const before = peers.get(after.id)
      return before === undefined || isSame(before, after) ? [] : [{ before, after }]
    })
    peers = next
    for (const { id } of left) {
      goodbyes.delete(id)
      greetings.delete(id)
    }
    if (joined.length + left.length + changed.length === 0) return
    const others = changed.filter(({ before, after }) => !isSameTarget(before, after)).map(({ after }) => after)
    onChange({ joined, left, changed, disturbed: [...left, ...others].map(({ id }) => id) })
  }

  return {
    get peers() {
      return peers
    },
    get knowledge() {
      const { peers: _peers, ...rest } = knowledge
      return rest
    },
    get own() {
      return own
    },
    update(news) {
      knowledge = news
      own = news.peers.find(isSelf)
      for (const { id, state } of news.peers) {
        const before = goodbyes.get(id)
        const after = before === undefined ? undefined : goodbyeAfter(before, state, news.heardAtMs)
        if (after === undefined) goodbyes.delete(id)
        else goodbyes.set(id, after)
      }
      refresh()
    },
    goodbye({ id }, startedAtMs) {
      goodbyes.set(id, { startedAtMs, saidAtMs: Date.now(), isConfirmed: false })
      refresh()
    },
    hello({ id }, startedAtMs) {
      const before = goodbyes.get(id)
      if (before === undefined || startedAtMs <= before.startedAtMs) return
      goodbyes.delete(id)
      refresh()
    },
    greeted({ id }, greeting) {
      if (!peers.has(id)) return
      greetings.set(id, greeting)
      refresh()
    },
  }
}

/** Returns the goodbye, updated for the state that discovery reports; undefined once it no longer holds. */
function goodbyeAfter(before: Goodbye, state: Peer['state'], newsAtMs: number | undefined): Goodbye | undefined {
  if (state !== 'ready') return { ...before, heardAtMs: undefined, isConfirmed: true }
  if (before.isConfirmed) return undefined
  if (newsAtMs === undefined || newsAtMs <= before.saidAtMs) return before
  const { heardAtMs = newsAtMs } = before
  return newsAtMs - heardAtMs < goodbyeLastsMs ? { ...before, heardAtMs } : undefined
}

function isSame(a: Peer, b: Peer): boolean {
  return isSameTarget(a, b) && a.node === b.node && a.zone === b.zone
}

function isSameTarget(a: Peer, b: Peer): boolean {
  return a.state === b.state && reachOf(a) === reachOf(b)
}
