import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { causes } from '../../src/diagnose/causes/index.ts'
import type { Arrival, Evidence, Fact } from '../../src/diagnose/evidence.ts'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { evidenceOf } from '../../src/diagnose/facts.ts'
import { scopeText } from '../../src/diagnose/scope.ts'
import { nowMs, rowOf } from '../mesh/rows.ts'
import { type DrawnFault, drawnWorld, placesOf, randomFrom } from './faults.ts'
import { variantsOf } from './tables.ts'
import { type WorldOptions, worldOf } from './world.ts'

/** Whether everything from one node to another is lost. */
type Loss = (from: string, to: string) => boolean

interface Options extends WorldOptions {
  readonly isAffected?: (fact: Fact) => boolean
  /** What gets no answer beside it. */
  readonly isDeaf?: (fact: Fact) => boolean
  /** Changes what a failing check shows. */
  readonly failing?: Partial<Fact>
  /** Changes what is known of an arrival; undefined removes it. */
  readonly arrival?: (arrival: Arrival, world: Evidence) => Arrival | undefined
}

const lossMs = 40_000

/** Returns a mesh in which attempts fail wherever a request or its answer is lost, with what arrives where. */
function worldWith(
  isLost: Loss,
  { isAffected = () => true, isDeaf = () => false, failing = {}, arrival = (one) => one, ...world }: Options,
) {
  const evidence = worldOf(
    [
      (fact) => {
        const { from, to } = fact
        const isAnswered = to.kind !== 'node' || from === to.name || !(isLost(from, to.name) || isLost(to.name, from))
        return (isAnswered || !isAffected(fact)) && !isDeaf(fact)
          ? undefined
          : { symptom: 'silent', reason: 'timeout', ...failing }
      },
    ],
    world,
  )
  const { atMs, nodes } = evidence
  const arrivals = nodes.flatMap(({ name: from }) =>
    nodes.flatMap(({ name: at }) =>
      ['ipv4', 'ipv6'].map((family) => {
        const lastMs = isLost(from, at) ? atMs - lossMs - 4_000 : atMs - 2_000
        return { at, from, family, lastMs, asOfMs: atMs - 500 }
      }),
    ),
  )
  return {
    ...evidence,
    arrivals: arrivals.flatMap((one) => (one.from === one.at ? [] : (arrival(one, evidence) ?? []))),
  }
}

function found(evidence: Evidence) {
  return explain(evidence).map(({ scope, direction }) => `${direction}: ${scopeText(scope, direction)}`)
}

function onWay(one: string, other: string): Loss {
  return (from, to) => from === one && to === other
}

const zoneOf = (node: string) => Number(node.at(-1)) % 2

describe('everything lost', () => {
  test.each<{ name: string; isLost: Loss; nodes?: number; finds: string; clause?: string }>([
    {
      name: 'from one node to another',
      isLost: onWay('node2', 'node3'),
      finds: 'forward: node2 -> node3',
      clause: 'no UDP request from node2 arrives at node3, while those from node3 arrive at node2',
    },
    {
      name: 'the other way, though attempts fail alike',
      isLost: onWay('node3', 'node2'),
      finds: 'forward: node3 -> node2',
    },
    {
      name: 'both ways',
      isLost: (from, to) => onWay('node2', 'node3')(from, to) || onWay('node3', 'node2')(from, to),
      finds: 'both: node2 <-> node3',
    },
    {
      name: 'out of a node',
      nodes: 5,
      isLost: (from) => from === 'node2',
      finds: 'forward: node2 -> all nodes',
      clause: 'no UDP request from node2 arrives at the other nodes, while those from the other nodes arrive at node2',
    },
    { name: 'into a node', nodes: 5, isLost: (_, to) => to === 'node2', finds: 'forward: all nodes -> node2' },
    {
      name: 'in and out of a node',
      nodes: 5,
      isLost: (from, to) => from === 'node2' || to === 'node2',
      finds: 'both: node2',
    },
    {
      name: 'from one zone to another',
      nodes: 8,
      isLost: (from, to) => zoneOf(from) === 0 && zoneOf(to) === 1,
      finds: 'forward: zone-2 -> zone-1',
    },
  ])('$name is said to be lost there', ({ isLost, nodes = 3, finds, clause }) => {
    const world = worldWith(isLost, { nodes })
    expect(found(world)).toEqual([finds])
    const clauses = explain(world).flatMap(({ evidence }) => evidence.filter((one) => one.includes('arrive')))
    if (clause !== undefined) expect(clauses).toEqual([clause])
  })

  test('into or out of a node does not cut it off', () => {
    for (const isLost of [(from: string) => from === 'node2', (_: string, to: string) => to === 'node2']) {
      const world = worldWith(isLost, { nodes: 5, isDeaf: ({ from, to }) => from === 'node2' && to.kind !== 'node' })
      expect(explain({ ...world, arrivals: [] })).toMatchObject([{ cause: 'node-isolated' }])
      expect(explain(world)).not.toMatchObject([{ cause: 'node-isolated' }])
    }
  })

  test.each<{ name: string; options: Options }>([
    {
      name: 'requests come under the address of a node, so that none is known to arrive',
      options: { arrival: () => undefined },
    },
    { name: 'one responder knows nothing', options: { arrival: (one) => (one.at === 'node3' ? undefined : one) } },
    { name: 'it failed only twice', options: { failing: { trials: 2 } } },
    {
      name: 'it fails for less time than rows may be off',
      options: { failing: { sinceMs: worldOf([]).atMs - 14_000 } },
    },
    {
      name: 'a row is of a time soon after the loss began',
      options: { arrival: (one, { atMs }) => ({ ...one, asOfMs: Math.min(one.asOfMs, atMs - lossMs + 10_000) }) },
    },
    {
      name: 'something arrived in between',
      options: { arrival: (one, { atMs }) => (one.at === 'node3' ? { ...one, lastMs: atMs - 20_000 } : one) },
    },
    { name: 'UDP passes', options: { isAffected: ({ protocol }) => protocol !== 'udp' } },
    { name: 'its sender is not known to fail', options: { isAffected: ({ from }) => from === 'node2' } },
  ])('has the direction it had without arrivals where $name', ({ options }) => {
    const world = worldWith(onWay('node2', 'node3'), options)
    expect(explain(world)).toEqual(explain({ ...world, arrivals: [] }))
  })
})

