import { createHash } from 'node:crypto'
import { groupBy } from '@scout/core'

/** A node that could be probed. */
export interface Candidate {
  readonly node: string
  readonly zone?: string | undefined
}

interface SampleInput {
  /** Agents, of which a node may have several. */
  readonly peers: Iterable<Candidate>
  /** Node of this agent. */
  readonly from: string
  /** Most nodes in the sample. */
  readonly most: number
  /** Wall clock. */
  readonly atMs: number
  /** Returns whether something fails on the link to a node. */
  readonly isFailing: (node: string) => boolean
}

/** How long a node of the rotating part keeps its place. */
export const rotationMs = 30 * 60_000

/** Share of the places that rotate, so that in time every link of a large mesh is probed. */
const rotatingShare = 0.25

/**
 * Returns the nodes to probe, so that the cost of an agent does not grow with the mesh: all, if there are few, otherwise a sample. Each
 * agent chooses by hashes of its own, and so each node is probed by about as many others as it probes. Three quarters of the sample stay
 * while the nodes do, spread over the zones by their size; the rest rotates, except where something fails.
 */
export function sampleNodes({ peers, from, most, atMs, isFailing }: SampleInput): ReadonlySet<string> {
  const zones = new Map([...peers].map(({ node, zone }) => [node, zone]))
  if (zones.size <= most) return new Set(zones.keys())
  const byRank = sortedBy(zones.keys(), (node) => hashOf([from, node]))
  const kept = keptNodes(byRank, zones, most - Math.floor(most * rotatingShare))
  const turn = Math.floor(atMs / rotationMs)
  const others = sortedBy(
    byRank.filter((node) => !kept.has(node)),
    (node) => (isFailing(node) ? -1 : hashOf([from, node, turn])),
  )
  return new Set([...kept, ...others.slice(0, most - kept.size)])
}

/** Returns the first of each zone, as many as are its share of the places, and then the first of all others. */
function keptNodes(
  byRank: readonly string[],
  zones: ReadonlyMap<string, string | undefined>,
  places: number,
): ReadonlySet<string> {
  const shares = groupBy(byRank, (node) => zones.get(node) ?? '').flatMap((nodes) =>
    nodes.slice(0, Math.floor((places * nodes.length) / byRank.length)),
  )
  return new Set([...new Set([...shares, ...byRank])].slice(0, places))
}

function sortedBy(nodes: Iterable<string>, weightOf: (node: string) => number): readonly string[] {
  return Array.from(nodes, (node) => ({ node, weight: weightOf(node) }))
    .toSorted((a, b) => a.weight - b.weight)
    .map(({ node }) => node)
}

function hashOf(parts: readonly (string | number)[]): number {
  return createHash('sha256').update(JSON.stringify(parts)).digest().readUInt32BE()
}
