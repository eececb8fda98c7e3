import { createHash } from 'node:crypto'
import { groupBy } from '../model/group-by.ts'
import { type Evidence, type Fact, factLinkIdOf, type NodeEvidence } from './evidence.ts'
import type { Finding } from './finding.ts'
import type { Scope } from './scope.ts'

/** A finding over time. */
export interface Incident extends Omit<Finding, 'sinceMs'> {
  /** Follows from scope and onset, so that every reader of the same rows gives the same one. */
  readonly id: string
  /** `transient` until it has lasted half a minute, then `open`. */
  readonly state: 'transient' | 'open' | 'closed'
  /** Wall clock at which the first of its failures began. */
  readonly openedAtMs: number
  readonly closedAtMs?: number | undefined
}

/** How long a trouble may last before it is more than a brown-out. */
const transientMs = 30_000
const minuteMs = 60_000

/** @param taken ids that other incidents have already */
interface IncidentOptions {
  readonly atMs: number
  readonly taken?: ReadonlySet<string>
}

/** Returns the incidents that exist at `atMs`, the gravest first. */
export function incidentsOf(findings: readonly Finding[], { atMs, taken }: IncidentOptions): readonly Incident[] {
  // Several causes at one place may begin together. All but the first, by name, have a number in their ids.
  const known = new Set(taken)
  return findings
    .toSorted((a, b) => (a.cause < b.cause ? -1 : 1))
    .map(
      ({ sinceMs, ...finding }): Incident => ({
        ...finding,
        id: uniqueId(idOf(finding.scope, sinceMs), known),
        state: stateAt(sinceMs, atMs),
        openedAtMs: sinceMs,
      }),
    )
    .toSorted(compareIncidents)
}

export function stateAt(openedAtMs: number, atMs: number): 'transient' | 'open' {
  return atMs - openedAtMs < transientMs ? 'transient' : 'open'
}

const ranks = { critical: 0, warning: 1, informational: 2 } as const

/** Orders incidents: the gravest first, then the oldest, and those that are closed last. */
export function compareIncidents(a: Incident, b: Incident): number {
  const isClosed = ({ state }: Incident) => Number(state === 'closed')
  return isClosed(a) - isClosed(b) || ranks[a.severity] - ranks[b.severity] || a.openedAtMs - b.openedAtMs
}

interface Described {
  readonly rivals: Incident['rivals']
  readonly weights?: Incident['weights']
}

/** Returns an incident, or what is known of it, as programs read it: without the weights, and with rivals only where a name is in doubt. */
export function incidentObject<T extends Described>({ rivals, weights: _, ...incident }: T) {
  return { kind: 'incident', ...incident, ...(rivals.length === 0 ? {} : { rivals }) } as const
}

function uniqueId(id: string, known: Set<string>): string {
  let unique = id
  for (let number = 2; known.has(unique); number++) unique = `${id}-${number}`
  known.add(unique)
  return unique
}

function idOf(scope: Scope, onsetMs: number): string {
  const text = JSON.stringify([
    Object.entries(scope).toSorted(([a], [b]) => a.localeCompare(b)),
    Math.floor(onsetMs / minuteMs),
  ])
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

interface ScopedEvidence extends Pick<Evidence, 'facts'> {
  readonly nodes: readonly Pick<NodeEvidence, 'name' | 'zone'>[]
}

/** A link with facts about it, within the scope of an incident. */
export interface ScopedLink {
  /** Identifies the link, whatever the scope is. */
  readonly id: string
  readonly facts: readonly Fact[]
}

/** Returns the links of a scope about which there are facts. */
export function linksWithin(scope: Scope, { facts, nodes }: ScopedEvidence): readonly ScopedLink[] {
  const zones = new Map(nodes.map(({ name, zone }) => [name, zone]))
  const isWithin = isWithinOf(scope, (node) => zones.get(node))
  return groupBy(facts.filter(isWithin), factLinkIdOf).map((ofLink) => ({
    id: ofLink[0] === undefined ? '' : factLinkIdOf(ofLink[0]),
    facts: ofLink,
  }))
}

function isWithinOf(scope: Scope, zoneOf: (node: string) => string | undefined): (fact: Fact) => boolean {
  switch (scope.kind) {
    case 'cluster':
      return () => true
    case 'link':
      return ({ from, to }) =>
        (from === scope.from && to.name === scope.to) || (from === scope.to && to.name === scope.from)
    case 'node':
    case 'prober':
      return ({ from, to }) => from === scope.node || (to.kind === 'node' && to.name === scope.node)
    case 'node-side':
      return ({ from, to }) =>
        scope.side === 'out' ? from === scope.node : to.kind === 'node' && to.name === scope.node
    case 'node-group':
      return ({ from, to }) => to.kind === 'node' && scope.nodes.includes(from) !== scope.nodes.includes(to.name)
    case 'zone-pair': {
      const [one, other = one] = scope.zones
      return ({ from, to }) => {
        const [a, b] = [zoneOf(from), zoneOf(to.name)]
        return to.kind === 'node' && ((a === one && b === other) || (a === other && b === one))
      }
    }
    case 'service':
      return ({ to }) => to.kind === 'service' && to.name === scope.name
    case 'name-server':
      return ({ to }) => to.kind === 'name-server' && to.name === scope.address
  }
}
