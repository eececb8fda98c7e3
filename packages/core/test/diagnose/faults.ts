import { createRandom } from '../../../../test/support/random.mjs'
import type { Cause, Variant } from '../../src/diagnose/cause.ts'
import type { Evidence, Fact, Symptom } from '../../src/diagnose/evidence.ts'
import type { Direction, Scope } from '../../src/diagnose/scope.ts'
import { broken, isBetween, type WorldOptions, worldOf } from './world.ts'

/** A form of a cause at a place. */
export interface DrawnFault {
  readonly cause: Cause
  readonly variant: Variant
  readonly scope: Scope
  readonly direction: Direction
}

/** Number from 0 to 1. */
export type Random = () => number

/** Returns a generator of numbers that depend on the seed alone. */
export function randomFrom(seed: number): Random {
  return createRandom(seed).ratio
}

const nameServer = '10.96.0.10'
const service = 'web.default.svc'

/** Returns every kind of place at which a cause may be, in a mesh of this size. */
export function placesOf({ scopes }: Cause, nodes: number): readonly Pick<DrawnFault, 'scope' | 'direction'>[] {
  const places: readonly Pick<DrawnFault, 'scope' | 'direction'>[] = [
    { scope: { kind: 'link', from: 'node1', to: 'node2' }, direction: 'forward' },
    { scope: { kind: 'link', from: 'node1', to: 'node2' }, direction: 'both' },
    { scope: { kind: 'node-side', node: 'node2', side: 'in' }, direction: 'forward' },
    { scope: { kind: 'node-side', node: 'node2', side: 'out' }, direction: 'forward' },
    { scope: { kind: 'node', node: 'node2' }, direction: 'both' },
    // In three nodes of two zones, a zone is a node.
    ...(nodes > 3
      ? [
          { scope: { kind: 'zone-pair', zones: ['zone-1', 'zone-2'] }, direction: 'both' } as const,
          { scope: { kind: 'node-group', nodes: ['node1', 'node2', 'node3'] }, direction: 'both' } as const,
        ]
      : []),
    { scope: { kind: 'cluster' }, direction: 'both' },
    { scope: { kind: 'name-server', address: nameServer }, direction: 'none' },
    { scope: { kind: 'service', name: service }, direction: 'none' },
    { scope: { kind: 'prober', node: 'node2' }, direction: 'none' },
  ]
  return places.filter(({ scope }) => scopes.includes(scope.kind))
}

/** Returns the evidence of a mesh in which these faults show what their tables say. */
export function drawnWorld(
  faults: readonly DrawnFault[],
  { nodes, random, missing = 0 }: { readonly nodes: number; readonly random: Random; readonly missing?: number },
): Evidence {
  const zoneOf = (name: string) => Number(name.slice('node'.length)) % 2
  const options: WorldOptions = {
    nodes,
    services: [service],
    isProven: true,
    dnsPods: ['10.244.1.10', '10.244.2.10'],
    node: ({ name }) => ({
      isOverlay: faults.some(({ cause }) => overlays.has(cause.name)) || undefined,
      ...(faults.some(({ cause }) => cause.name === 'routing-broken') ? { isOverlay: false } : {}),
      hasRow: !faults.some(({ cause, scope }) => cause.name === 'node-down' && 'node' in scope && scope.node === name),
      isStarved: faults.some(({ scope }) => scope.kind === 'prober' && scope.node === name),
    }),
  }
  const world = worldOf([], options)
  const changes = new Map(
    faults.flatMap((fault) =>
      drawn(
        fault,
        world.facts.filter((fact) => isIn(fault, fact, zoneOf)),
        random,
      ),
    ),
  )
  const facts = world.facts.filter(() => random() >= missing)
  return { ...world, facts: facts.map((fact) => broken(fact, [() => changes.get(fact)])) }
}

const overlays: ReadonlySet<string> = new Set(['overlay-blocked', 'checksum-broken'])

type Change = readonly [Fact, Partial<Fact>]

/** Returns what the lines of a table say of these facts. As many of each line's show it as is likeliest. */
function drawn({ variant: { lines } }: DrawnFault, facts: readonly Fact[], random: Random): readonly Change[] {
  return lines.flatMap((line) => {
    const own = facts.filter((fact) => lines.find(({ about }) => about(fact)) === line)
    const shown = shuffled(own, random).slice(
      0,
      Math.ceil(own.length * (line.probability > 0.99 ? 1 : line.probability)),
    )
    return shown.flatMap((fact): readonly Change[] => {
      const symptom = line.shows[Math.floor(random() * line.shows.length)]
      return symptom === undefined || symptom === 'passes' ? [] : [[fact, changeTo(symptom)]]
    })
  })
}

function changeTo(symptom: Symptom): Partial<Fact> {
  switch (symptom) {
    case 'lossy':
      return { symptom, loss: { low: 0.03, high: 0.09 } }
    case 'slow':
      return { symptom, slowerNs: 3_000_000 }
    case 'jittery':
      return { symptom, slowerNs: 6_000_000, spread: { nowNs: 12_000_000, usualNs: 300_000 } }
    default:
      return { symptom }
  }
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ item }) => item)
}

function isIn({ scope, direction }: DrawnFault, fact: Fact, zoneOf: (node: string) => number): boolean {
  const { from, to } = fact
  const isToNode = to.kind === 'node' && from !== to.name
  switch (scope.kind) {
    case 'link':
      return direction === 'both' ? isBetween(fact, scope.from, scope.to) : from === scope.from && to.name === scope.to
    case 'node':
    case 'prober':
      return from === scope.node || to.name === scope.node
    case 'node-side':
      return scope.side === 'out' ? from === scope.node : to.name === scope.node
    case 'zone-pair':
      return isToNode && zoneOf(from) !== zoneOf(to.name)
    case 'node-group':
      return isToNode && scope.nodes.includes(from) !== scope.nodes.includes(to.name)
    case 'cluster':
      return to.kind === 'node'
    case 'name-server':
      return to.kind === 'name-server'
    case 'service':
      return to.kind === 'service'
  }
}
