import {
  durationEdgesSeconds,
  entriesOf,
  type FailureReason,
  outcomeFor,
  pathNs,
  type Row,
  type SeriesReport,
  serverPaths,
  usualReasonsOf,
} from '@scout/core'
import { checkLabels, type Labels, linkLabels } from './labels.ts'
import type { Exemplar, Metric } from './reading.ts'

const zoneLabels = [...checkLabels, 'source_zone', 'target_zone'] as const

/**
 * Labels of durations between zones, whose buckets are most of what an agent exposes. A check has one protocol and one vantage, and one path
 * unless it asks several name servers; the other metrics have these labels with the same check.
 */
const durationLabels = ['check', 'path', 'family', 'source_zone', 'target_zone'] as const
const severalPaths: ReadonlySet<string> = new Set([...serverPaths, 'dns-pod'])

const attemptLabels = ['outcome', 'reason'] as const
type AttemptLabels = Record<(typeof attemptLabels)[number], string>

const succeeded = { outcome: 'success', reason: '' } satisfies AttemptLabels

/** A scrape has thousands of these, of a few kinds: their text is remembered with them. */
const failed = remembered((reason: FailureReason): AttemptLabels => ({ outcome: outcomeFor(reason), reason }))
const stampedBy = remembered((clock: string) => ({ clock }))
const usualOf = remembered(usualReasonsOf)

function remembered<From, To>(compute: (from: From) => To): (from: From) => To {
  const known = new Map<From, To>()
  return (from) => {
    const value = known.get(from) ?? compute(from)
    known.set(from, value)
    return value
  }
}

/** What an agent's attempts came to: by pair of zones, always complete; and by link, as far as the budget allows. */
export const linkMetrics = [
  {
    name: 'scout_zone_attempts_total',
    help: 'Attempts by pair of zones and outcome. Unlike those of links, they include every link.',
    type: 'counter',
    labels: [...zoneLabels, 'outcome'],
    read({ durations }, write) {
      for (const one of durations) {
        const { passed, reasons } = one.total
        const counts = new Map<string, number>([
          ['success', passed],
          ['failure', 0],
        ])
        for (const [reason, count] of entriesOf(reasons)) {
          const outcome = outcomeFor(reason)
          counts.set(outcome, (counts.get(outcome) ?? 0) + count)
        }
        const labels = zoneLabelsOf(one)
        for (const [outcome, count] of counts) write(count, { ...labels, outcome })
      }
    },
  },
  {
    name: 'scout_probe_duration_seconds',
    help: 'Durations of successful attempts by pair of zones, excluding name resolution. Of a stream (udp), one of up to twenty answers in a row. They have a path only if it is that of a name server: otherwise, the check implies it.',
    type: 'histogram',
    labels: durationLabels,
    edges: durationEdgesSeconds,
    read(row, write) {
      const exemplarsOf = exemplarsByZone(row)
      for (const one of row.durations) {
        const { counts, sumNs, total } = one
        if (total.passed === 0) continue
        const labels = durationLabelsOf(one)
        write({ counts, sum: sumNs / 1e9, exemplars: () => exemplarsOf(labels) }, labels)
      }
    },
  },
  {
    name: 'scout_probe_phase_seconds_total',
    help: 'Time that successful attempts spent in each phase, by pair of zones. Over the count of scout_probe_duration_seconds it is the mean of the phase.',
    type: 'counter',
    labels: [...durationLabels, 'phase'],
    read({ durations }, write) {
      for (const one of durations) {
        const labels = durationLabelsOf(one)
        for (const [phase, ns] of Object.entries(one.phasesNs)) {
          write(ns / 1e9, { ...labels, phase })
        }
      }
    },
  },
  {
    name: 'scout_probe_attempts_total',
    help: 'Attempts by outcome and reason; each packet of a stream (udp) is one. inconclusive: failed because of this host; unable: this agent lacks a privilege or feature. A success has no reason. Successes and the usual failures (timeout, refused, unreachable) count from 0, other reasons appear with their first.',
    type: 'counter',
    labels: [...linkLabels, ...attemptLabels],
    size: ({ protocol, total: { reasons } }) =>
      1 + new Set([...usualOf(protocol), ...entriesOf(reasons).map(([reason]) => reason)]).size,
    readSeries({ protocol, state, total: { passed, reasons }, failures }, write) {
      // An agent that lacks the privilege for a check makes no attempt that could fail otherwise.
      const isAble = state !== 'unable'
      if (passed > 0 || isAble) write(passed, succeeded)
      if (isAble) for (const reason of usualOf(protocol)) if (reasons[reason] === undefined) write(0, failed(reason))
      for (const [reason, count] of entriesOf(reasons)) {
        write(count, failed(reason), () => exemplarOfFailure(failures, reason))
      }
    },
  },
  {
    name: 'scout_probe_failing',
    help: '1 if the last attempt failed, 0 if it succeeded. With several peers on the node, 1 if the last attempt on any of them failed.',
    type: 'gauge',
    labels: linkLabels,
    readSeries({ state }, write) {
      if (state === 'ok' || state === 'failing') write(state === 'failing' ? 1 : 0)
    },
  },
  {
    name: 'scout_probe_last_success_timestamp_seconds',
    help: 'Start of the last attempt that succeeded, in seconds since 1970.',
    type: 'gauge',
    labels: linkLabels,
    readSeries({ succeededAtMs }, write) {
      if (succeededAtMs !== undefined) write(succeededAtMs / 1000)
    },
  },
  {
    name: 'scout_probe_last_duration_seconds',
    help: 'Duration of the last attempt if it succeeded, excluding name resolution.',
    type: 'gauge',
    labels: [...linkLabels, 'clock'],
    readSeries({ state, last }, write) {
      if (state !== 'ok' || last?.ok !== true) return
      write(pathNs(last) / 1e9, stampedBy(last.clock.rx))
    },
  },
] as const satisfies readonly Metric[]

