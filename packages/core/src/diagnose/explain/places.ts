import { type End, endIdOf, type Fact, type NodeEvidence } from '../evidence.ts'
import { type Direction, type Scope, scopeOfEnd } from '../scope.ts'
import { endsOf, isFailing, type LinkFacts } from './links.ts'

/** A scope with the links that belong to it. */
export interface Place {
  readonly scope: Scope
  readonly direction: Direction
  readonly links: readonly LinkFacts[]
}

/** A place by the positions of its links. */
export interface Area {
  readonly scope: Scope
  readonly direction: Direction
  readonly members: readonly number[]
}

/** Returns every place of several links where something may fail. Nodes without a failing link are left out. */
export function wideAreas(links: readonly LinkFacts[], nodes: readonly NodeEvidence[]): readonly Area[] {
  const failing = links.filter(isFailing)
  if (failing.length === 0) return []
  const troubled = endsOf(failing)
  const zones = new Map(nodes.flatMap(({ name, zone = '' }) => (zone === '' ? [] : [[name, zone] as const])))
  const starved = new Set(nodes.flatMap(({ name, isStarved }) => (isStarved ? [name] : [])))
  const groups = separateGroups(links)
  const areas: GrowingArea[] = []
  const addToNode = collector(areas)
  const addToSender = collector(areas)
  const addToReceiver = collector(areas)
  const addToProber = collector(areas)
  const addToZones = collector(areas)
  const addToGroup = collector(areas)
  const addToCluster = collector(areas)
  for (const link of links) {
    const { from, to } = link
    // What a node reports about itself says nothing about its links.
    if (isItself(from, to)) continue
    if (troubled.has(from)) {
      addToNode(from, link, () => [{ kind: 'node', node: from }, 'both'])
      addToSender(from, link, () => [{ kind: 'node-side', node: from, side: 'out' }, 'forward'])
    }
    // An agent without CPU neither asks nor answers in time.
    for (const node of to.kind === 'node' ? [from, to.name] : [from])
      if (starved.has(node)) addToProber(node, link, () => [{ kind: 'prober', node }, 'none'])
    if (to.kind !== 'node') {
      addToReceiver(endIdOf(to), link, () => [scopeOfEnd(to), 'none'])
      continue
    }
    if (troubled.has(to.name)) {
      addToReceiver(to.name, link, () => [scopeOfEnd(to), 'forward'])
      addToNode(to.name, link, () => [{ kind: 'node', node: to.name }, 'both'])
    }
    addToCluster('', link, () => [{ kind: 'cluster' }, 'both'])
    const [a, b] = [zones.get(from), zones.get(to.name)]
    if (a !== undefined && b !== undefined && a !== b) {
      const pair = a < b ? [a, b] : [b, a]
      addToZones(pair.join('\n'), link, () => [{ kind: 'zone-pair', zones: pair }, 'both'])
    }
    const [group, other] = [groups.get(from), groups.get(to.name)]
    for (const one of group === other ? [] : [group, other]) {
      if (one === undefined) continue
      addToGroup(one, link, () => [{ kind: 'node-group', nodes: [...one].toSorted() }, 'both'])
    }
  }
  return areas.filter(({ members }) => members.length > 1)
}

interface GrowingArea extends Area {
  readonly members: number[]
}

/** Returns a function that adds a link to the area with this key, and the area to `areas` if it is new. */
function collector(areas: GrowingArea[]) {
  const byKey = new Map<unknown, GrowingArea>()
  return (key: unknown, link: LinkFacts, scopeOf: () => readonly [Scope, Direction]) => {
    let area = byKey.get(key)
    if (area === undefined) {
      const [scope, direction] = scopeOf()
      area = { scope, direction, members: [] }
      byKey.set(key, area)
      areas.push(area)
    }
    area.members.push(link.index)
  }
}

/**
 * Returns the places of single failing links, and of the two links between two nodes. What fails from one node alone, to something that other
 * nodes reach, is a matter of that node.
 */
export function narrowPlaces(links: readonly LinkFacts[]): readonly Place[] {
  const failing = links.filter(isFailing)
  const reached = new Set(
    links.flatMap((link) => (link.to.kind === 'node' || isFailing(link) ? [] : [`${link.to.kind} ${link.to.name}`])),
  )
  const byEnds = new Map(failing.map((link) => [`${link.from}\n${link.to.name}`, link]))
  return failing.flatMap((link): readonly Place[] => {
    const { from, to } = link
    if (to.kind !== 'node') {
      return reached.has(`${to.kind} ${to.name}`)
        ? [{ scope: { kind: 'node-side', node: from, side: 'out' }, direction: 'forward', links: [link] }]
        : [{ scope: scopeOfEnd(to), direction: 'none', links: [link] }]
    }
    if (isItself(from, to)) return [{ scope: { kind: 'node', node: from }, direction: 'none', links: [link] }]
    const scope: Scope = { kind: 'link', from, to: to.name }
    const back = byEnds.get(`${to.name}\n${from}`)
    return [
      { scope, direction: 'forward', links: [link] },
      ...(back === undefined || from > to.name ? [] : [{ scope, direction: 'both', links: [link, back] } as const]),
    ]
  })
}

function isItself(from: string, { kind, name }: End): boolean {
  return kind === 'node' && name === from
}

/** Returns, by node, the groups of several nodes, but not of most, that reach each other and nobody else. */
function separateGroups(links: readonly LinkFacts[]): ReadonlyMap<string, ReadonlySet<string>> {
  const groups = new Map<string, Set<string>>()
  const groupOf = (node: string) => {
    let group = groups.get(node)
    if (group === undefined) {
      group = new Set([node])
      groups.set(node, group)
    }
    return group
  }
  for (const link of links) {
    if (link.to.kind !== 'node') continue
    const [one, other] = [groupOf(link.from), groupOf(link.to.name)]
    if (one === other || !isReached(link)) continue
    const [small, large] = one.size < other.size ? [one, other] : [other, one]
    for (const node of small) {
      large.add(node)
      groups.set(node, large)
    }
  }
  return new Map([...groups].filter(([, { size }]) => size > 1 && size * 2 <= groups.size))
}

/** Returns whether something arrived since the last failure that shows nothing arriving. */
function isReached({ facts, vector: { cells, failing } }: LinkFacts): boolean {
  if (!failing.some(isSilent)) return facts.length > 0
  if (cells.every(({ fact }) => isSilent(fact))) return false
  let failedMs = 0
  for (const fact of facts) if (isSilent(fact)) failedMs = Math.max(failedMs, fact.sinceMs)
  return facts.some((fact) => !isSilent(fact) && fact.lastMs >= failedMs)
}

function isSilent({ symptom }: Fact): boolean {
  return symptom === 'silent' || symptom === 'unreachable'
}
