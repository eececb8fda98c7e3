import type { Cause, Variant } from '../cause.ts'
import type { Fact, NodeEvidence } from '../evidence.ts'
import { prices } from '../scope.ts'
import { endsOf, type LinkFacts } from './links.ts'
import type { Place } from './places.ts'
import { type Cell, createValuation, type Value, type Vector } from './vectors.ts'

/** A cause in one of its forms at one place. */
export interface Candidate {
  readonly cause: Cause
  readonly variant: Variant
  readonly place: Place
  /** Log-likelihood ratio to a healthy place, less all prices, in nats. */
  readonly gain: number
}

export interface Causes {
  readonly named: readonly Cause[]
  /** Cause of whatever no other explains. */
  readonly lastResort: Cause
}

/** What explains one link alone. */
interface Alone {
  readonly gain: number
  /** What its names cost, which the gain is less by. */
  readonly cost: number
}

/** What a candidate has to do with one of the links of a wide place. */
interface Share {
  /** What it is worth there. */
  readonly nats: number
  /** What is left gains if it is explained alone. */
  readonly restAlone: number
}

interface GainsOptions {
  readonly nodes: readonly NodeEvidence[]
  readonly causes: Causes
  readonly vectorOf: (cells: readonly Cell[]) => Vector
  /** Whether requests still arrive on one of the two ways between a place and the rest. */
  readonly isOneWay: (place: Place) => boolean
}

