import { rankedWatchers, type Self, type Sight, watchersOf } from '@scout/core'
import { type Caller, queryOf } from '../peers/greeting.ts'
import { directUrl } from '../peers/reach.ts'
import type { KnownPeer } from '../peers/roster.ts'
import { signatureOf } from '../peers/signature.ts'
import { type Answer, parseAnswer, type ShownIncident } from './answer.ts'
import { evidencePath, type Message, mostFacts, signedText } from './message.ts'
import type { PostAnswer } from './post.ts'
import { baseOf, factsToSend, isOutdated, type NumberedBase, type Report } from './report.ts'

/** Sends what this agent's row shows to the watchers of the mesh. */
export interface Gather {
  /** Sends a message to each watcher, and announces the next one. Resolves when each has answered, or failed to. */
  send(report: Report, nextMs: number): Promise<void>
  /** Returns the watchers that this agent can reach, by rank; it may be one of them. */
  watchers(): readonly string[]
  /** Returns what the watchers that answer hold, by rank; undefined while the first answer of one before this agent is awaited. */
  sights(own: Sight): readonly Sight[] | undefined
  /** Returns the incidents that the watcher which speaks has published, with its node. */
  published(): Published | undefined
  /** Returns the incidents of the first watcher that answered, whether it speaks or not: for one that begins to speak without a past. */
  inherited(): readonly ShownIncident[]
  readonly sent: Readonly<{ direct: number; relayed: number; failed: number }>
}

export interface Published {
  readonly by: string
  readonly version: string | undefined
  readonly changes: string | undefined
  readonly incidents: readonly ShownIncident[]
}

export interface GatherOptions {
  readonly self: Self & Caller
  /** Secret shared by all agents; empty if there is none. */
  readonly key: string
  readonly zone: () => string | undefined
  readonly peers: () => Iterable<KnownPeer>
  readonly post: (url: string, body: string) => Promise<PostAnswer>
  readonly monotonicMs?: () => number
}

/** What this agent knows of one watcher. */
interface Contact {
  /** Base that it has. */
  baseId: number
  failures: number
  isSending: boolean
  triedMs: number
  /** Monotonic clock until which messages go by a relay first, and until which it is not asked at all. */
  relayUntilMs: number
  silentUntilMs: number
  answer?: { readonly atMs: number; readonly rows: number; readonly speaks: boolean } | undefined
  version?: string | undefined
  changes?: string | undefined
  incidents: readonly ShownIncident[]
}

/** Age from which a base is made again. */
const baseMs = 60_000
/** Shortest time between bases that only lack links, so that a rollout does not send one each round. */
const changeMs = 10_000
/** How long an old agent is left alone, how long a broken way is not tried first, and how often one that cannot be reached is tried. */
const oldMs = 60_000
const relayMs = 10_000
const retryMs = 10_000
/** Failures in sequence from which the next agent by rank takes the place of a watcher, for this agent. */
const mostFailures = 2
/** Age at which what a watcher last answered says nothing any more: three rounds. */
const answerMs = 6_500

