import {
  type DurationsReport,
  durationEdgesSeconds,
  entriesOf,
  outcomeFor,
  pathNs,
  type Row,
  type SeriesReport,
} from '@scout/core'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { HistogramSample, Metric, Sample } from './exposition.ts'

const checkLabels = ['check', 'protocol', 'path', 'vantage', 'family'] as const
const linkLabels = [...checkLabels, 'source_node', 'source_zone', 'target_node', 'target_zone'] as const
const zoneLabels = [...checkLabels, 'source_zone', 'target_zone'] as const

type Label =
  | (typeof linkLabels)[number]
  | 'clock'
  | 'kind'
  | 'node'
  | 'outcome'
  | 'reason'
  | 'responder'
  | 'state'
  | 'version'

/** Meaning of each label, for the reference page. */
export const labelMeanings = {
  check: 'name of the check',
  protocol: 'protocol of its probe',
  path: 'how the target is addressed: `pod`, `node`, `api-proxy`, `dns-server` or `name`',
  vantage: 'network namespace that probes are sent from: `pod` or `host`',
  family: '`ipv4` or `ipv6`; empty if the target is a name',
  source_node: 'node of this agent',
  source_zone: 'its zone',
  target_node: 'node of the peer; empty for a check that targets no peer',
  target_zone: 'its zone',
  outcome: 'of an attempt: `success`, `failure`, `inconclusive` or `unable`; otherwise explained by the metric',
  reason: 'reason of a failure, as in [probes.md](probes.md#reasons-of-failure)',
  clock: 'clock that stamped the end of the measurement: `kernel`, `tcp-info` or `user`',
  state: '`starting`, `ready` or `leaving`',
  kind: '`late`, `duplicate` or `foreign` (from an address that was not probed)',
  responder: '`http` or `udp`',
  version: 'version of this agent',
  node: 'node of this agent',
} as const satisfies Readonly<Record<Label, string>>

/** Every metric of an agent's row. The exposition and docs/reference/metrics.md derive from this table. */
export const metrics = [
  {
    name: 'scout_build_info',
    help: 'Version of this agent; always 1.',
    type: 'gauge',
    labels: ['version', 'node'],
    read: ({ self: { version, node } }) => [{ labels: { version, node }, value: 1 }],
  },
  {
    name: 'scout_peers',
    help: 'Known peers by state.',
    type: 'gauge',
    labels: ['state'],
    read: ({ peers }) =>
      ['starting', 'ready', 'leaving'].map((state) => ({
        labels: { state },
        value: peers.filter((peer) => peer.state === state).length,
      })),
  },
  {
    name: 'scout_knowledge_age_seconds',
    help: 'Time since the source of peers last responded.',
    type: 'gauge',
    labels: [],
    read: (row) => single(knowledgeAgeSeconds(row)),
  },
  {
    name: 'scout_knowledge_trouble',
    help: '1 while the source of peers fails, otherwise 0.',
    type: 'gauge',
    labels: [],
    read: ({ knowledge }) => single(knowledge.trouble === undefined ? 0 : 1),
  },
  {
    name: 'scout_probe_attempts_total',
    help: 'Attempts by outcome and reason. inconclusive: failed because of this host; unable: this agent lacks a privilege or feature. A success has an empty reason.',
    type: 'counter',
    labels: [...linkLabels, 'outcome', 'reason'],
    read: (row) => row.series.flatMap((series) => attempts(series).map(withLabels(linkOf(row, series)))),
  },
  {
    name: 'scout_probe_failing',
    help: '1 if the last attempt failed, 0 if it succeeded. With several peers on the node, 1 if the last attempt on any of them failed.',
    type: 'gauge',
    labels: linkLabels,
    read: (row) =>
      row.series
        .filter(({ state }) => state === 'ok' || state === 'failing')
        .map((series) => ({ labels: linkOf(row, series), value: series.state === 'failing' ? 1 : 0 })),
  },
  {
    name: 'scout_probe_last_duration_seconds',
    help: 'Duration of the last attempt if it succeeded, excluding name resolution.',
    type: 'gauge',
    labels: [...linkLabels, 'clock'],
    read: (row) =>
      row.series.flatMap((series) =>
        series.state === 'ok' && series.last?.ok === true
          ? [{ labels: { ...linkOf(row, series), clock: series.last.clock.rx }, value: pathNs(series.last) / 1e9 }]
          : [],
      ),
  },
  {
    name: 'scout_probe_duration_seconds',
    help: 'Durations of successful attempts by pair of zones, excluding name resolution.',
    type: 'histogram',
    labels: zoneLabels,
    edges: durationEdgesSeconds,
    read: ({ durations }) => durations.map(histogram),
  },
  {
    name: 'scout_schedule_runs_total',
    help: 'Check runs by outcome. started: all that ran; late: started more than one interval late; skipped: dropped because the previous run was still waiting.',
    type: 'counter',
    labels: ['outcome'],
    read: ({ schedule: { started, late, skipped } }) => byOutcome({ started, late, skipped }),
  },
  {
    name: 'scout_probes_in_flight',
    help: 'Attempts in flight.',
    type: 'gauge',
    labels: [],
    read: ({ schedule }) => single(schedule.inFlight),
  },
  {
    name: 'scout_results_set_aside_total',
    help: 'Results that do not count because the peer was or became starting, leaving or gone.',
    type: 'counter',
    labels: [],
    read: ({ setAside }) => single(setAside),
  },
  {
    name: 'scout_results_held',
    help: 'Failures held back until it is clear whether their peer was leaving, and later results of the same checks.',
    type: 'gauge',
    labels: [],
    read: ({ held }) => single(held),
  },
  {
    name: 'scout_greetings_total',
    help: 'Greetings sent to peers by outcome. answered; malformed: the answer is not a greeting; silent: no answer.',
    type: 'counter',
    labels: ['outcome'],
    read: ({ greetings }) => byOutcome(greetings),
  },
  {
    name: 'scout_stray_answers_total',
    help: 'Answers that match no attempt in flight.',
    type: 'counter',
    labels: ['vantage', 'protocol', 'kind'],
    read: ({ vantages }) =>
      vantages.flatMap(({ name, strays }) =>
        Object.entries(strays).flatMap(([protocol, counts]) =>
          Object.entries(counts).map(([kind, value]) => ({ labels: { vantage: name, protocol, kind }, value })),
        ),
      ),
  },
  {
    name: 'scout_responder_requests_total',
    help: 'Requests to the responders of this agent, by outcome.',
    type: 'counter',
    labels: ['vantage', 'responder', 'outcome'],
    read: ({ vantages }) =>
      vantages.flatMap(({ name, responders }) =>
        Object.entries(responders).flatMap(([responder, counts]) =>
          byOutcome(counts).map(withLabels({ vantage: name, responder })),
        ),
      ),
  },
] as const satisfies readonly Metric[]

