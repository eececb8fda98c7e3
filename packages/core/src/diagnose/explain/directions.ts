import { isFragmented } from '../cause.ts'
import { natsAbove, shareOf, usualRate } from '../detect/proportion.ts'
import type { Fact, NodeEvidence, Share, SharesByDirection } from '../evidence.ts'
import type { Direction, Scope } from '../scope.ts'
import { type ArrivalBetween, wayWithoutArrivals } from './arrivals.ts'
import type { Place } from './places.ts'

/*
 * In which direction packets are lost, duplicated or remarked. Where they are lost on one way, attempts fail on both, because nothing is answered:
 * links alone do not tell. Reflectors count what arrives (RFC 8762 §4.2), and the packets of all failures that one finding explains are
 * counted together. Where none is answered, the last arrivals at both ends decide (arrivals.ts).
 */

/** Nats by which packets must speak for a direction: chance alone does so once in a hundred times (Chernoff bound). */
const certainNats = Math.log(100)

/** A place whose direction is that of the packets lost there. */
export interface Oriented {
  readonly place: Place
  /** From the first end of the scope to the other, and back; absent if the direction is that of requests that do not arrive. */
  readonly losses?: SharesByDirection
}

/** What tells directions beside the failures themselves. */
export interface Compass {
  readonly nodes: readonly NodeEvidence[]
  readonly arrivalOf: ArrivalBetween
}

/** Returns the place at which these packets are lost; undefined if they do not tell a direction, or the place has none. */
export function orientedAt(
  place: Place,
  failing: readonly Fact[],
  { nodes, arrivalOf }: Compass,
): Oriented | undefined {
  const isForth = alignmentWith(place.scope, nodes)
  if (isForth === undefined) return undefined
  const losses = lossesOf(failing, isForth)
  const direction = failing.every(isRemarked) ? remarkedWay(losses) : directionOf(losses)
  if (direction !== undefined) return turned(place, failing, { direction, losses })
  const way = wayWithoutArrivals(failing, arrivalOf, isForth)
  return way === undefined ? undefined : turned(place, failing, { direction: way })
}

/** Returns whether requests arrive on one way only between a place and the rest, by the last arrivals. */
export function isOneWay({ scope, links }: Place, { nodes, arrivalOf }: Compass): boolean {
  const isForth = alignmentWith(scope, nodes)
  if (isForth === undefined) return false
  const facts = links.flatMap((link) => link.facts)
  return wayWithoutArrivals(facts, arrivalOf, isForth) !== undefined
}

interface Direct {
  readonly direction: Exclude<Direction, 'none'>
  readonly losses?: SharesByDirection
}

/** Returns a place with this direction, and if packets go only from its second end to the first, as the place of those. */
function turned(place: Place, failing: readonly Fact[], { direction, losses }: Direct): Oriented {
  const { scope } = place
  const other = direction === 'return' ? otherWay(scope, failing) : undefined
  if (other !== undefined)
    return {
      place: { ...place, scope: other, direction: 'forward' },
      ...(losses === undefined ? {} : { losses: { forth: losses.back, back: losses.forth } }),
    }
  const side: Scope =
    scope.kind === 'node' && direction === 'forward' ? { kind: 'node-side', node: scope.node, side: 'out' } : scope
  return { place: { ...place, scope: side, direction }, ...(losses === undefined ? {} : { losses }) }
}

/** Returns a function that tells whether requests of a fact go from the first end of a scope to the other. */
function alignmentWith(scope: Scope, nodes: readonly NodeEvidence[]): ((fact: Fact) => boolean) | undefined {
  switch (scope.kind) {
    case 'link':
      return ({ from }) => from === scope.from
    case 'node':
      return ({ from }) => from === scope.node
    case 'node-side':
      return ({ from }) => (from === scope.node) === (scope.side === 'out')
    case 'zone-pair': {
      const [first] = scope.zones
      const there = new Set(nodes.flatMap(({ name, zone }) => (zone === first ? [name] : [])))
      return ({ from }) => there.has(from)
    }
    default:
      return undefined
  }
}

/** Returns the scope of packets that go the other way; undefined if they are those that answer the failing requests, and only those fail. */
function otherWay(scope: Scope, failing: readonly Fact[]): Scope | undefined {
  switch (scope.kind) {
    case 'link':
      return failing.some(({ from }) => from === scope.to)
        ? { kind: 'link', from: scope.to, to: scope.from }
        : undefined
    case 'node':
      return { kind: 'node-side', node: scope.node, side: 'in' }
    case 'node-side':
      return { ...scope, side: scope.side === 'in' ? 'out' : 'in' }
    case 'zone-pair':
      return { ...scope, zones: scope.zones.toReversed() }
    default:
      return undefined
  }
}

function lossesOf(failing: readonly Fact[], isForth: (fact: Fact) => boolean): SharesByDirection {
  const sums = { forth: { lost: 0, of: 0 }, back: { lost: 0, of: 0 } }
  for (const fact of failing) {
    const { forth, back } = fact.loss ?? fact.odd ?? {}
    // Each of several fragments may be the one that is lost.
    if (forth === undefined || back === undefined || isFragmented(fact)) continue
    const [there, here] = isForth(fact) ? [sums.forth, sums.back] : [sums.back, sums.forth]
    there.lost += forth.lost
    there.of += forth.of
    here.lost += back.lost
    here.of += back.of
  }
  return { forth: shareOf(sums.forth.lost, sums.forth.of), back: shareOf(sums.back.lost, sums.back.of) }
}

function isRemarked({ symptom }: Fact): boolean {
  return symptom === 'remarked'
}

/** No DSCP changes by chance, so that each packet tells. */
function remarkedWay({ forth, back }: SharesByDirection): Exclude<Direction, 'none'> | undefined {
  if (forth.lost > 0 && back.lost > 0) return 'both'
  if (forth.lost > 0) return 'forward'
  return back.lost > 0 ? 'return' : undefined
}

function directionOf({ forth, back }: SharesByDirection): Exclude<Direction, 'none'> | undefined {
  const [isForth, isBack] = [forth, back].map(({ lost, of }) => natsAbove(usualRate, lost, of) >= certainNats)
  if (isForth === true && isBack === true) return 'both'
  if (isForth === true && isMostly(forth, back)) return 'forward'
  if (isBack === true && isMostly(back, forth)) return 'return'
  return undefined
}

/** Returns whether more is lost on one way than on the other. */
function isMostly(one: Share, other: Share): boolean {
  return natsAbove(one.of / (one.of + other.of), one.lost, one.lost + other.lost) >= certainNats
}
