import { clockFacts, type Evidence, evidenceOf, type Fact, type Row } from '@scout/core'
import type { Held } from './holdings.ts'
import type { Report } from './report.ts'
import type { Moment } from './timeline.ts'

/** What a watcher holds at one moment. */
export interface Joined {
  /** Its own row, and what it shows. */
  readonly row: Row
  readonly report: Report
  /** Fresh evidence of other ready agents, by node. */
  readonly held: ReadonlyMap<string, Held>
  /** Nodes of all ready agents, with its own. */
  readonly ready: ReadonlySet<string>
}

/** Returns the evidence of the whole mesh. Zones of nodes, and their conditions, are those that this agent knows. */
export function evidenceFrom({ row, report, held, ready }: Joined): Evidence {
  const atMs = Date.now()
  const own = row.self.node
  const others = [...ready].filter((node) => node !== own).map((node) => ({ node }))
  const known = evidenceOf(
    [{ node: own, received: { row: { ...row, series: [] }, receivedAtMs: row.takenAtMs } }, ...others],
    atMs,
  )
  return {
    atMs,
    nodes: known.nodes.map((node) => {
      const {
        isStarved,
        isOverlay,
        zone = node.zone,
      } = node.name === own ? report.node : (held.get(node.name)?.node ?? node)
      return { ...node, isStarved, isOverlay, zone, hasRow: node.name === own || held.has(node.name) }
    }),
    facts: [...report.facts, ...[...held.values()].flatMap(({ facts }) => facts()), ...clocksOf(row, held)],
    arrivals: [...report.arrivals, ...[...held.values()].flatMap(({ arrivals }) => arrivals)],
    collected: [...report.collected, ...[...held.values()].flatMap(({ collected }) => collected)],
  }
}

/** Returns what a watcher remembers of it. */
export function momentFrom({ row, report, held, ready }: Joined): Moment {
  const zones = new Map(row.peers.map(({ node, zone }) => [node, zone]))
  return {
    atMs: Date.now(),
    facts: [...report.troubled.values(), ...[...held.values()].map(({ troubled }) => troubled)]
      .flat()
      .filter(({ symptom }) => symptom !== 'passes'),
    nodes: [...ready].map((name) => ({
      name,
      zone: name === row.self.node ? row.self.zone : (held.get(name)?.node.zone ?? zones.get(name)),
      hasRow: name === row.self.node || held.has(name),
    })),
  }
}

/** Returns what the clocks of the agents show. */
export function clocksOf(row: Row, held: Joined['held']): readonly Fact[] {
  return clockFacts([
    { node: row.self.node, received: { row, receivedAtMs: row.takenAtMs } },
    ...[...held.values()].map(({ clock }) => clock),
  ])
}