/** Returns the metrics of the process, which are not in a row: memory, CPU, event loop, garbage collection. */
export function createProcessMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  // These are gauges with the suffix of counters, which Prometheus advises against; each is the sum of a metric without it.
  for (const kind of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${kind}_total`)
  return registry
}

function single(value: number): readonly Sample[] {
  return [{ labels: {}, value }]
}

function byOutcome(counts: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(counts).map(([outcome, value]) => ({ labels: { outcome }, value }))
}

function withLabels(more: Sample['labels']): (sample: Sample) => Sample {
  return ({ labels, value }) => ({ labels: { ...more, ...labels }, value })
}

function attempts({ total: { passed, reasons } }: SeriesReport): readonly Sample[] {
  return [
    ...(passed === 0 ? [] : [{ labels: { outcome: 'success' }, value: passed }]),
    ...entriesOf(reasons).map(([reason, value]) => ({ labels: { outcome: outcomeFor(reason), reason }, value })),
  ]
}

/** Returns the age of discovery's knowledge: that of this agent if the source never answered, 0 for a list. */
function knowledgeAgeSeconds({ knowledge, takenAtMs, startedAtMs }: Row): number {
  const { heardAtMs = takenAtMs } = knowledge
  return Math.max(0, takenAtMs - (heardAtMs === 0 ? startedAtMs : heardAtMs)) / 1000
}

function linkOf({ self }: Row, { check, protocol, path, vantage, family, from, to, toZone }: SeriesReport) {
  return {
    check,
    protocol,
    path,
    vantage,
    family,
    source_node: from,
    source_zone: self.zone,
    target_node: to,
    target_zone: toZone,
  }
}

function histogram(report: DurationsReport): HistogramSample {
  const { check, protocol, path, vantage, family, fromZone, toZone, counts, sumNs } = report
  const labels = { check, protocol, path, vantage, family, source_zone: fromZone, target_zone: toZone }
  return { labels, counts, sum: sumNs / 1e9 }
}
