import { createGoodbyes, type GoodbyeSpans } from './goodbyes.ts'
import { type Greeting, processOf } from './greeting.ts'
import type { Knowledge } from './knowledge.ts'
import type { Peer, PeerState } from './peer.ts'
import { reachOf } from './reach.ts'

/** A peer with the facts that this agent learned directly. */
export interface KnownPeer extends Peer {
  /** Wall clock of its last change of state. */
  readonly stateSinceMs: number
  /** Its answer to our greeting; absent until it has answered. */
  readonly greeting?: Greeting | undefined
  /** It is starting only because nobody has accepted a connection there yet. */
  readonly isAwaited?: boolean | undefined
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
  readonly knowledge: Omit<Knowledge, 'peers' | 'dnsPods'>
  /** This agent as reported by discovery; undefined if it is not among the peers. */
  readonly own: Peer | undefined
  update(knowledge: Knowledge): void
  /** Records the goodbye of a peer's process. That of another process than the last one that greeted is late, and ignored. */
  goodbye(peer: Peer, process: string): void
  /** Records that a peer's process is alive: the goodbye of another one no longer holds. */
  hello(peer: Peer, process: string): void
  /** Records that a peer accepts connections, and its greeting. */
  met(peer: Peer, greeting: Greeting | undefined): void
  /** Ends what it waits for. */
  stop(): void
}

export interface RosterOptions {
  readonly isSelf: (peer: Peer) => boolean
  readonly onChange: (change: RosterChange) => void
  readonly spans?: Partial<GoodbyeSpans & AwaitingSpan> | undefined
}

interface AwaitingSpan {
  /**
   * How long a peer may take to accept its first connection. Agents that start together listen before that; for one that never does, the
   * failures count from then on.
   */
  readonly awaitedMs: number
}

const usualAwaitedMs = 30_000

/** What this agent learned from a peer itself. */
interface Contact {
  greeting?: Greeting | undefined
  /** Its last process that sent a greeting. */
  process?: string
  /** It is not waited for any longer: it has accepted a connection, or the time for that has passed. */
  isMet: boolean
  timer?: NodeJS.Timeout
}

export function createRoster({ isSelf, onChange, spans }: RosterOptions): Roster {
  const awaitedMs = spans?.awaitedMs ?? usualAwaitedMs
  let peers = new Map<string, KnownPeer>()
  let knowledge: Knowledge = { peers: [], source: 'nothing yet', heardAtMs: 0 }
  let own: Peer | undefined
  /** The peers of discovery, except this agent, by id. */
  let others: ReadonlyMap<string, Peer> = new Map()
  const contacts = new Map<string, Contact>()
  const goodbyes = createGoodbyes({ onEnd: () => refresh(), spans })

  const contactWith = ({ id, isAssumed }: Peer): Contact => {
    const known = contacts.get(id)
    if (known !== undefined) return known
    const contact: Contact = { isMet: isAssumed !== true }
    contacts.set(id, contact)
    if (!contact.isMet) contact.timer = setTimeout(() => meet(id, contact), awaitedMs)
    return contact
  }

  const meet = (id: string, contact: Contact) => {
    clearTimeout(contact.timer)
    contact.isMet = true
    refreshOne(id)
  }

  /** Does what `refresh` does, for one peer: hundreds are met one after the other. */
  const refreshOne = (id: string) => {
    const found = others.get(id)
    const before = peers.get(id)
    if (found === undefined || before === undefined) return
    const after = knownPeerOf(found, Date.now())
    peers.set(id, after)
    if (isSame(before, after)) return
    const disturbed = isSameTarget(before, after) ? [] : [id]
    onChange({ joined: [], left: [], changed: [{ before, after }], disturbed })
  }

  const knownPeerOf = (found: Peer, nowMs: number): KnownPeer => {
    const { greeting, isMet } = contactWith(found)
    const isAwaited = !isMet && !goodbyes.has(found.id)
    const state: PeerState = goodbyes.has(found.id) ? 'leaving' : isAwaited ? 'starting' : found.state
    const before = peers.get(found.id)
    const stateSinceMs = before?.state === state ? before.stateSinceMs : nowMs
    return { ...found, zone: found.zone ?? greeting?.zone, state, stateSinceMs, greeting, isAwaited }
  }

  const refresh = () => {
    const nowMs = Date.now()
    const next = new Map<string, KnownPeer>()
    for (const found of others.values()) next.set(found.id, knownPeerOf(found, nowMs))
    const joined = [...next.values()].filter(({ id }) => !peers.has(id))
    const left = [...peers.values()].filter(({ id }) => !next.has(id))
    const changed = [...next.values()].flatMap((after) => {
      const before = peers.get(after.id)
      return before === undefined || isSame(before, after) ? [] : [{ before, after }]
    })
    peers = next
    for (const { id } of left) {
      goodbyes.drop(id)
      clearTimeout(contacts.get(id)?.timer)
      contacts.delete(id)
    }
    if (joined.length + left.length + changed.length === 0) return
    const moved = changed.filter(({ before, after }) => !isSameTarget(before, after)).map(({ after }) => after)
    onChange({ joined, left, changed, disturbed: [...left, ...moved].map(({ id }) => id) })
  }

  return {
    get peers() {
      return peers
    },
    get knowledge() {
      const { peers: _, dnsPods: __, ...rest } = knowledge
      return rest
    },
    get own() {
      return own
    },
    update(news) {
      const isHeard = news.heardAtMs !== knowledge.heardAtMs
      knowledge = news
      own = news.peers.find(isSelf)
      others = new Map(news.peers.filter((peer) => !isSelf(peer)).map((peer) => [peer.id, peer]))
      goodbyes.report(news.peers, isHeard)
      refresh()
    },
    goodbye({ id }, process) {
      const peer = peers.get(id)
      const greeted = contacts.get(id)?.process
      if (peer === undefined || (greeted !== undefined && greeted !== process)) return
      goodbyes.add(peer, process)
      refresh()
    },
    hello({ id }, process) {
      const contact = contacts.get(id)
      if (contact === undefined) return
      contact.process = process
      if (goodbyes.isOfOther(id, process)) {
        goodbyes.drop(id)
        refresh()
      }
    },
    met({ id }, greeting) {
      const contact = contacts.get(id)
      if (contact === undefined) return
      if (greeting !== undefined) {
        contact.greeting = greeting
        contact.process = processOf(greeting)
        if (goodbyes.isOfOther(id, contact.process)) goodbyes.drop(id)
      }
      meet(id, contact)
    },
    stop() {
      goodbyes.stop()
      for (const { timer } of contacts.values()) clearTimeout(timer)
    },
  }
}

function isSame(a: Peer, b: Peer): boolean {
  return isSameTarget(a, b) && a.node === b.node && a.zone === b.zone
}

function isSameTarget(a: Peer, b: Peer): boolean {
  return a.state === b.state && reachOf(a) === reachOf(b)
}
