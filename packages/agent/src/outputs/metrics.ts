import {
  durationEdgesSeconds,
  entriesOf,
  type FailureReason,
  outcomeFor,
  pathNs,
  type Row,
  usualReasonsOf,
} from '@scout/core'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { diagnosisMetrics } from './diagnosis-metrics.ts'
import { type Metric, writeByOutcome } from './exposition.ts'
import { checkLabels, labelsText, linkLabels } from './labels.ts'

const zoneLabels = [...checkLabels, 'source_zone', 'target_zone'] as const
const attemptLabels = ['outcome', 'reason'] as const
const strayLabels = ['vantage', 'protocol', 'kind'] as const
const requestLabels = ['vantage', 'responder', 'outcome'] as const

const succeeded = labelsText(attemptLabels, { outcome: 'success' })

/** A scrape has thousands of these, of a few kinds. */
const textOf = remembered((reason: FailureReason) => labelsText(attemptLabels, { outcome: outcomeFor(reason), reason }))
const usualOf = remembered(usualReasonsOf)

function remembered<From, To>(compute: (from: From) => To): (from: From) => To {
  const known = new Map<From, To>()
  return (from) => {
    const value = known.get(from) ?? compute(from)
    known.set(from, value)
    return value
  }
}

type Label =
  | (typeof linkLabels)[number]
  | 'cause'
  | 'clock'
  | 'kind'
  | 'node'
  | 'outcome'
  | 'reason'
  | 'responder'
  | 'scope'
  | 'severity'
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
  state: '`starting`, `ready` or `leaving`; otherwise explained by the metric',
  kind: '`late`, `duplicate` or `foreign` (from an address that was not probed)',
  responder: '`http` or `udp`',
  cause: 'cause of an incident',
  scope:
    'kind of place where the cause applies, such as `link`, `node` or `zone-pair`; empty where the metric is 0 because there is no such incident',
  severity: '`critical`, `warning` or `informational`',
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
    read: ({ self }, write) => write(1, labelsText(['version', 'node'], self)),
  },
  {
    name: 'scout_peers',
    help: 'Known peers by state.',
    type: 'gauge',
    labels: ['state'],
    read({ peers }, write) {
      for (const state of ['starting', 'ready', 'leaving']) {
        write(peers.filter((peer) => peer.state === state).length, labelsText(['state'], { state }))
      }
    },
  },
  ...diagnosisMetrics,
  {
    name: 'scout_knowledge_age_seconds',
    help: 'Time since the source of peers last responded.',
    type: 'gauge',
    labels: [],
    read: (row, write) => write(knowledgeAgeSeconds(row)),
  },
  {
    name: 'scout_knowledge_trouble',
    help: '1 while the source of peers fails, otherwise 0.',
    type: 'gauge',
    labels: [],
    read: ({ knowledge }, write) => write(knowledge.trouble === undefined ? 0 : 1),
  },
  {
    name: 'scout_probe_attempts_total',
    help: 'Attempts by outcome and reason. inconclusive: failed because of this host; unable: this agent lacks a privilege or feature. A success has an empty reason. Successes and the usual failures (timeout, refused, unreachable) count from 0, other reasons appear with their first.',
    type: 'counter',
    labels: [...linkLabels, ...attemptLabels],
    readSeries({ protocol, state, total: { passed, reasons } }, write) {
      // An agent that lacks the privilege for a check makes no attempt that could fail otherwise.
      const isAble = state !== 'unable'
      if (passed > 0 || isAble) write(passed, succeeded)
      if (isAble) for (const reason of usualOf(protocol)) if (reasons[reason] === undefined) write(0, textOf(reason))
      for (const [reason, count] of entriesOf(reasons)) write(count, textOf(reason))
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
    name: 'scout_probe_last_duration_seconds',
    help: 'Duration of the last attempt if it succeeded, excluding name resolution.',
    type: 'gauge',
    labels: [...linkLabels, 'clock'],
    readSeries({ state, last }, write) {
      if (state !== 'ok' || last?.ok !== true) return
      write(pathNs(last) / 1e9, labelsText(['clock'], { clock: last.clock.rx }))
    },
  },
  {
    name: 'scout_probe_duration_seconds',
    help: 'Durations of successful attempts by pair of zones, excluding name resolution.',
    type: 'histogram',
    labels: zoneLabels,
    edges: durationEdgesSeconds,
    read({ durations }, write) {
      for (const { counts, sumNs, ...key } of durations) {
        const labels = labelsText(zoneLabels, { ...key, source_zone: key.fromZone, target_zone: key.toZone })
        write({ counts, sum: sumNs / 1e9 }, labels)
      }
    },
  },
  {
    name: 'scout_schedule_runs_total',
    help: 'Check runs by outcome. started: all that ran; late: started more than one interval late; skipped: dropped because the previous run was still waiting; lost: made, but the results found the memory for them full.',
    type: 'counter',
    labels: ['outcome'],
    read: ({ schedule: { started, late, skipped, lost } }, write) =>
      writeByOutcome({ started, late, skipped, lost }, write),
  },
  {
    name: 'scout_probes_in_flight',
    help: 'Attempts in flight.',
    type: 'gauge',
    labels: [],
    read: ({ schedule }, write) => write(schedule.inFlight),
  },
  {
    name: 'scout_results_set_aside_total',
    help: 'Results that do not count because the peer was or became starting, leaving or gone.',
    type: 'counter',
    labels: [],
    read: ({ setAside }, write) => write(setAside),
  },
  {
    name: 'scout_results_held',
    help: 'Failures held back until it is clear whether their peer was leaving, and later results of the same checks.',
    type: 'gauge',
    labels: [],
    read: ({ held }, write) => write(held),
  },
  {
    name: 'scout_greetings_total',
    help: 'Greetings sent to peers by outcome. answered; malformed: the answer is not a greeting; silent: no answer; unreached: no connection.',
    type: 'counter',
    labels: ['outcome'],
    read: ({ greetings }, write) => writeByOutcome(greetings, write),
  },
  {
    name: 'scout_stray_answers_total',
    help: 'Answers that match no attempt in flight.',
    type: 'counter',
    labels: strayLabels,
    read({ vantages }, write) {
      for (const { name: vantage, strays } of vantages) {
        for (const [protocol, counts] of Object.entries(strays)) {
          for (const [kind, count] of Object.entries(counts)) {
            write(count, labelsText(strayLabels, { vantage, protocol, kind }))
          }
        }
      }
    },
  },
  {
    name: 'scout_responder_requests_total',
    help: 'Requests to the responders of this agent, by outcome. rejected: malformed or not genuine; refused: beyond a limit on connections, requests or time; unsent: this host refused to send the answer; dropped: this host dropped the request unread, because the receive buffer was full (raise net.core.rmem_max).',
    type: 'counter',
    labels: requestLabels,
    read({ vantages }, write) {
      for (const { name: vantage, responders } of vantages) {
        for (const [responder, counts] of Object.entries(responders)) {
          for (const [outcome, count] of Object.entries(counts)) {
            write(count, labelsText(requestLabels, { vantage, responder, outcome }))
          }
        }
      }
    },
  },
  {
    name: 'scout_console_requests_total',
    help: 'Requests to page, API, metrics and health, by outcome. rejected: malformed, or under a host that is not this agent; refused: beyond a limit on connections, requests or time.',
    type: 'counter',
    labels: ['outcome'],
    read: ({ console }, write) => writeByOutcome(console, write),
  },
  {
    name: 'scout_log_lines_lost_total',
    help: 'Lines that the log could not write: the disk was full, or the reader of standard output had gone or was too slow.',
    type: 'counter',
    labels: [],
    read: ({ logLinesLost }, write) => write(logLinesLost),
  },
] as const satisfies readonly Metric[]

/** Returns the metrics of the process, which are not in a row: memory, CPU, event loop, garbage collection. */
export function createProcessMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: never })
  for (const figure of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']) {
    registry.removeSingleMetric(`nodejs_eventloop_lag_${figure}_seconds`)
  }
  // These are gauges with the suffix of counters, which Prometheus advises against; each is the sum of a metric without it.
  for (const kind of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${kind}_total`)
  return registry
}

/**
 * Milliseconds between samples of prom-client's histogram of event loop delays, which has no switch. At its default of 10 ms, its timer
 * makes up most of the wake-ups of an idle agent, so its figures are left out. `nodejs_eventloop_lag_seconds` stays: each scrape measures it.
 */
const never = 2 ** 31 - 1

/** Returns the age of discovery's knowledge: that of this agent if the source never answered, 0 for a list. */
function knowledgeAgeSeconds({ knowledge, takenAtMs, startedAtMs }: Row): number {
  const { heardAtMs = takenAtMs } = knowledge
  return Math.max(0, takenAtMs - (heardAtMs === 0 ? startedAtMs : heardAtMs)) / 1000
}
