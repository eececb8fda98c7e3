import { describe, expect, test } from 'vitest'
import { failureGroups, failureSentence } from '../../src/mesh/failures.ts'
import { meshOf } from '../../src/mesh/links.ts'
import type { SeriesReport } from '../../src/mesh/row.ts'
import { failed, nowMs, rowOf, seriesOf } from './rows.ts'

const nodes = ['a', 'b', 'c', 'd', 'e']

/** Returns the sentences about a mesh of five nodes in which these links fail. */
function sentences(isFailing: (from: string, to: string) => boolean, more: Partial<SeriesReport> = {}) {
  const rows = nodes.map((from) => {
    const others = nodes.filter((to) => to !== from)
    const series = others.map((to) =>
      isFailing(from, to) ? failed({ from, to, ...more }, 'timeout') : seriesOf({ from, to }),
    )
    return { node: from, received: { row: rowOf(from, series), receivedAtMs: nowMs } }
  })
  const groups = failureGroups(meshOf(rows).links)
  return groups.map((group) => failureSentence(group, nowMs))
}

describe('failures are reported', () => {
  test('link by link if few fail', () => {
    expect(sentences((from, to) => from === 'a' && to === 'b')).toEqual([
      'a -> b: tcp fails since 11:57:50 (2m10s): timeout in connect: it ended as timeout',
    ])
  })

  test('together if many links fail in the same way and share an end', () => {
    expect(sentences((from) => from === 'c')).toEqual([
      'c -> 4 nodes: tcp fails since 11:57:50 (2m10s): timeout in connect: it ended as timeout',
    ])
  })

  test('once for a link in both a failing row and a failing column', () => {
    const told = sentences((from, to) => from === 'a' || to === 'b')
    expect(told).toHaveLength(2)
    expect(told[0]).toMatch(/^(a -> 4 nodes|4 nodes -> b): /)
    expect(told[1]).toMatch(/^(c, d, e -> b|a -> c, d, e): /)
  })

  test('with the date if they began on another day, including the same day of another month', () => {
    const monthAgoMs = new Date(2025, 11, 2, 11, 0, 0).getTime()
    const [sentence] = sentences((from, to) => from === 'a' && to === 'b', { sinceMs: monthAgoMs })
    expect(sentence).toContain('since 2025-12-02 11:00:00')
  })
})
