import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AnyResult,
  causes,
  type Fact,
  type Family,
  harmless,
  linksWithin,
  optionsOf,
  outcomeOf,
  type Prober,
  type ProofAttempt,
  type ProofName,
  printable,
  probeNamed,
  proofs,
  type Row,
  unexplained,
} from '@scout/core'
import { waysTo } from '../peers/reach.ts'
import type { KnownPeer } from '../peers/roster.ts'
import type { ShownIncident } from './answer.ts'
import { collects } from './collectors.ts'
import { mostCollected } from './message.ts'
import type { Report } from './report.ts'

/*
 * Evidence on demand. What other agents publish decides only that something is collected, and which of the proofs. The rest is this agent's
 * own: a link of its own fails, by its own row, to a peer that its own discovery lists as ready, and that peer alone is probed.
 */

/** Collects what proves an incident, once for each incident and proof. */
export interface Collection {
  /** What it has collected, the newest last. */
  readonly collected: Row['collected']
  /** Takes the incidents that are known of and what the own row shows. Begins to collect at most one proof. */
  consider(incidents: readonly ShownIncident[], report: Report): void
  /** Ends what is being collected. Nothing more is. */
  stop(): void
}

export interface CollectionOptions {
  readonly self: { readonly node: string }
  /** Secret shared by all agents, for probes of responders. */
  readonly key: string
  readonly families: ReadonlySet<Family>
  /** Most nodes that an agent probes. */
  readonly probedNodes: number
  readonly zone: () => string | undefined
  readonly peers: () => Iterable<KnownPeer>
  /** Returns the prober of the agent's pod; undefined until it is open, and where it has no thread of its own. */
  readonly prober: () => Pick<Prober, 'probe'> | undefined
  readonly onDefect: (error: unknown) => void
  readonly monotonicMs?: () => number
}

/** Proofs that one agent begins in a minute. It collects one at a time. */
const mostPerMinute = 6
const minuteMs = 60_000
/** Time for all attempts of a proof. */
const deadlineMs = 25_000
/** Age from which what was collected says nothing any more. Its incident is old news. */
const keptMs = 3_600_000
/** Time between rounds, so that not all packets meet the same moment. */
const pauseMs = 100
const mostDone = 1_000
const mostTextLength = 500

/** A proof that is due, and the link of this agent that it is about. */
interface Due {
  readonly id: string
  readonly incident: string
  readonly proof: ProofName
  readonly fact: Fact
  readonly peer: KnownPeer
  /** Address of its responder, alone and with the port. */
  readonly host: string
  readonly target: string
  readonly family: Family
}