interface DurationKey extends Pick<SeriesReport, 'check' | 'path' | 'family'> {
  readonly fromZone: string
  readonly toZone: string
}

type ZoneKey = DurationKey & Pick<SeriesReport, 'protocol' | 'vantage'>

function zoneLabelsOf({ check, protocol, path, vantage, family, fromZone, toZone }: ZoneKey) {
  return { check, protocol, path, vantage, family, source_zone: fromZone, target_zone: toZone } satisfies Labels
}

function durationLabelsOf({ check, path, family, fromZone, toZone }: DurationKey) {
  const server = severalPaths.has(path) ? path : undefined
  return { check, path: server, family, source_zone: fromZone, target_zone: toZone } satisfies Labels
}

/** The longest text that leaves room for its label within 128 characters. */
const mostExemplarText = 80

function exemplarOfFailure(failures: SeriesReport['failures'], reason: FailureReason): Exemplar | undefined {
  const found = failures.findLast((result) => !result.ok && result.failure.reason === reason)
  if (found === undefined || found.ok) return undefined
  const { target, startedAtMs, failure } = found
  const labels = { target: target.slice(0, mostExemplarText), phase: failure.phase.slice(0, 20) }
  return { labels, value: 1, atMs: startedAtMs }
}

/** Returns a function from the labels of two zones to the newest of the links' last successes in each bucket, with the node it went to. */
function exemplarsByZone({ self, series }: Row): (labels: Labels) => ReadonlyMap<number, Exemplar> {
  let found: ReadonlyMap<string, ReadonlyMap<number, Exemplar>> | undefined
  return (labels) => {
    found ??= collectExemplars(self.zone ?? '', series)
    return found.get(JSON.stringify(labels)) ?? new Map()
  }
}

function collectExemplars(fromZone: string, series: readonly SeriesReport[]) {
  const found = new Map<string, Map<number, Exemplar>>()
  for (const { last, to, toZone = '', ...key } of series) {
    if (last?.ok !== true || to === undefined) continue
    const value = pathNs(last) / 1e9
    const labels = JSON.stringify(durationLabelsOf({ ...key, fromZone, toZone }))
    const buckets = found.get(labels) ?? new Map<number, Exemplar>()
    found.set(labels, buckets)
    const edge = durationEdgesSeconds.findIndex((seconds) => value <= seconds)
    const bucket = edge < 0 ? durationEdgesSeconds.length : edge
    if ((buckets.get(bucket)?.atMs ?? 0) >= last.startedAtMs) continue
    const target = { target_node: to.slice(0, mostExemplarText) }
    buckets.set(bucket, { labels: target, value, atMs: last.startedAtMs })
  }
  return found
}
