import {
  type Arrival,
  aspectIdOf,
  aspectOf,
  type Collected,
  type End,
  endIdOf,
  evidenceOf,
  type Fact,
  knownOf,
  type NodeEvidence,
  printable,
  type Row,
} from '@scout/core'
import { type Base, type Message, mostFactBytes, mostFacts, mostLinks, type SentFact } from './message.ts'

/** What an agent's row shows, by link. */
export interface Report {
  readonly node: NodeEvidence
  readonly facts: readonly Fact[]
  readonly collected: readonly Collected[]
  /** What arrives from nodes of which something does not pass. */
  readonly arrivals: readonly Arrival[]
  /** Facts of each link on which something does not pass. */
  readonly troubled: ReadonlyMap<string, readonly Fact[]>
  /** Facts of each of the others. */
  readonly healthy: ReadonlyMap<string, readonly Fact[]>
}

/** Returns what a row shows. */
export function reportOf(row: Row): Report {
  const {
    nodes,
    facts: all,
    collected = [],
    arrivals: allArrivals = [],
  } = evidenceOf([{ node: row.self.node, received: { row, receivedAtMs: row.takenAtMs } }], row.takenAtMs)
  // Nobody knows by itself that its clock is wrong: the watchers compare them.
  const facts = all.filter(({ to }) => to.kind !== 'node' || to.name !== row.self.node)
  const troubled = new Map<string, Fact[]>()
  const healthy = new Map<string, Fact[]>()
  const isTroubled = new Set(facts.flatMap((fact) => (fact.symptom === 'passes' ? [] : [endIdOf(fact.to)])))
  for (const fact of facts) {
    const id = endIdOf(fact.to)
    const links = isTroubled.has(id) ? troubled : healthy
    const known = links.get(id)
    if (known === undefined) links.set(id, [fact])
    else known.push(fact)
  }
  const [node = { name: row.self.node, hasRow: true, isStarved: false, problems: [] }] = nodes
  // Where all is well nobody asks for them, and messages stay short.
  const arrivals = allArrivals.filter(({ from }) => troubled.has(endIdOf({ kind: 'node', name: from })))
  return { node, facts, collected, arrivals, troubled, healthy }
}

/** A base with its number, and the aspects of each of its links, by which a change shows. */
export interface NumberedBase {
  readonly id: number
  readonly base: Base
  readonly atMs: number
  readonly aspects: ReadonlyMap<string, string>
}

/** Returns a base of the links that are healthy now. */
export function baseOf({ healthy }: Report, id: number, atMs: number): NumberedBase {
  const places = new Map<string, number>()
  const aspects: Base['aspects'][number][] = []
  const placeOf = (fact: Fact) => {
    const text = aspectIdOf(fact)
    const known = places.get(text)
    if (known !== undefined) return known
    places.set(text, aspects.length)
    return aspects.push(aspectOf(fact)) - 1
  }
  const links = [...healthy.values()].slice(0, mostLinks).flatMap((facts) => {
    const [first] = facts
    return first === undefined
      ? []
      : [
          {
            to: first.to,
            of: facts.map(placeOf),
            trials: facts.map(({ trials }) => trials),
            mediansNs: facts.map(({ medianNs = 0 }) => medianNs),
          },
        ]
  })
  return { id, atMs, base: { aspects, links }, aspects: aspectsOf(healthy) }
}

/** Returns whether a base no longer describes the links: one has become healthy that it lacks, or has other aspects, or is gone. */
export function isOutdated({ aspects }: NumberedBase, { healthy, troubled }: Report): 'heals' | 'changes' | undefined {
  const present = aspectsOf(healthy)
  for (const [id, ofLink] of present) if (aspects.get(id) !== ofLink) return 'heals'
  for (const id of aspects.keys()) if (!present.has(id) && !troubled.has(id)) return 'changes'
  return undefined
}

/** Returns the facts to send, and the links for which there is no room. */
export function factsToSend({ troubled }: Report): Pick<Message, 'facts' | 'unknown'> {
  const facts: SentFact[] = []
  const unknown: End[] = []
  let bytes = 0
  for (const ofLink of troubled.values()) {
    const sent = ofLink.map(sentFact)
    const more = Buffer.byteLength(JSON.stringify(sent))
    if (facts.length + sent.length <= mostFacts && bytes + more <= mostFactBytes) {
      facts.push(...sent)
      bytes += more
    } else if (ofLink[0] !== undefined) unknown.push(ofLink[0].to)
  }
  return { facts, unknown: unknown.slice(0, mostLinks) }
}

const mostTextLength = 200

function sentFact(fact: Fact): SentFact {
  const { from: _, reason, message, ...known } = knownOf(fact)
  return {
    ...aspectOf(fact),
    ...known,
    reason,
    ...(message === undefined ? {} : { message: printable(message).slice(0, mostTextLength) }),
  }
}

function aspectsOf(links: Report['healthy']): ReadonlyMap<string, string> {
  return new Map([...links].map(([id, facts]) => [id, facts.map(aspectIdOf).join('\n')]))
}
