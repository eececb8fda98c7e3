import { Detector, idOf, LossChart, probeNamed, type SeriesKey, thresholdOf } from '@scout/core'
import type { PlannedTask } from '../plan/plan.ts'

/** The detectors of all series, with thresholds that follow from the size of the mesh. */
interface Detection {
  detectorFor(task: PlannedTask): Detector
  /** Sets the thresholds for these tasks, and drops the charts of links without a series. */
  resize(tasks: readonly PlannedTask[], series: Iterable<Detected>): void
}

/** Share of an interval after which the next result of a stream may come. */
const punctual = 0.9

interface Detected {
  readonly key: SeriesKey
  readonly detector: Detector
}

export function createDetection(): Detection {
  /** All series of one link that should lose packets together. */
  const links = new Map<string, LossChart>()

  const linkFor = (key: SeriesKey, threshold: number): LossChart | undefined => {
    if (key.to === undefined) return undefined
    const id = linkOf(key)
    const link = links.get(id) ?? new LossChart(threshold)
    links.set(id, link)
    return link
  }

  return {
    detectorFor({ key, check: { protocol, intervalMs, socket } }) {
      // `resize` follows.
      const threshold = thresholdOf({ nodes: 2, checks: 1, intervalMs })
      return new Detector({
        threshold,
        // A kept flow loses what others do, but it repeats that; and only what answers over it is slow.
        yields: socket === undefined ? (probeNamed(protocol).yields ?? 'time') : 'facts',
        link: socket === undefined ? linkFor(key, threshold) : undefined,
      })
    },
    resize(tasks, series) {
      const nodes = 1 + new Set(tasks.flatMap(({ key }) => key.to ?? [])).size
      const checks = new Set(tasks.map(({ check }) => check.name)).size
      const paces = new Map(
        tasks.map(({ key, check: { intervalMs }, perInterval = 1 }) => [idOf(key), { intervalMs, perInterval }]),
      )
      const rates = new Map<string, number>()
      const kept = new Set<string>()
      for (const { key, detector } of series) {
        const link = linkOf(key)
        kept.add(link)
        const pace = paces.get(idOf(key))
        if (pace === undefined) continue
        const { intervalMs, perInterval } = pace
        const spacingMs = intervalMs / perInterval
        detector.setThresholds({
          attempts: thresholdOf({ nodes, checks, intervalMs: spacingMs }),
          results: thresholdOf({ nodes, checks, intervalMs }),
          resultsMs: perInterval > 1 ? punctual * intervalMs : 0,
        })
        rates.set(link, (rates.get(link) ?? 0) + 1 / spacingMs)
      }
      for (const [id, rate] of rates) {
        const link = links.get(id)
        if (link !== undefined) link.threshold = thresholdOf({ nodes, checks: 1, intervalMs: 1 / rate })
      }
      for (const id of links.keys()) if (!kept.has(id)) links.delete(id)
    },
  }
}

function linkOf({ from, to, path, vantage }: SeriesKey): string {
  return JSON.stringify([from, to, path, vantage])
}
