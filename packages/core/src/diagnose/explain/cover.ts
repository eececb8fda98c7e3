import { groupBy } from '../../model/group-by.ts'
import type { Cause } from '../cause.ts'
import type { Evidence, Fact, SharesByDirection } from '../evidence.ts'
import type { Scope } from '../scope.ts'
import { arrivalBetween } from './arrivals.ts'
import { dependentsOf } from './dependents.ts'
import { type Compass, isOneWay, orientedAt } from './directions.ts'
import { type Candidate, createGains } from './gains.ts'
import { isFailing, type LinkFacts, linksOf } from './links.ts'
import { type Area, narrowPlaces, type Place, wideAreas } from './places.ts'
import { createVectors } from './vectors.ts'

/*
 * Covers all failures with as few findings as possible. A cause at a place gains what its table is worth on every link there, less the
 * price of naming it. The best one is accepted, the failures it explains are set aside, and the rest is searched again. A wide place must
 * beat its own links, each named alone: that keeps a node from being accused for one of its links.
 */

/** A candidate that was accepted, with the failures it explains. Its place is without what earlier ones had explained. */
export interface Accepted extends Candidate {
  readonly failing: readonly Fact[]
  /** Packets lost from the first end of its scope to the other, and back, if they tell the direction. */
  readonly losses?: SharesByDirection | undefined
  /** Whether its direction is that of requests that do not arrive, while those of the other way do. */
  readonly arrivesBack?: boolean | undefined
  /** Failures elsewhere that follow from those. */
  readonly following: readonly Fact[]
  /** The best candidate of each other cause for the same place, best first. */
  readonly rivals: readonly Candidate[]
}

/**
 * A wide place needs this share of failing links to beat them, whatever its cause. Links that earlier findings explain in full say nothing
 * about it.
 */
const leastShare = 0.5

/** @param lastResort cause of whatever no other explains */
export function cover(evidence: Evidence, causes: readonly Cause[], lastResort: Cause): readonly Accepted[] {
  const { vectorOf, vectorOfFacts, split } = createVectors()
  const links = linksOf(evidence.facts, vectorOfFacts)
  const compass = { nodes: evidence.nodes, arrivalOf: arrivalBetween(evidence.arrivals) }
  const gains = createGains({
    nodes: evidence.nodes,
    causes: { named: causes, lastResort },
    vectorOf,
    isOneWay: (place) => isOneWay(place, compass),
  })
  const dependents = dependentsOf(links)
  const accepted: Accepted[] = []
  /** Whether links fail, or say anything: areas share them, and most that are looked at have none that fail. */
  const states = Uint8Array.from(links, stateOf)
  /** By link, how many candidates had been accepted when one last changed it. */
  const changedBy = new Uint32Array(links.length)

  const accept = (candidate: Candidate) => {
    const { place, variant } = candidate
    const failing: Fact[] = []
    const rivals = gains.rivalsOf(candidate)
    for (const link of place.links) {
      const { explained } = gains.valueOf(variant, link.vector)
      if (explained.length === 0) continue
      const [facts, rest] = split(link.facts, explained)
      for (const fact of facts) failing.push(fact)
      const left = { ...link, facts: rest, vector: vectorOfFacts(rest) }
      links[link.index] = left
      states[link.index] = stateOf(left)
      changedBy[link.index] = accepted.length + 1
    }
    accepted.push({ ...candidate, failing, following: [], rivals })
  }

  /** Returns an area as a place, or undefined if too few of its links fail. */
  const placeOf = ({ scope, direction, members }: Area): Place | undefined => {
    let failing = 0
    let telling = 0
    for (const index of members) {
      const state = states[index]
      if (state !== linkStates.explained) telling++
      if (state === linkStates.failing) failing++
    }
    if (failing === 0 || failing < telling * leastShare) return undefined
    const there: LinkFacts[] = []
    for (const index of members) {
      const link = links[index]
      if (link !== undefined) there.push(link)
    }
    return { scope, direction, links: there }
  }
  const bestAt = (place: Place | undefined): Candidate | undefined => {
    const best = place === undefined ? undefined : gains.bestAt(place)
    return best === undefined || isCarried(best) ? undefined : best
  }
  /** Whether all that it explains follows from other failures. */
  const isCarried = ({ place, variant }: Candidate) =>
    dependents.size > 0 &&
    place.links.every(({ facts, vector }) =>
      split(facts, gains.valueOf(variant, vector).explained)[0].every((fact) => dependents.has(fact)),
    )
  // What an area may gain at most spares looking at most of them. Once links are explained it is less, never more; nor does
  // the share of failing links grow to enough, because those that are explained in full failed before.
  const areas = wideAreas(links, evidence.nodes)
    .flatMap((area, order): readonly Considered[] => {
      const place = placeOf(area)
      return place === undefined ? [] : [{ area, order, most: gains.mostAt(place), best: undefined, isStale: true }]
    })
    .toSorted((a, b) => b.most - a.most)
  const greatest = (): Candidate | undefined => {
    let first: Considered | undefined
    for (const one of areas) {
      if ((first?.best?.gain ?? 0) > one.most) break
      if (one.isStale) one.best = bestAt(placeOf(one.area))
      one.isStale = false
      if (one.best !== undefined && isBefore(one, first)) first = one
    }
    return first?.best
  }

  for (;;) {
    const best = greatest()
    if (best === undefined) break
    accept(best)
    const isChanged = (index: number) => changedBy[index] === accepted.length
    for (const one of areas) one.isStale ||= one.area.members.some(isChanged)
  }
  const carried: Fact[] = []
  for (const { index, facts, ...link } of dependents.size === 0 ? [] : links) {
    const rest = facts.filter((fact) => !dependents.has(fact))
    if (rest.length === facts.length) continue
    carried.push(...facts.filter((fact) => dependents.has(fact)))
    links[index] = { ...link, index, facts: rest, vector: vectorOfFacts(rest) }
  }
  for (;;) {
    const candidates = narrowPlaces(links).map((place) => gains.bestAt(place) ?? gains.lastResortAt(place))
    const best = withoutOverlap(candidates)
    if (best.length === 0) break
    for (const one of best) accept(one)
  }
  return merged(accepted, compass).map((one) => {
    const explained = new Set(carried.length === 0 ? [] : one.failing)
    const isFollowing = (fact: Fact) => dependents.get(fact)?.some((carrier) => explained.has(carrier)) === true
    return { ...one, following: carried.filter(isFollowing) }
  })
}