export function createCollection(options: CollectionOptions): Collection {
  const {
    self,
    key,
    families,
    probedNodes,
    zone,
    peers,
    prober,
    onDefect,
    monotonicMs = () => performance.now(),
  } = options
  const ending = new AbortController()
  /** Incidents and proofs that have been begun, and when. */
  const done = new Map<string, number>()
  let collected: Row['collected'] = []
  let isCollecting = false

  const nodesNow = () => [
    { node: self.node, zone: zone() },
    ...[...peers()].flatMap(({ node, zone, state }) => (state === 'ready' ? [{ node, zone }] : [])),
  ]

  /** Returns where the responder of a peer is, in the family of a fact and of this agent. */
  const addressOf = (peer: KnownPeer, { family: wanted }: Fact) => {
    for (const { family, place } of waysTo(peer, 'pod')) {
      if (family === undefined || !families.has(family) || (wanted ?? family) !== family) continue
      const { host, port } = place
      if (host !== undefined && port !== undefined) return { family, host, target: `${host}:${port}` }
    }
    return undefined
  }

  /** Returns a failing fact about one of the own links within an incident, and the ready peer at its other end. */
  const affected = (incident: ShownIncident, report: Report) => {
    if (!report.facts.some(isOfPods)) return undefined
    const nodes = nodesNow()
    if (!collects(self.node, incident, { nodes, probedNodes })) return undefined
    const known = nodes.map(({ node: name, zone }) => ({ name, zone }))
    for (const { facts } of linksWithin(incident.scope, { facts: report.facts, nodes: known })) {
      const fact = facts.find(isOfPods)
      if (fact?.to.kind !== 'node') continue
      const peer = [...peers()].find(({ node, state }) => state === 'ready' && node === fact.to.name)
      const address = peer === undefined ? undefined : addressOf(peer, fact)
      if (peer !== undefined && address !== undefined) return { fact, peer, ...address }
    }
    return undefined
  }

  const nextDue = (incidents: readonly ShownIncident[], report: Report): Due | undefined => {
    for (const incident of incidents) {
      if (incident.state === 'closed') continue
      const proof = proofsOf(incident).find((name) => !done.has(doneId(incident, name)))
      const link = proof === undefined ? undefined : affected(incident, report)
      if (proof !== undefined && link !== undefined)
        return { id: doneId(incident, proof), incident: incident.id, proof, ...link }
    }
    return undefined
  }

  const collect = async (due: Due, { probe }: Pick<Prober, 'probe'>) => {
    const { incident, proof, fact, peer, family, host, target } = due
    const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(deadlineMs)])
    const { rounds, attempts, read } = proofs[proof]
    const attempt = async ({ protocol, options, isWithoutPort }: ProofAttempt): Promise<AnyResult> => {
      const isKeyed = Object.hasOwn(optionsOf(probeNamed(protocol)).shape, 'key')
      return probe(protocol, isWithoutPort === true ? host : target, {
        ...options,
        ...(isKeyed ? { key } : {}),
        family,
        signal,
      })
    }
    const results: AnyResult[] = []
    for (let round = 0; round < rounds && !signal.aborted; round++) {
      results.push(...(await Promise.all(attempts(fact.protocol).map(attempt))))
      if (round + 1 < rounds) await sleep(pauseMs, undefined, { ref: false })
    }
    const telling = results.filter(isTelling)
    const isStillReady = [...peers()].some(({ id, state }) => id === peer.id && state === 'ready')
    if (telling.length === 0 || ending.signal.aborted || !isStillReady) return
    const { says, shows, packets, values } = read(telling)
    const about = { incident, proof, to: peer.node, target, family }
    const said = printable(says).slice(0, mostTextLength)
    collected = [
      ...collected.slice(1 - mostCollected),
      { ...about, atMs: Date.now(), says: said, shows, packets, values },
    ]
  }

  return {
    get collected() {
      const oldestMs = Date.now() - keptMs
      return collected.filter(({ atMs }) => atMs > oldestMs)
    },
    consider(incidents, report) {
      const nowMs = monotonicMs()
      const recent = [...done.values()].filter((atMs) => nowMs - atMs < minuteMs).length
      const vantage = prober()
      if (isCollecting || ending.signal.aborted || vantage === undefined) return
      if (report.node.isStarved || recent >= mostPerMinute) return
      const due = nextDue(incidents, report)
      if (due === undefined) return
      done.set(due.id, nowMs)
      for (const id of [...done.keys()].slice(0, -mostDone)) done.delete(id)
      isCollecting = true
      collect(due, vantage)
        .catch((error: unknown) => {
          // The prober closes when the agent stops.
          if (!ending.signal.aborted) onDefect(error)
        })
        .finally(() => {
          isCollecting = false
        })
    },
    stop: () => ending.abort(),
  }
}

/** Whether it is a failure between pods. */
function isOfPods({ symptom, path }: Fact): boolean {
  return !harmless.has(symptom) && path === 'pod'
}

const named = new Map([...causes, unexplained].map(({ name, proofs = [] }) => [name, proofs]))

/** Returns the proofs of the cause that is named, then those of the causes that remain possible. */
function proofsOf({ cause, rivals }: ShownIncident): readonly ProofName[] {
  return [...new Set([cause, ...rivals.map((rival) => rival.cause)].flatMap((name) => named.get(name) ?? []))]
}

function doneId({ id }: ShownIncident, proof: ProofName): string {
  return JSON.stringify([id, proof])
}

/** Returns whether a result says something of the link: not what was cancelled, or what this process or host lacks the means for. */
function isTelling(result: AnyResult): boolean {
  const outcome = outcomeOf(result)
  return outcome === 'success' || outcome === 'failure'
}