describe('requests that arrive at both ends, though nothing answers them', () => {
  const arriving = (one: Arrival, { atMs }: Evidence) => ({ ...one, lastMs: atMs - 2_000 })
  const silent = onWay('node2', 'node3')

  test('are those of a path on which answers are lost, and requests are not', () => {
    const [finding, ...others] = explain(worldWith(silent, { arrival: arriving }))
    expect(others).toEqual([])
    expect(finding).toMatchObject({
      cause: 'asymmetric-route',
      direction: 'both',
      scope: { kind: 'link', from: 'node2', to: 'node3' },
      rivals: [],
    })
    expect(finding?.evidence.join('\n')).toContain(
      'UDP requests arrive at both ends, and no answers: node2 -> node3, node3 -> node2',
    )
  })

  test('say nothing of what else is silent', () => {
    const world = worldWith(silent, { arrival: arriving, isAffected: ({ protocol }) => protocol === 'udp' })
    const [finding] = explain(world)
    expect(finding).toMatchObject({ cause: 'protocol-filtered', rivals: [] })
  })

  test.each<{ name: string; options: Options }>([
    {
      name: 'one responder knows nothing',
      options: { arrival: (one, world) => (one.at === 'node3' ? undefined : arriving(one, world)) },
    },
    {
      name: 'they last arrived before it failed',
      options: { arrival: (one, { atMs }) => ({ ...one, lastMs: atMs - lossMs - 2_000 }) },
    },
    { name: 'some are answered', options: { arrival: arriving, failing: { symptom: 'lossy' } } },
    { name: 'it failed only twice', options: { arrival: arriving, failing: { trials: 2 } } },
  ])('are not known where $name', ({ options }) => {
    const found = explain(worldWith(silent, options)).map(({ cause }) => cause)
    expect(found).not.toContain('asymmetric-route')
    expect(found.length).toBeGreaterThan(0)
  })
})

describe('IPv4 requests that arrive on one way only, while IPv6 passes', () => {
  const ipv4 = { isAffected: ({ family }: Fact) => family === 'ipv4' }
  const lost = worldWith(onWay('node2', 'node3'), ipv4)

  test('may be dropped by reverse path, which nothing here tells from another loss of IPv4', () => {
    expect(explain(lost)).toMatchObject([
      { cause: 'family-broken', direction: 'forward', rivals: [{ cause: 'asymmetric-route' }] },
    ])
  })

  test('are not suspected of it where there is no IPv6 to compare with', () => {
    const ipv4Only = { ...lost, facts: lost.facts.filter(({ family }) => family !== 'ipv6') }
    const causes = explain(ipv4Only).flatMap(({ cause, rivals }) => [cause, ...rivals.map((rival) => rival.cause)])
    expect(causes).not.toContain('asymmetric-route')
    expect(causes.length).toBeGreaterThan(0)
  })
})

describe('whatever a node says to have arrived', () => {
  const faults = causes.flatMap((cause) =>
    placesOf(cause, 3).flatMap((place) =>
      variantsOf(cause).map((variant): DrawnFault => ({ cause, variant, ...place })),
    ),
  )
  const arrivalAt = (at: string) =>
    fc.record({
      at: fc.constant(at),
      from: fc.constantFrom('node1', 'node2', 'node3'),
      family: fc.constantFrom('ipv4', 'ipv6', 'other'),
      lastMs: fc.integer({ min: worldOf([]).atMs - 100_000, max: worldOf([]).atMs }),
      asOfMs: fc.integer({ min: worldOf([]).atMs - 20_000, max: worldOf([]).atMs }),
    })

  test('changes no finding, while no other says anything', () => {
    fc.assert(
      fc.property(fc.nat(faults.length - 1), fc.integer(), fc.array(arrivalAt('node2')), (index, seed, arrivals) => {
        const world = drawnWorld(faults.slice(index, index + 1), { nodes: 3, random: randomFrom(seed) })
        expect(explain({ ...world, arrivals })).toEqual(explain(world))
      }),
      { numRuns: 40, seed: 12 },
    )
  })
})

describe('of a row', () => {
  const arrivals = [{ from: 'node2', family: 'ipv4', atMs: nowMs - 1_000 }] as const

  test('arrivals are shown on the clock of the reader', () => {
    const received = { row: { ...rowOf('node1', []), arrivals }, receivedAtMs: nowMs + 7_000 }
    expect(evidenceOf([{ node: 'node1', received }], nowMs).arrivals).toEqual([
      { at: 'node1', from: 'node2', family: 'ipv4', lastMs: nowMs + 6_000, asOfMs: nowMs + 7_000 },
    ])
  })

  test('those of an agent that lacks CPU are none', () => {
    const lateness = { spanMs: 60_000, started: 100, late: 0, skipped: 0, stalledMs: 3_000 }
    const received = { row: { ...rowOf('node1', []), arrivals, lateness }, receivedAtMs: nowMs }
    expect(evidenceOf([{ node: 'node1', received }], nowMs).arrivals).toEqual([])
  })
})
