import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { causes } from '../../src/diagnose/causes/index.ts'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { weightOf } from '../../src/diagnose/explain/vectors.ts'
import type { Finding } from '../../src/diagnose/finding.ts'
import { scopeText } from '../../src/diagnose/scope.ts'
import { type DrawnFault, drawnWorld, placesOf, randomFrom } from './faults.ts'
import { variantsOf } from './tables.ts'

/*
 * Worlds that are drawn from the tables themselves. They show that tables, prices and cover fit each other, not that tables are true: that is
 * for the lab to show.
 */

/** Forms that another cause explains as well on all that checks yield, and is likelier. Either name is right, or `unexplained` beside it. */
const overshadowed: Readonly<Record<string, string>> = {
  // A closed port refuses both, too.
  'protocol-filtered the port refused': 'application-refusing',
  // It refuses all who ask.
  'protocol-filtered TCP refused on a side': 'application-refusing',
  'protocol-filtered UDP refused on a side': 'application-refusing',
  // Where the node's own name server answers, only counters of the kernel tell.
  'checksum-broken all': 'protocol-filtered',
}

const seeds = fc.integer()

describe.each([
  { nodes: 3, runs: 60 },
  { nodes: 10, runs: 16 },
])('in a mesh of $nodes nodes', ({ nodes, runs }) => {
  const faults = faultsIn(nodes)

  test.each([
    { missing: 0, text: 'all facts' },
    { missing: 0.05, text: '5 % of the facts missing' },
  ])('a fault is found at its place and nothing else, with $text', ({ missing }) => {
    fc.assert(
      fc.property(fc.nat(faults.length - 1), seeds, (index, seed) => {
        const drawn = faults.slice(index, index + 1)
        const world = drawnWorld(drawn, { nodes, random: randomFrom(seed), missing })
        // Of what shows in few facts, those that are missing are too many; and one fact alone has no name.
        const failing = world.facts.filter(({ symptom }) => symptom !== 'passes')
        fc.pre(failing.length >= (missing === 0 ? 2 : 8))
        const found = explain(world).map((finding) => shown(finding, drawn))
        expect({ form: drawn.map(({ variant }) => variant.id), found }).toMatchObject({ found: drawn.map(nameOf) })
      }),
      { numRuns: runs, seed: 12, endOnFailure: true },
    )
  })

  test('two faults at two places are both found', () => {
    const ofLinks = faults.filter(({ scope, direction }) => scope.kind === 'link' && direction === 'both')
    const others = faults.flatMap((fault) => movedAway(fault, nodes))
    fc.assert(
      fc.property(fc.nat(ofLinks.length - 1), fc.nat(others.length - 1), seeds, (one, two, seed) => {
        const pair = [...ofLinks.slice(one, one + 1), ...others.slice(two, two + 1)]
        fc.pre(new Set(pair.map(({ cause }) => cause.name)).size === 2 && areCompatible(pair))
        // Two links of a node of three are all of its links, so that failures alike are one of the node.
        fc.pre(nodes > 3 || areUnlike(pair))
        const found = explain(drawnWorld(pair, { nodes, random: randomFrom(seed) }))
        expect({
          forms: pair.map(({ variant }) => variant.id),
          found: found.map((finding) => shown(finding, pair)).toSorted(),
        }).toMatchObject({ found: pair.map(nameOf).toSorted() })
      }),
      { numRuns: runs, seed: 12, endOnFailure: true },
    )
  })
})

/** Returns the fault at another place, which has no link in common with that of node1 and node2; empty if there is none of its kind. */
function movedAway(fault: DrawnFault, nodes: number): readonly DrawnFault[] {
  const { scope, direction } = fault
  switch (scope.kind) {
    case 'link':
      if (direction !== 'both') return []
      return [
        {
          ...fault,
          scope: nodes > 3 ? { ...scope, from: 'node3', to: 'node4' } : { ...scope, from: 'node2', to: 'node3' },
        },
      ]
    case 'node':
    case 'node-side':
      return nodes > 3 ? [{ ...fault, scope: { ...scope, node: 'node5' } }] : []
    case 'name-server':
      return [fault]
    default:
      return []
  }
}

function areUnlike(pair: readonly DrawnFault[]): boolean {
  const [one, two] = pair.map(({ variant }) => variant.lines.flatMap(({ shows }) => shows))
  return one?.some((symptom) => symptom !== 'passes' && two?.includes(symptom)) === false
}

/** Returns whether the same pod network has both: no overlay lacks a tunnel. */
function areCompatible(pair: readonly DrawnFault[]): boolean {
  const names = pair.map(({ cause }) => cause.name)
  return (
    !names.includes('routing-broken') || !names.some((name) => ['overlay-blocked', 'checksum-broken'].includes(name))
  )
}

/** Returns every form of every cause that has evidence, at every place where it shows something. */
function faultsIn(nodes: number): readonly DrawnFault[] {
  return causes
    .filter(({ waitsFor }) => waitsFor === undefined)
    .flatMap((cause) =>
      placesOf(cause, nodes).flatMap((place) =>
        variantsOf(cause)
          .filter(({ scopes }) => scopes?.includes(place.scope.kind) !== false)
          .map((variant): DrawnFault => ({ cause, variant, ...place }))
          .filter((fault) => isShown(fault, nodes)),
      ),
    )
}

function isShown(fault: DrawnFault, nodes: number): boolean {
  const world = drawnWorld([fault], { nodes, random: () => 0.5 })
  return world.facts.some(
    (fact) => fact.symptom !== 'passes' && weightOf(fault.variant, { fact, isWeak: false }).explains,
  )
}

/** Returns the finding as the fault it is, if that is what it says: by its name, or as one that it leaves possible. */
function shown({ cause, rivals, scope, direction }: Finding, faults: readonly DrawnFault[]): string {
  const place = scopeText(scope, direction)
  const names = [cause, ...rivals.map((rival) => rival.cause)]
  const meant = faults.find(
    (fault) =>
      scopeText(fault.scope, fault.direction) === place &&
      (names.includes(fault.cause.name) || overshadowed[`${fault.cause.name} ${fault.variant.id}`] === cause),
  )
  return meant === undefined ? `${names.join(' or ')} ${place}` : nameOf(meant)
}

function nameOf({ cause, scope, direction }: DrawnFault): string {
  return `${cause.name} ${scopeText(scope, direction)}`
}