export function createGather({
  self,
  key,
  zone,
  peers,
  post,
  monotonicMs = () => performance.now(),
}: GatherOptions): Gather {
  const contacts = new Map<string, Contact>()
  const sent = { direct: 0, relayed: 0, failed: 0 }
  let base: NumberedBase | undefined
  let sequence = 0

  const contactWith = (node: string): Contact => {
    const known = contacts.get(node) ?? {
      baseId: -1,
      failures: 0,
      isSending: false,
      triedMs: Number.NEGATIVE_INFINITY,
      relayUntilMs: 0,
      silentUntilMs: 0,
      incidents: [],
    }
    contacts.set(node, known)
    return known
  }

  /** Returns ready peers that can be sent to, one of each node. */
  const readyPeers = () => {
    const byNode = new Map<string, KnownPeer>()
    for (const peer of peers()) if (peer.state === 'ready' && peer.node !== self.node) byNode.set(peer.node, peer)
    for (const node of contacts.keys()) if (!byNode.has(node)) contacts.delete(node)
    return byNode
  }

  const candidatesOf = (ready: ReadonlyMap<string, KnownPeer>) =>
    rankedWatchers([
      { node: self.node, zone: zone() },
      ...[...ready.values()].map(({ node, zone }) => ({ node, zone })),
    ])

  /** Returns the watchers as all agents see them, and those that take the place of the ones that cannot be reached from here. */
  const chosen = (ready: ReadonlyMap<string, KnownPeer>) => {
    const ranked = candidatesOf(ready)
    const isReached = (node: string) => node === self.node || (contacts.get(node)?.failures ?? 0) < mostFailures
    return {
      usual: watchersOf(ranked).map(({ node }) => node),
      reached: watchersOf(ranked.filter(({ node }) => isReached(node))).map(({ node }) => node),
    }
  }

  const renewBase = (report: Report) => {
    const nowMs = monotonicMs()
    const why = base === undefined ? 'heals' : isOutdated(base, report)
    const ageMs = nowMs - (base?.atMs ?? 0)
    if (why === 'heals' || ageMs >= baseMs || (why === 'changes' && ageMs >= changeMs))
      base = baseOf(report, (base?.id ?? 0) + 1, nowMs)
    return base
  }

  const relayFor = (ready: ReadonlyMap<string, KnownPeer>, node: string) => {
    const others = [...ready.values()].filter(
      (peer) => peer.node !== node && (contacts.get(peer.node)?.failures ?? 0) === 0,
    )
    return others[Math.floor(Math.random() * others.length)]
  }

  const sendTo = async (peer: KnownPeer, body: string, relay: KnownPeer | undefined) => {
    const contact = contactWith(peer.node)
    const url = (to: KnownPeer, more: Record<string, string> = {}) => {
      const at = directUrl(to, self)
      const query = new URLSearchParams({ ...queryOf(self), signature: signatureOf(signedText(body), key), ...more })
      return at === undefined ? undefined : `${at}${evidencePath}?${query.toString()}`
    }
    const ways = [
      { kind: 'direct', url: url(peer) } as const,
      ...(relay === undefined ? [] : [{ kind: 'relayed', url: url(relay, { to: peer.node }) } as const]),
    ]
    if (contact.relayUntilMs > monotonicMs()) ways.reverse()
    for (const { kind, url } of ways) {
      const answer = url === undefined ? 'silent' : await post(url, body)
      if (kind === 'direct') contact.relayUntilMs = answer === 'silent' ? monotonicMs() + relayMs : 0
      if (answer === 'old' && kind === 'direct') {
        contact.silentUntilMs = monotonicMs() + oldMs
        contact.failures = mostFailures
        break
      }
      const read = typeof answer === 'string' ? undefined : parseAnswer(answer.text)
      if (read?.accepted !== true) continue
      sent[kind]++
      return read
    }
    sent.failed++
    return undefined
  }

  const takeAnswer = (contact: Contact, baseId: number, answer: Answer & { readonly accepted: true }) => {
    contact.failures = 0
    contact.baseId = answer.needsBase ? -1 : baseId
    contact.changes = answer.changes
    contact.answer = { atMs: monotonicMs(), rows: answer.rows, speaks: answer.speaks }
    if (answer.incidents !== undefined) {
      contact.incidents = answer.incidents
      contact.version = answer.version
    }
  }

  return {
    sent,
    watchers: () => chosen(readyPeers()).reached,
    async send(report, nextMs) {
      const ready = readyPeers()
      const { usual, reached } = chosen(ready)
      const present = renewBase(report)
      if (present === undefined) return
      const nowMs = monotonicMs()
      const facts = factsToSend(report)
      await Promise.all(
        [...new Set([...usual, ...reached])].map(async (node) => {
          const peer = ready.get(node)
          if (peer === undefined) return
          const contact = contactWith(node)
          const waitMs = reached.includes(node) ? 0 : retryMs
          if (contact.isSending || contact.silentUntilMs > nowMs || contact.triedMs + waitMs > nowMs) return
          contact.isSending = true
          contact.triedMs = nowMs
          const { name, zone: ownZone, isStarved, isOverlay } = report.node
          const message: Omit<Message, 'facts'> & { readonly facts: readonly unknown[] } = {
            from: { name: self.name, namespace: self.namespace, process: self.process, startedAtMs: self.startedAtMs },
            sequence: ++sequence,
            takenAtMs: Date.now(),
            nextMs,
            node: { name, zone: zone() ?? ownZone, isStarved, isOverlay },
            baseId: present.id,
            ...(contact.baseId === present.id ? {} : { base: present.base }),
            ...facts,
            collected: report.collected.map(({ from: _, ...one }) => one),
            arrivals: report.arrivals.map(({ at: _, asOfMs: __, ...one }) => one).slice(0, mostFacts),
            seen: contact.version,
          }
          const answer = await sendTo(peer, JSON.stringify(message), relayFor(ready, node))
          contact.isSending = false
          if (answer === undefined) {
            contact.failures++
            contact.answer = undefined
          } else takeAnswer(contact, present.id, answer)
        }),
      )
    },
    sights(own) {
      const found: Sight[] = []
      let isPastOwn = false
      for (const node of chosen(readyPeers()).reached) {
        if (node === self.node) {
          isPastOwn = true
          found.push(own)
          continue
        }
        const { answer, failures = 0 } = contacts.get(node) ?? {}
        if (answer === undefined && failures === 0 && !isPastOwn) return undefined
        if (answer !== undefined && monotonicMs() - answer.atMs < answerMs) found.push({ node, rows: answer.rows })
      }
      return found
    },
    inherited() {
      const answered = chosen(readyPeers()).reached.find((node) => contacts.get(node)?.answer !== undefined)
      return answered === undefined ? [] : (contacts.get(answered)?.incidents ?? [])
    },
    published() {
      for (const by of chosen(readyPeers()).reached) {
        const contact = contacts.get(by)
        if (contact?.answer?.speaks === true)
          return { by, version: contact.version, changes: contact.changes, incidents: contact.incidents }
      }
      return undefined
    },
  }
}