/** Computes what causes gain at places. Remembers what it computed for vectors, which many links share. */
export function createGains({ nodes, causes: { named, lastResort }, vectorOf, isOneWay }: GainsOptions) {
  const causes = [...named, lastResort]
  const valueOf = createValuation()
  const nodesByName = new Map(nodes.map((node) => [node.name, node]))
  const variants = new Map<string, Variant>()
  const suggested = new WeakMap<readonly Fact[], Map<Cause, readonly Variant[]>>()
  const gainsAlone = new Map<Vector, Alone>()
  const shares = new Map<Value, Share>()
  const namedOfLinks = named.filter(({ scopes }) => scopes.includes('link'))

  /** Returns the forms of a cause that failures suggest. Most places have the failures of one vector, whose forms are remembered. */
  const variantsOf = (cause: Cause, failing: readonly Fact[]): readonly Variant[] => {
    const byCause = suggested.get(failing) ?? new Map<Cause, readonly Variant[]>()
    suggested.set(failing, byCause)
    const known = byCause.get(cause) ?? cause.variants(failing).map(interned(cause))
    byCause.set(cause, known)
    return known
  }

  const interned = (cause: Cause) => (variant: Variant) => {
    const id = `${cause.name} ${variant.id} ${variant.lines.map(({ shows }) => shows).join(' ')}`
    const known = variants.get(id) ?? variant
    variants.set(id, known)
    return known
  }

  const restOf = ({ cells }: Vector, { explained }: Value) => {
    const gone = new Set(explained)
    return vectorOf(cells.filter((cell) => !gone.has(cell)))
  }

  const bestOnLink = (some: readonly Cause[], vector: Vector) => {
    let best: (Alone & { readonly value: Value }) | undefined
    for (const cause of vector.failing.length === 0 ? [] : some) {
      if (cause.isExcluded?.(vector.failing, vector.passing) === true) continue
      for (const variant of variantsOf(cause, vector.failing)) {
        const value = valueOf(variant, vector)
        const cost = prices.link + cause.rarity + (variant.price ?? 0)
        const gain = value.nats - cost
        if (value.explained.length > 0 && gain > (best?.gain ?? 0)) best = { gain, cost, value }
      }
    }
    return best
  }

  /**
   * Returns what a link with this vector gains if it is explained alone, by as many causes as that takes. No single name for all of it beats
   * several that are known, only because it is one.
   */
  const explainedAlone = (vector: Vector): Alone => {
    const known = gainsAlone.get(vector)
    if (known !== undefined) return known
    const best = bestOnLink(namedOfLinks, vector)
    const rest = best === undefined ? undefined : explainedAlone(restOf(vector, best.value))
    const byNames =
      best === undefined || rest === undefined
        ? { gain: 0, cost: vector.failing.length === 0 ? 0 : prices.link }
        : { gain: best.gain + rest.gain, cost: best.cost + rest.cost }
    const riddle = bestOnLink([lastResort], vector)
    const alone = riddle !== undefined && riddle.gain > byNames.gain ? { ...riddle, cost: prices.link } : byNames
    gainsAlone.set(vector, alone)
    return alone
  }

  const shareOf = (vector: Vector, value: Value): Share => {
    const known = shares.get(value)
    if (known !== undefined) return known
    const rest = restOf(vector, value)
    // What the rest is worth without this candidate is no merit of it: caps hold for all explanations of a link together.
    const share = { nats: Math.min(value.nats, vector.worth - rest.worth), restAlone: explainedAlone(rest).gain }
    shares.set(value, share)
    return share
  }

  const nodesAt = ({ scope, links }: Place): readonly NodeEvidence[] => {
    if (scope.kind === 'cluster') return nodes
    const names = 'node' in scope ? new Set([scope.node]) : endsOf(links)
    return [...names].flatMap((name) => nodesByName.get(name) ?? [])
  }

  const isAny = () => true
  const explains = (variant: Variant) => (link: LinkFacts) => valueOf(variant, link.vector).explained.length > 0

  const candidatesAt = (place: Place): readonly Candidate[] => {
    const { scope, links } = place
    const counts = new Map<Vector, number>()
    for (const { vector } of links) counts.set(vector, (counts.get(vector) ?? 0) + 1)
    const failures = [...counts.keys()].flatMap(({ failing }) => (failing.length === 0 ? [] : [failing]))
    const [first = []] = failures
    const failing = failures.length > 1 ? failures.flat() : first
    const passing = [...counts.keys()].flatMap((vector) => vector.passing)
    let there: readonly NodeEvidence[] | undefined
    const supportOf = ({ support }: Cause) => (support === undefined ? 0 : support((there ??= nodesAt(place))))
    const isWide = links.length > 1 && scope.kind !== 'link'
    return causes
      .filter((cause) => cause.scopes.includes(scope.kind) && cause.isExcluded?.(failing, passing) !== true)
      .filter((cause) => cause.isOfBothWays !== true || !isOneWay(place))
      .flatMap((cause) => {
        const support = supportOf(cause)
        return variantsOf(cause, failing).flatMap((variant): readonly Candidate[] => {
          if (variant.scopes?.includes(scope.kind) === false) return []
          let gain = support - prices[scope.kind] - cause.rarity - (variant.price ?? 0)
          // What the links gain if each is explained alone, with and without this candidate.
          let alone = 0
          let rest = 0
          let isSuggested = false
          let isExplaining = false
          for (const [vector, count] of counts) {
            const value = valueOf(variant, vector)
            isSuggested ||= value.isSuggested
            isExplaining ||= value.explained.length > 0
            if (!isWide || value.explained.length === 0) {
              gain += value.nats * count
              alone += cause === lastResort ? explainedAlone(vector).gain * count : 0
              continue
            }
            const share = shareOf(vector, value)
            gain += share.nats * count
            // Links that have names of their own are no common riddle, whatever their names cost.
            const { gain: gainAlone, cost } = explainedAlone(vector)
            alone += (gainAlone + (cause === lastResort ? cost : 0)) * count
            rest += share.restAlone * count
          }
          if (!isSuggested || ((isWide || cause === lastResort) && gain + rest < alone)) return []
          // What fails between two nodes alone is a matter of their link, even where nothing is known of others. A cause that no link has is
          // named for two nodes only where there are no more.
          const isOfLink =
            isWide &&
            !areSeveral(links, explains(variant)) &&
            (cause.scopes.includes('link') || (isExplaining && areSeveral(links, isAny)))
          // What explains nothing is there to be ruled out.
          return isOfLink ? [] : [{ cause, variant, place, gain: isExplaining ? gain : Math.min(0, gain) }]
        })
      })
  }

  const known = new WeakMap<Place, readonly Candidate[]>()
  const rememberedAt = (place: Place) => {
    const candidates = known.get(place) ?? candidatesAt(place)
    known.set(place, candidates)
    return candidates
  }

  return {
    valueOf,
    /** Returns what no candidate at a wide place gains more than. */
    mostAt(place: Place): number {
      const there = nodesAt(place)
      const supports = causes.map(({ scopes, support }) =>
        support !== undefined && scopes.includes(place.scope.kind) ? support(there) : 0,
      )
      return place.links.reduce((sum, { vector }) => sum + vector.worth, Math.max(...supports))
    },
    bestAt: (place: Place): Candidate | undefined =>
      rememberedAt(place).reduce<Candidate | undefined>(
        (best, one) => ((best?.gain ?? 0) < one.gain ? one : best),
        undefined,
      ),
    /** Returns the cause for what no other explains, on a single link. */
    lastResortAt(place: Place): Candidate | undefined {
      const [variant] = variantsOf(lastResort, place.links[0]?.vector.failing ?? [])
      return variant === undefined || place.links.length > 1
        ? undefined
        : { cause: lastResort, variant, place, gain: 0 }
    },
    rivalsOf({ place, cause }: Candidate): readonly Candidate[] {
      const best = new Map<string, Candidate>()
      for (const one of rememberedAt(place)) {
        const other = best.get(one.cause.name)
        if (one.cause !== cause && (other === undefined || other.gain < one.gain)) best.set(one.cause.name, one)
      }
      return [...best.values()].toSorted((a, b) => b.gain - a.gain)
    },
  }
}

/** Returns whether those of these links that count are between more than two nodes. */
function areSeveral(links: readonly LinkFacts[], counts: (link: LinkFacts) => boolean): boolean {
  let first: LinkFacts | undefined
  for (const link of links) {
    if (!counts(link)) continue
    first ??= link
    for (const end of [link.from, link.to.name]) if (end !== first.from && end !== first.to.name) return true
  }
  return false
}
