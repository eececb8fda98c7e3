import { describe, expect, test } from 'vitest'
import { clockFacts } from '../../src/diagnose/clocks.ts'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { worldOf } from './world.ts'

const receivedAtMs = Date.UTC(2026, 0, 2, 12, 0, 0)

/** Clocks of nodes, by how many milliseconds they are ahead of the reader's. */
function factsOf(aheadMs: readonly number[]) {
  return clockFacts(
    aheadMs.map((ms, index) => {
      const row = { takenAtMs: receivedAtMs + ms, startedAtMs: receivedAtMs + ms - 600_000 }
      return { node: `node${index + 1}`, received: { row, receivedAtMs } }
    }),
  )
}

describe('a clock', () => {
  test.each([
    { name: 'that is right', aheadMs: [0, -300, -1_200], skewed: [] },
    { name: 'that is ahead', aheadMs: [0, 12_000, -1_200], skewed: ['the clock of node2 is 12 s ahead of the others'] },
    { name: 'that is behind', aheadMs: [-60_000, 0, 0], skewed: ['the clock of node1 is 60 s behind the others'] },
    { name: 'of the reader alone', aheadMs: [30_000, 30_100, 29_000], skewed: [] },
    { name: 'of one of two nodes', aheadMs: [0, 30_000], skewed: ['the clock of node2 is 30 s ahead of the others'] },
  ])('$name', ({ aheadMs, skewed }) => {
    expect(factsOf(aheadMs).flatMap(({ message }) => message ?? [])).toEqual(skewed)
  })

  test('that is wrong is an informational finding about its node', () => {
    const world = worldOf([])
    const found = explain({
      ...world,
      facts: [...world.facts.filter(({ check }) => check !== 'clock'), ...factsOf([0, 12_000, 0])],
    })
    expect(
      found.map(({ cause, scope, severity, summary, evidence }) => ({
        cause,
        scope,
        severity,
        summary,
        first: evidence[0],
      })),
    ).toEqual([
      {
        cause: 'clock-skew',
        scope: { kind: 'node', node: 'node2' },
        severity: 'informational',
        summary: 'the clock of node2 is 12 s ahead of the others',
        first: 'clock is wrong on node2',
      },
    ])
  })
})
