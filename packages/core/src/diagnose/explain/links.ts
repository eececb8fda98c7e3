import { type End, endIdOf, type Fact } from '../evidence.ts'
import type { Vector } from './vectors.ts'

/** All facts about one ordered pair of ends, without those that a finding explains. */
export interface LinkFacts {
  /** Position among all links. */
  readonly index: number
  readonly from: string
  readonly to: End
  readonly facts: readonly Fact[]
  readonly vector: Vector
}

/** Joins facts by link. Those of one link usually follow each other. Links share the text of each name, which speeds up every map of them. */
export function linksOf(facts: readonly Fact[], vectorOf: (facts: readonly Fact[]) => Vector): LinkFacts[] {
  const senders = new Map<string, { from: string; links: Map<End, JoiningLink> }>()
  const ends = new Map<string, End>()
  for (let start = 0; start < facts.length; ) {
    const end = endOfRun(facts, start)
    const run = facts.slice(start, end)
    start = end
    const [fact] = run
    if (fact === undefined) continue
    let sender = senders.get(fact.from)
    if (sender === undefined) {
      sender = { from: fact.from, links: new Map() }
      senders.set(fact.from, sender)
    }
    const { from, links } = sender
    const id = fact.to.kind === 'node' ? fact.to.name : endIdOf(fact.to)
    const to = ends.get(id) ?? fact.to
    if (to === fact.to) ends.set(id, to)
    const known = links.get(to)
    if (known === undefined) {
      // At once, while its facts are at hand: reading them all again would take as long as everything else.
      links.set(to, { from, to, facts: run, vector: vectorOf(run) })
    } else {
      known.facts.push(...run)
      known.vector = undefined
    }
  }
  const joined = [...senders.values()].flatMap(({ links }) => [...links.values()])
  return joined.map(({ from, to, facts, vector = vectorOf(facts) }, index) => ({ index, from, to, facts, vector }))
}

interface JoiningLink extends Pick<LinkFacts, 'from' | 'to'> {
  readonly facts: Fact[]
  /** Undefined once further facts have followed. */
  vector: Vector | undefined
}

/** Returns the position after the last of the facts about one link that begin at `start`. */
function endOfRun(facts: readonly Fact[], start: number): number {
  const first = facts[start]
  let end = start + 1
  for (; end < facts.length; end++) {
    const fact = facts[end]
    if (fact === undefined || first === undefined || fact.from !== first.from || !isSameEnd(fact.to, first.to)) break
  }
  return end
}

function isSameEnd(one: End, other: End): boolean {
  return one === other || (one.name === other.name && one.kind === other.kind)
}

export function isFailing({ vector }: LinkFacts): boolean {
  return vector.failing.length > 0
}

/** Returns the names at both ends of links. */
export function endsOf(links: readonly LinkFacts[]): ReadonlySet<string> {
  const ends = new Set<string>()
  for (const { from, to } of links) ends.add(from).add(to.name)
  return ends
}
