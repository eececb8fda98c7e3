import { createHash } from 'node:crypto'

/*
 * Which agents watch the whole mesh, and which of them speaks for it. Rendezvous hashing: every agent ranks the ready agents by a hash of
 * their names, so that those with the same list agree without a message, and one that leaves changes the place of no other. The
 * watchers are those of the whole mesh, not some for each agent: only one that holds most rows sees a zone or a cluster fail.
 */

/** An agent that may be a watcher. */
export interface Candidate {
  readonly node: string
  readonly zone?: string | undefined
}

/** Number of watchers: one may fail while another one is being replaced. */
const usualCount = 3

/**
 * Returns the candidates by rank, the best first.
 * @param mesh tells meshes apart, so that not every mesh with the same names of nodes burdens the same ones
 */
export function rankedWatchers<Some extends Candidate>(candidates: Iterable<Some>, mesh = 'scout'): readonly Some[] {
  return [...candidates]
    .map((candidate) => ({ candidate, weight: weightOf(`${mesh}\n${candidate.node}`) }))
    .toSorted((a, b) => b.weight - a.weight || (a.candidate.node < b.candidate.node ? -1 : 1))
    .map(({ candidate }) => candidate)
}

/** Returns the watchers among candidates that are sorted by rank: one in each zone, and several in a zone only where zones are few. */
export function watchersOf<Some extends Candidate>(ranked: readonly Some[], count = usualCount): readonly Some[] {
  const zones = new Set<string>()
  const first = ranked.filter(({ zone }) => {
    if (zone === undefined || zone === '') return true
    if (zones.has(zone)) return false
    zones.add(zone)
    return true
  })
  const apart = new Set(first.slice(0, count))
  const others = ranked.filter((one) => !apart.has(one)).slice(0, count - apart.size)
  const chosen = new Set([...apart, ...others])
  return ranked.filter((one) => chosen.has(one))
}

/** How many rows a watcher holds, its own included. */
export interface Sight {
  readonly node: string
  readonly rows: number
}

/**
 * Returns the watcher that speaks: the first by rank that holds at least half of the rows of ready agents. If none does, as on the smaller
 * side of a partition, it is the one that holds most.
 * @param sights of the watchers that answer, by rank
 * @param ready number of ready agents
 */
export function speakerOf(sights: readonly Sight[], ready: number): string | undefined {
  const seeing = sights.find(({ rows }) => rows * 2 >= ready)
  return (
    seeing ?? sights.reduce<Sight | undefined>((most, one) => ((most?.rows ?? -1) < one.rows ? one : most), undefined)
  )?.node
}

function weightOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE()
}
