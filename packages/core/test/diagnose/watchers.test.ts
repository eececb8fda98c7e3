import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Candidate, rankedWatchers, speakerOf, watchersOf } from '../../src/diagnose/watchers.ts'

const zone = fc.constantFrom(undefined, '', 'a', 'b', 'c', 'd')
const mesh = fc.uniqueArray(fc.record({ node: fc.string({ minLength: 1, maxLength: 12 }), zone }), {
  selector: ({ node }) => node,
  minLength: 1,
  maxLength: 40,
})

const chosen = (candidates: readonly Candidate[], name?: string) => watchersOf(rankedWatchers(candidates, name))

describe('the watchers of a mesh', () => {
  test('are the same for every agent, whatever the order of its peers', () => {
    fc.assert(
      fc.property(
        mesh.chain((nodes) => fc.tuple(fc.constant(nodes), fc.shuffledSubarray(nodes, { minLength: nodes.length }))),
        ([nodes, shuffled]) => {
          expect(chosen(shuffled)).toEqual(chosen(nodes))
        },
      ),
    )
  })

  test('are three, or all where there are fewer, and in different zones while there are enough', () => {
    fc.assert(
      fc.property(mesh, (nodes) => {
        const watchers = chosen(nodes)
        expect(watchers).toHaveLength(Math.min(3, nodes.length))
        const zonesOf = (some: readonly Candidate[]) =>
          new Set(some.map(({ node, zone }) => (zone === undefined || zone === '' ? `none ${node}` : zone))).size
        expect(zonesOf(watchers)).toBe(Math.min(3, zonesOf(nodes)))
      }),
    )
  })

  test('change by at most one when a node leaves, and not at all if it watched nothing', () => {
    fc.assert(
      fc.property(
        mesh.chain((nodes) => fc.tuple(fc.constant(nodes), fc.constantFrom(...nodes))),
        ([nodes, leaving]) => {
          const before = chosen(nodes)
          const after = chosen(nodes.filter((node) => node !== leaving))
          const added = after.filter((node) => !before.includes(node))
          expect(added.length).toBeLessThanOrEqual(before.includes(leaving) ? 1 : 0)
        },
      ),
    )
  })

  test('are any of ten nodes about as often, over many meshes', () => {
    const nodes = Array.from({ length: 10 }, (_, index) => ({ node: `node-${index}` }))
    const counts = new Map<string, number>()
    for (let index = 0; index < 3_000; index++) {
      for (const { node } of chosen(nodes, `mesh-${index}`)) counts.set(node, (counts.get(node) ?? 0) + 1)
    }
    // 900 each; the standard deviation is 25.
    for (const { node } of nodes) expect(Math.abs((counts.get(node) ?? 0) - 900)).toBeLessThan(125)
  })
})

describe('the watcher that speaks', () => {
  test.each([
    { sights: [10, 10, 10], of: 10, speaks: 'w1' },
    { sights: [4, 5, 10], of: 10, speaks: 'w2' },
    { sights: [2, 4, 3], of: 10, speaks: 'w2' },
    { sights: [1, 1, 1], of: 10, speaks: 'w1' },
    { sights: [], of: 10, speaks: undefined },
  ])('is $speaks where they hold $sights of $of rows', ({ sights, of, speaks }) => {
    const ranked = sights.map((rows, index) => ({ node: `w${index + 1}`, rows }))
    expect(speakerOf(ranked, of)).toBe(speaks)
  })
})