/** Joins the forms of one cause at one place, which are one trouble; both sides of a node are the node. */
function merged(accepted: readonly Accepted[], compass: Compass): readonly Accepted[] {
  const oriented = (one: Accepted): Accepted => {
    const found = orientedAt(one.place, one.failing, compass)
    return { ...one, ...found, arrivesBack: found !== undefined && found.losses === undefined }
  }
  const byPlace = groupBy(accepted.map(oriented), ({ cause, place }) =>
    JSON.stringify([cause.name, placeIdOf(cause, place)]),
  )
  return byPlace.flatMap((forms) => {
    const [first] = forms.toSorted((a, b) => b.gain - a.gain)
    if (first === undefined) return []
    return forms.length === 1
      ? [first]
      : [oriented({ ...first, place: placeOfAll(first, forms), failing: forms.flatMap(({ failing }) => failing) })]
  })
}

function placeIdOf({ scopes }: Cause, { scope, direction }: Place): Scope {
  if (scope.kind === 'node-side' && scopes.includes('node')) return { kind: 'node', node: scope.node }
  return scope.kind === 'link' && direction === 'return' ? { kind: 'link', from: scope.to, to: scope.from } : scope
}

function placeOfAll({ cause, place }: Accepted, forms: readonly Accepted[]): Place {
  const isOfOne = forms.every((form) => JSON.stringify(form.place.scope) === JSON.stringify(place.scope))
  if (isOfOne || place.scope.kind === 'node') return place
  return { scope: placeIdOf(cause, place), direction: 'both', links: forms.flatMap((form) => form.place.links) }
}

/** What is left of a link: nothing, only what passes, or something that fails. */
const linkStates = { explained: 0, passing: 1, failing: 2 } as const

function stateOf(link: LinkFacts): number {
  if (link.facts.length === 0) return linkStates.explained
  return isFailing(link) ? linkStates.failing : linkStates.passing
}

/** An area, with the best candidate there unless that is stale. */
interface Considered {
  readonly area: Area
  readonly order: number
  readonly most: number
  best: Candidate | undefined
  isStale: boolean
}

function isBefore(one: Considered, other: Considered | undefined): boolean {
  const difference = (one.best?.gain ?? 0) - (other?.best?.gain ?? 0)
  return other === undefined || difference > 0 || (difference === 0 && one.order < other.order)
}

/** Returns, of candidates whose places may overlap, the best that do not. */
function withoutOverlap(candidates: readonly (Candidate | undefined)[]): readonly Candidate[] {
  const taken = new Set<LinkFacts>()
  return candidates
    .filter((one) => one !== undefined)
    .toSorted((a, b) => b.gain - a.gain)
    .filter(({ place }) => {
      if (place.links.some((link) => taken.has(link))) return false
      for (const link of place.links) taken.add(link)
      return true
    })
}
