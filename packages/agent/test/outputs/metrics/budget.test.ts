import type { SeriesReport } from '@scout/core'
import { describe, expect, test } from 'vitest'
import { shownWithin } from '../../../src/outputs/metrics/budget.ts'
import { expositionOf } from '../../../src/outputs/metrics/exposition.ts'
import { metrics } from '../../../src/outputs/metrics/metrics.ts'
import type { SeriesMetric } from '../../../src/outputs/metrics/reading.ts'
import { failingSeriesOf, rowOf, seriesOf } from '../../support/rows.ts'

/** Two samples for each series. */
const twoEach: readonly SeriesMetric[] = ['a', 'b'].map((name) => ({
  name,
  help: '',
  type: 'gauge',
  labels: [],
  readSeries() {},
}))
const checks = ['http', 'udp', 'icmp']

/** Returns the series of the agent on node-3 to these many nodes, check by check as in a plan. */
function meshOf(nodes: number, failing: Readonly<Record<string, Partial<SeriesReport>>> = {}): readonly SeriesReport[] {
  const others = Array.from({ length: nodes }, (_, index) => `node-${index + 1}`).filter((name) => name !== 'node-3')
  return checks.flatMap((check) =>
    others.map((to) => {
      const parts = failing[`${check} ${to}`]
      const named = { check, from: 'node-3', to }
      return parts === undefined
        ? seriesOf({ ...named, tookSeconds: [0.001] })
        : failingSeriesOf('timeout', { ...named, ...parts })
    }),
  )
}

function namesOf(series: readonly SeriesReport[], budget: number): readonly string[] {
  const shown = shownWithin(budget, twoEach, series)
  return series.flatMap(({ check, to }, index) => (shown.has(index) ? [`${check} ${to}`] : []))
}

describe('the budget', () => {
  test('shows everything that fits', () => {
    const series = meshOf(4)
    const shown = shownWithin(18, twoEach, series)
    expect(series.every((_, index) => shown.has(index))).toBe(true)
    expect(shown).toMatchObject({ budget: 18, used: 18, withheld: { failing: 0, other: 0 } })
  })

  test('beyond it, half shows the first check of each link, those after this node first, then the second check', () => {
    expect(namesOf(meshOf(5), 12)).toEqual(['http node-1', 'http node-4', 'http node-5'])
    expect(namesOf(meshOf(5), 22)).toEqual(['http node-1', 'http node-2', 'http node-4', 'http node-5', 'udp node-4'])
  })

  test('the other half shows those that fail, the longest failing first, and none of the sample gives way', () => {
    const failing = { 'icmp node-1': { sinceMs: 30 }, 'udp node-2': { sinceMs: 20 }, 'udp node-1': { sinceMs: 10 } }
    const sample = namesOf(meshOf(5), 8)
    expect(sample).toEqual(['http node-4', 'http node-5'])
    expect(namesOf(meshOf(5, failing), 8)).toEqual(['http node-4', 'http node-5', 'udp node-1', 'udp node-2'])
    expect(shownWithin(8, twoEach, meshOf(5, failing))).toMatchObject({ used: 8, withheld: { failing: 1, other: 7 } })
  })

  test('what has failed in the last ten minutes stays until something that fails needs its place', () => {
    const recovered = { state: 'ok' as const, recent: { passed: 3, failed: 1, other: 0 }, sinceMs: 40 }
    expect(namesOf(meshOf(5, { 'icmp node-1': recovered }), 6)).toEqual(['http node-4', 'icmp node-1'])
    const both = { 'icmp node-1': recovered, 'icmp node-2': {}, 'udp node-2': {} }
    expect(namesOf(meshOf(5, both), 6)).toEqual(['http node-4', 'udp node-2', 'icmp node-2'])
  })

  test('a mesh whose links fail and recover one after the other keeps its sample', () => {
    const sample = namesOf(meshOf(9), 12)
    for (const { check, to } of meshOf(9)) {
      expect(namesOf(meshOf(9, { [`${check} ${to}`]: {} }), 12)).toEqual(expect.arrayContaining([...sample]))
    }
  })

  test('of zero shows none', () => {
    expect(namesOf(meshOf(3, { 'udp node-1': {} }), 0)).toEqual([])
  })
})

test('no exposition has more samples about links than its budget', () => {
  const unusual = { total: { passed: 1, reasons: { timeout: 1, reset: 2, 'http-status': 3 } } }
  const failing = Object.fromEntries(meshOf(12).map(({ check, to }) => [`${check} ${to}`, unusual]))
  for (const series of [
    meshOf(12),
    meshOf(12, failing),
    meshOf(12).map((one) => ({ ...one, state: 'unable' as const })),
  ]) {
    for (const budget of [0, 50, 100, 333]) {
      const text = Buffer.concat(expositionOf(metrics, rowOf({ series }), { budget })).toString()
      const samples = text.match(/^scout_probe_.*target_node=/gm) ?? []
      expect(samples.length).toBeLessThanOrEqual(budget)
      expect(samples.length > 0).toBe(budget > 0)
    }
  }
})
