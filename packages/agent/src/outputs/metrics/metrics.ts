import { isStarved, type Row } from '@scout/core'
import { diagnosisMetrics } from './diagnosis-metrics.ts'
import type { linkLabels } from './labels.ts'
import { linkMetrics } from './link-metrics.ts'
import { packetMetrics } from './packet-metrics.ts'
import { processMetrics } from './process-metrics.ts'
import { type Metric, writeByOutcome } from './reading.ts'

export { createRuntimeMetrics } from './process-metrics.ts'

type Label =
  | (typeof linkLabels)[number]
  | 'cause'
  | 'clock'
  | 'id'
  | 'kind'
  | 'node'
  | 'outcome'
  | 'phase'
  | 'reason'
  | 'responder'
  | 'scope'
  | 'severity'
  | 'state'
  | 'summary'
  | 'version'

/** Meaning of each label, for the reference page. */
export const labelMeanings = {
  check: 'name of the check',
  protocol: 'protocol of its probe',
  path: 'how the target is addressed: `pod`, `node`, `api-proxy`, `dns-server` (`dns-server-2` and `dns-server-3` for the further ones of resolv.conf), `dns-pod` or `name`',
  vantage: 'network namespace that probes are sent from: `pod` or `host`',
  family: '`ipv4` or `ipv6`; absent if the target is a name',
  source_node: 'node of this agent',
  source_zone: 'its zone',
  target_node: 'node of the peer, or of the server of cluster DNS; absent for a check that targets neither',
  target_zone: 'its zone',
  outcome: 'of an attempt: `success`, `failure`, `inconclusive` or `unable`; otherwise explained by the metric',
  reason: 'reason of a failure, as in [probes.md](probes.md#reasons-of-failure)',
  clock: 'clock that stamped the end of the measurement: `kernel`, `tcp-info` or `user`',
  phase: 'disjoint part of the time of an attempt, as in [probes.md](probes.md)',
  state: '`starting`, `ready` or `leaving`; otherwise explained by the metric',
  kind: '`late`, `duplicate` or `foreign` (from an address that was not probed)',
  responder: '`http` or `udp`',
  id: 'id of an incident, the same at every agent',
  cause: 'cause of an incident, as in [causes.md](causes.md)',
  summary: 'what is wrong, in one sentence; it may change while the incident lasts',
  scope: 'kind of place where the cause applies, such as `link`, `node` or `zone-pair`',
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
    read: ({ self }, write) => write(1, { version: self.version, node: self.node }),
  },
  {
    name: 'scout_peers',
    help: 'Known peers by state.',
    type: 'gauge',
    labels: ['state'],
    read({ peers }, write) {
      for (const state of ['starting', 'ready', 'leaving']) {
        write(peers.filter((peer) => peer.state === state).length, { state })
      }
    },
  },
  ...diagnosisMetrics,
  {
    name: 'scout_discovery_up',
    help: '1 while the source of peers answers, otherwise 0: the peers are then the last known ones.',
    type: 'gauge',
    labels: [],
    read: ({ knowledge }, write) => write(knowledge.trouble === undefined ? 1 : 0),
  },
  {
    name: 'scout_discovery_age_seconds',
    help: 'Time since the source of peers last responded; 0 for a fixed list.',
    type: 'gauge',
    labels: [],
    read: (row, write) => write(discoveryAgeSeconds(row)),
  },
  {
    name: 'scout_ready',
    help: '1 once this agent has found its peers and answers them, otherwise 0.',
    type: 'gauge',
    labels: [],
    read: ({ isReady }, write) => write(isReady ? 1 : 0),
  },
  {
    name: 'scout_prober_starved',
    help: '1 if this agent lacked the CPU to measure within its last minute, otherwise 0; it then accuses nobody.',
    type: 'gauge',
    labels: [],
    read({ lateness }, write) {
      if (lateness !== undefined) write(isStarved(lateness) ? 1 : 0)
    },
  },
  {
    name: 'scout_prober_stall_seconds',
    help: 'Longest delay of a timer, or of a thread that probes, within the last minute.',
    type: 'gauge',
    labels: [],
    read({ lateness }, write) {
      if (lateness !== undefined) write(lateness.stalledMs / 1000)
    },
  },
  {
    name: 'scout_prober_throttled_ratio',
    help: 'Share of the last minute in which the CPU limit of its cgroup stopped this agent; absent without such a limit.',
    type: 'gauge',
    labels: [],
    read({ lateness }, write) {
      if (lateness?.throttledMs !== undefined) write(lateness.throttledMs / Math.max(1, lateness.spanMs))
    },
  },
  {
    name: 'scout_series_budget',
    help: 'Time series about single links at most (setting metrics.series). Beyond it, half of them are for a fixed sample of the checks, half for those that fail.',
    type: 'gauge',
    labels: [],
    read: (_, write, { budget }) => write(budget),
  },
  {
    name: 'scout_series_budget_used',
    help: 'Time series about single links that the shown checks have at most.',
    type: 'gauge',
    labels: [],
    read: (_, write, { used }) => write(used),
  },
  {
    name: 'scout_series_budget_withheld',
    help: 'Checks of links that the budget leaves without time series of their own. failing: fail, or failed in the last ten minutes; other. The metrics by pair of zones include them.',
    type: 'gauge',
    labels: ['state'],
    read(_, write, { withheld }) {
      for (const [state, count] of Object.entries(withheld)) write(count, { state })
    },
  },
  ...linkMetrics,
  ...packetMetrics,
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
    labels: ['vantage', 'protocol', 'kind'],
    read({ vantages }, write) {
      for (const { name: vantage, strays } of vantages) {
        for (const [protocol, counts] of Object.entries(strays)) {
          for (const [kind, count] of Object.entries(counts)) {
            write(count, { vantage, protocol, kind })
          }
        }
      }
    },
  },
  {
    name: 'scout_responder_requests_total',
    help: 'Requests to the responders of this agent, by outcome. rejected: malformed or not genuine; refused: beyond a limit on connections, requests or time; unsent: this host refused to send the answer; dropped: this host dropped the request unread, because the receive buffer was full (raise net.core.rmem_max).',
    type: 'counter',
    labels: ['vantage', 'responder', 'outcome'],
    read({ vantages }, write) {
      for (const { name: vantage, responders } of vantages) {
        for (const [responder, counts] of Object.entries(responders)) {
          for (const [outcome, count] of Object.entries(counts)) {
            write(count, { vantage, responder, outcome })
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
    name: 'scout_history_writes_total',
    help: 'Attempts to write the file of the history (setting historyFile), by outcome: written or failed; absent without the setting.',
    type: 'counter',
    labels: ['outcome'],
    read({ history }, write) {
      if (history !== undefined) writeByOutcome(history.writes, write)
    },
  },
  {
    name: 'scout_log_lines_lost_total',
    help: 'Lines that the log could not write: the disk was full, or the reader of standard output had gone or was too slow.',
    type: 'counter',
    labels: [],
    read: ({ logLinesLost }, write) => write(logLinesLost),
  },
  ...processMetrics,
] as const satisfies readonly Metric[]

/** Returns the age of discovery's knowledge: that of this agent if the source never answered, 0 for a list. */
function discoveryAgeSeconds({ knowledge, takenAtMs, startedAtMs }: Row): number {
  const { heardAtMs = takenAtMs } = knowledge
  return Math.max(0, takenAtMs - (heardAtMs === 0 ? startedAtMs : heardAtMs)) / 1000
}
