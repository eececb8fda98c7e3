import type { SeriesReport } from '@scout/core'
import type { SeriesMetric } from './reading.ts'

/*
 * How many samples about single links an agent shows. Most of what Prometheus stores is about links: checks times peers. Metrics by pair of
 * zones and of the agent itself hardly grow with the mesh, and are always complete.
 *
 * Within the budget, all series are shown. Beyond it, half of the budget is for a sample of them that depends only on their names: the first
 * check of every link, then the second, and so on. The other half is for those that fail or have failed in the last ten minutes, and are not
 * in the sample: the ones that fail before the ones that have recovered, and those that began first before the others. So no series comes
 * or goes because another fails, until that half is full, too; then later ones wait.
 */

/** Which series are shown. */
export interface Shown {
  readonly budget: number
  /** Samples that the shown series have at most. */
  readonly used: number
  /** Series that are not shown: those that fail or have failed in the last ten minutes, and others. */
  readonly withheld: { readonly failing: number; readonly other: number }
  /** Whether the series at this index is shown. */
  has(index: number): boolean
}

interface Candidate {
  readonly index: number
  readonly size: number
  readonly series: SeriesReport
}

/** Returns the series that are shown if their metrics may have this many samples. */
export function shownWithin(budget: number, metrics: readonly SeriesMetric[], series: readonly SeriesReport[]): Shown {
  const all = series.map((one, index) => ({ index, series: one, size: sizeOf(metrics, one) }))
  const total = sizeOfAll(all)
  if (total <= budget) return { budget, used: total, withheld: { failing: 0, other: 0 }, has: () => true }
  const sample = fitting(inOrderOfNames(all), budget / 2)
  const inSample = new Set(sample)
  const others = all.filter((one) => !inSample.has(one))
  const failing = others.filter(({ series: one }) => isTroubled(one)).toSorted(compareTrouble)
  const shownFailing = fitting(failing, budget - sizeOfAll(sample))
  const shown = new Set([...sample, ...shownFailing].map(({ index }) => index))
  return {
    budget,
    used: sizeOfAll(sample) + sizeOfAll(shownFailing),
    withheld: { failing: failing.length - shownFailing.length, other: others.length - failing.length },
    has: (index) => shown.has(index),
  }
}

function sizeOf(metrics: readonly SeriesMetric[], series: SeriesReport): number {
  return metrics.reduce((sum, metric) => sum + (metric.size?.(series) ?? 1), 0)
}

function sizeOfAll(candidates: readonly Candidate[]): number {
  return candidates.reduce((sum, { size }) => sum + size, 0)
}

/** Returns the first ones that fit together. */
function fitting(candidates: readonly Candidate[], budget: number): readonly Candidate[] {
  let left = budget
  const end = candidates.findIndex(({ size }) => {
    left -= size
    return left < 0
  })
  return end < 0 ? candidates : candidates.slice(0, end)
}

/**
 * Orders series: the first of each link, then the second. Links are in the order of their targets' names, beginning after that of this node,
 * so that the agents of a mesh show different targets.
 */
function inOrderOfNames(all: readonly Candidate[]): readonly Candidate[] {
  const seen = new Map<string | undefined, number>()
  return all
    .map((candidate) => {
      const { from, to } = candidate.series
      const rank = seen.get(to) ?? 0
      seen.set(to, rank + 1)
      return { candidate, rank, isBefore: Number(to !== undefined && to < from), to: to ?? '' }
    })
    .toSorted((a, b) => a.rank - b.rank || a.isBefore - b.isBefore || compareText(a.to, b.to))
    .map(({ candidate }) => candidate)
}

/** Compares by code units, which all machines do alike. */
function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

/** Of many attempts, some fail in any network. */
const troubledShare = 0.01

function isTroubled({ state, loss, recent: { passed, failed } }: SeriesReport): boolean {
  return state === 'failing' || loss !== undefined || failed > troubledShare * (passed + failed)
}

function compareTrouble({ series: a }: Candidate, { series: b }: Candidate): number {
  const hasRecovered = ({ state }: SeriesReport) => Number(state !== 'failing')
  return hasRecovered(a) - hasRecovered(b) || (a.sinceMs ?? 0) - (b.sinceMs ?? 0)
}
