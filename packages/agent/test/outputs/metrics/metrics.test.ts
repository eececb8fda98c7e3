import { execFileSync } from 'node:child_process'
import { catalogue, type Row } from '@scout/core'
import { describe, expect, test } from 'vitest'
import { testWith } from '../../../../../test/support/requirements.ts'
import { configSchema } from '../../../src/config/index.ts'
import { expositionOf, formatFor } from '../../../src/outputs/metrics/exposition.ts'
import { createLinks } from '../../../src/outputs/metrics/labels.ts'
import { createRuntimeMetrics, labelMeanings, metrics } from '../../../src/outputs/metrics/metrics.ts'
import { durationsOf, failingSeriesOf, failureOf, peerOf, rowOf, seriesOf } from '../../support/rows.ts'

const own = { check: 'dns', protocol: 'dns', path: 'dns-server', family: undefined } as const
const ofStamp = {
  sent: 20,
  arrived: 16,
  lostForth: 3,
  returned: 12,
  duplicated: 1,
  duplicatedForth: 1,
  reordered: 2,
  late: 0,
}
const mesh = rowOf({
  peers: [peerOf(), peerOf({ name: 'scout-3', node: 'node-3', state: 'leaving' })],
  series: [
    seriesOf({ tookSeconds: [0.00004, 0.00031, 8] }),
    failingSeriesOf('refused', { to: 'node-3' }),
    seriesOf({ ...own, to: undefined, toZone: undefined, tookSeconds: [0.002] }),
    seriesOf({
      check: 'udp',
      protocol: 'udp',
      total: { passed: 12, reasons: {}, packets: { ...ofStamp, remarkedForth: 2, remarkedBack: 1, reorderedForth: 1 } },
    }),
  ],
  durations: [durationsOf([0.00004, 0.00031, 8]), durationsOf([0.002], { ...own, toZone: '' })],
  schedule: { started: 9, late: 1, skipped: 2, lost: 5, inFlight: 3, waiting: 4 },
  setAside: 5,
  history: { path: '/var/lib/scout/history', bytes: 9, writes: { written: 3, failed: 1 } },
  lateness: { spanMs: 60_000, started: 9, late: 1, skipped: 2, stalledMs: 250, throttledMs: 1_500 },
  diagnosis: {
    isSpeaking: true,
    rows: 2,
    ready: 3,
    incidents: [
      { id: '1a', cause: 'node-down', scope: 'node', severity: 'critical', summary: 'node-3 is down' },
      { id: '2b', cause: 'packet-loss', scope: 'link', severity: 'warning', summary: 'node-1 to node-2 loses 3 %' },
    ],
    sent: { direct: 7, relayed: 1, failed: 0 },
    received: { accepted: 8, unsigned: 2 },
  },
  vantages: [
    {
      name: 'pod',
      port: 8081,
      responders: {
        http: { answered: 4, rejected: 5, unsent: 0 },
        udp: { answered: 7, rejected: 0, unsent: 0, dropped: 6 },
      },
      strays: { udp: { late: 1, duplicate: 2, foreign: 3 } },
    },
  ],
})

test('counts successes and the usual failures of each link from 0, so that the rate of a counter has the first', () => {
  const attempts = (row: Row) =>
    textOf(row)
      .split('\n')
      .filter((line) => line.startsWith('scout_probe_attempts_total'))
      .map((line) => line.replace(/^.*outcome="(.*?)"(?:,reason="(.*?)")?} (.*)$/, '$1 $2 $3'))
  const series = ['tcp', 'icmp'].map((protocol) => seriesOf({ check: protocol, protocol }))
  expect(attempts(rowOf({ series }))).toEqual([
    'success  0',
    'failure timeout 0',
    'failure refused 0',
    'failure unreachable 0',
    'success  0',
    'failure timeout 0',
    'failure unreachable 0',
  ])
  expect(attempts(rowOf({ series: [failingSeriesOf('refused')] }))).toEqual([
    'success  0',
    'failure timeout 0',
    'failure unreachable 0',
    'failure refused 1',
  ])
  // An agent without the privilege makes no attempt that could fail.
  expect(attempts(rowOf({ series: [failingSeriesOf('not-permitted', { state: 'unable' })] }))).toEqual([
    'unable not-permitted 1',
  ])
})

test('exposes exactly the values of the row', () => {
  expect(textOf(mesh).replace(/^# HELP process_[^]*/m, '')).toMatchInlineSnapshot(`
    "# HELP scout_build_info Version of this agent; always 1.
    # TYPE scout_build_info gauge
    scout_build_info{version="1.2.3",node="node-1"} 1
    # HELP scout_peers Known peers by state.
    # TYPE scout_peers gauge
    scout_peers{state="starting"} 0
    scout_peers{state="ready"} 1
    scout_peers{state="leaving"} 1
    # HELP scout_incident_open Incidents that are not closed, at the agent that speaks for the mesh; 0 at the others. In a partition, one agent on each side speaks.
    # TYPE scout_incident_open gauge
    scout_incident_open{severity="critical"} 1
    scout_incident_open{severity="warning"} 1
    scout_incident_open{severity="informational"} 0
    # HELP scout_incident_info Always 1, for each incident that is not closed, at the agent that speaks for the mesh: at most 16, the gravest first.
    # TYPE scout_incident_info gauge
    scout_incident_info{id="1a",cause="node-down",scope="node",severity="critical",summary="node-3 is down"} 1
    scout_incident_info{id="2b",cause="packet-loss",scope="link",severity="warning",summary="node-1 to node-2 loses 3 %"} 1
    # HELP scout_incident_speaker 1 if this agent speaks for the mesh, or for its part of it, otherwise 0.
    # TYPE scout_incident_speaker gauge
    scout_incident_speaker 1
    # HELP scout_evidence_rows Ready agents whose rows are at hand here (held), its own included, and all ready agents (ready). Only watchers hold those of others.
    # TYPE scout_evidence_rows gauge
    scout_evidence_rows{state="held"} 2
    scout_evidence_rows{state="ready"} 3
    # HELP scout_evidence_sent_total Messages with evidence to watchers, by outcome. direct; relayed: passed on by another peer; failed: not accepted on any way.
    # TYPE scout_evidence_sent_total counter
    scout_evidence_sent_total{outcome="direct"} 7
    scout_evidence_sent_total{outcome="relayed"} 1
    scout_evidence_sent_total{outcome="failed"} 0
    # HELP scout_evidence_received_total Messages with evidence from peers, by outcome. accepted; forwarded: passed on to a watcher that the sender cannot reach; unknown: from an address that is no peer; unsigned: without the signature of the shared key; malformed; stale: overtaken by a later one; refused: beyond a limit. Those that are too large count as rejected requests to the responder.
    # TYPE scout_evidence_received_total counter
    scout_evidence_received_total{outcome="accepted"} 8
    scout_evidence_received_total{outcome="unsigned"} 2
    # HELP scout_discovery_up 1 while the source of peers answers, otherwise 0: the peers are then the last known ones.
    # TYPE scout_discovery_up gauge
    scout_discovery_up 1
    # HELP scout_discovery_age_seconds Time since the source of peers last responded; 0 for a fixed list.
    # TYPE scout_discovery_age_seconds gauge
    scout_discovery_age_seconds 1.5
    # HELP scout_ready 1 once this agent has found its peers and answers them, otherwise 0.
    # TYPE scout_ready gauge
    scout_ready 1
    # HELP scout_prober_starved 1 if this agent lacked the CPU to measure within its last minute, otherwise 0; it then accuses nobody.
    # TYPE scout_prober_starved gauge
    scout_prober_starved 1
    # HELP scout_prober_stall_seconds Longest delay of a timer, or of a thread that probes, within the last minute.
    # TYPE scout_prober_stall_seconds gauge
    scout_prober_stall_seconds 0.25
    # HELP scout_prober_throttled_ratio Share of the last minute in which the CPU limit of its cgroup stopped this agent; absent without such a limit.
    # TYPE scout_prober_throttled_ratio gauge
    scout_prober_throttled_ratio 0.025
    # HELP scout_series_budget Time series about single links at most (setting metrics.series). Beyond it, half of them are for a fixed sample of the checks, half for those that fail.
    # TYPE scout_series_budget gauge
    scout_series_budget Infinity
    # HELP scout_series_budget_used Time series about single links that the shown checks have at most.
    # TYPE scout_series_budget_used gauge
    scout_series_budget_used 38
    # HELP scout_series_budget_withheld Checks of links that the budget leaves without time series of their own. failing: fail, or failed in the last ten minutes; other. The metrics by pair of zones include them.
    # TYPE scout_series_budget_withheld gauge
    scout_series_budget_withheld{state="failing"} 0
    scout_series_budget_withheld{state="other"} 0
    # HELP scout_zone_attempts_total Attempts by pair of zones and outcome. Unlike those of links, they include every link.
    # TYPE scout_zone_attempts_total counter
    scout_zone_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",outcome="success"} 3
    scout_zone_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",outcome="failure"} 0
    scout_zone_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",source_zone="zone-a",outcome="success"} 1
    scout_zone_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",source_zone="zone-a",outcome="failure"} 0
    # HELP scout_probe_duration_seconds Durations of successful attempts by pair of zones, excluding name resolution. Of a stream (udp), one of up to twenty answers in a row. They have a path only if it is that of a name server: otherwise, the check implies it.
    # TYPE scout_probe_duration_seconds histogram
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.00005"} 1
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.0001"} 1
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.0002"} 1
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.0005"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.001"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.002"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.005"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.01"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.02"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.05"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.1"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.25"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.5"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.95"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="1.1"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="2.9"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="3.2"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="6.9"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="7.2"} 2
    scout_probe_duration_seconds_bucket{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="+Inf"} 3
    scout_probe_duration_seconds_sum{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 8.00035
    scout_probe_duration_seconds_count{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 3
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.00005"} 0
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.0001"} 0
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.0002"} 0
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.0005"} 0
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.001"} 0
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.002"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.005"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.01"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.02"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.05"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.1"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.25"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.5"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="0.95"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="1.1"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="2.9"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="3.2"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="6.9"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="7.2"} 1
    scout_probe_duration_seconds_bucket{check="dns",path="dns-server",source_zone="zone-a",le="+Inf"} 1
    scout_probe_duration_seconds_sum{check="dns",path="dns-server",source_zone="zone-a"} 0.002
    scout_probe_duration_seconds_count{check="dns",path="dns-server",source_zone="zone-a"} 1
    # HELP scout_probe_phase_seconds_total Time that successful attempts spent in each phase, by pair of zones. Over the count of scout_probe_duration_seconds it is the mean of the phase.
    # TYPE scout_probe_phase_seconds_total counter
    scout_probe_phase_seconds_total{check="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b",phase="connect"} 8.00035
    scout_probe_phase_seconds_total{check="dns",path="dns-server",source_zone="zone-a",phase="connect"} 0.002
    # HELP scout_probe_attempts_total Attempts by outcome and reason; each packet of a stream (udp) is one. inconclusive: failed because of this host; unable: this agent lacks a privilege or feature. A success has no reason. Successes and the usual failures (timeout, refused, unreachable) count from 0, other reasons appear with their first.
    # TYPE scout_probe_attempts_total counter
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="success"} 3
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="timeout"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="refused"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="unreachable"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b",outcome="success"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b",outcome="failure",reason="timeout"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b",outcome="failure",reason="unreachable"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b",outcome="failure",reason="refused"} 1
    scout_probe_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",source_node="node-1",source_zone="zone-a",outcome="success"} 1
    scout_probe_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",source_node="node-1",source_zone="zone-a",outcome="failure",reason="timeout"} 0
    scout_probe_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",source_node="node-1",source_zone="zone-a",outcome="failure",reason="refused"} 0
    scout_probe_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",source_node="node-1",source_zone="zone-a",outcome="failure",reason="unreachable"} 0
    scout_probe_attempts_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="success"} 12
    scout_probe_attempts_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="timeout"} 0
    scout_probe_attempts_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="refused"} 0
    scout_probe_attempts_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="unreachable"} 0
    # HELP scout_probe_failing 1 if the last attempt failed, 0 if it succeeded. With several peers on the node, 1 if the last attempt on any of them failed.
    # TYPE scout_probe_failing gauge
    scout_probe_failing{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 0
    scout_probe_failing{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b"} 1
    scout_probe_failing{check="dns",protocol="dns",path="dns-server",vantage="pod",source_node="node-1",source_zone="zone-a"} 0
    # HELP scout_probe_last_success_timestamp_seconds Start of the last attempt that succeeded, in seconds since 1970.
    # TYPE scout_probe_last_success_timestamp_seconds gauge
    scout_probe_last_success_timestamp_seconds{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 1698703789.799
    scout_probe_last_success_timestamp_seconds{check="dns",protocol="dns",path="dns-server",vantage="pod",source_node="node-1",source_zone="zone-a"} 1698703789.799
    # HELP scout_probe_last_duration_seconds Duration of the last attempt if it succeeded, excluding name resolution.
    # TYPE scout_probe_last_duration_seconds gauge
    scout_probe_last_duration_seconds{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",clock="user"} 8
    scout_probe_last_duration_seconds{check="dns",protocol="dns",path="dns-server",vantage="pod",source_node="node-1",source_zone="zone-a",clock="user"} 0.002
    # HELP scout_probe_packets_sent_total Packets sent.
    # TYPE scout_probe_packets_sent_total counter
    scout_probe_packets_sent_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 20
    # HELP scout_probe_packets_arrived_total Packets known to have reached the other side, as it counts them. Those sent and in neither this nor lost_forth have an unknown fate.
    # TYPE scout_probe_packets_arrived_total counter
    scout_probe_packets_arrived_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 16
    # HELP scout_probe_packets_lost_forth_total Packets known not to have reached the other side. Those that arrived and did not return were lost on the way back.
    # TYPE scout_probe_packets_lost_forth_total counter
    scout_probe_packets_lost_forth_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 3
    # HELP scout_probe_packets_returned_total Packets answered in time.
    # TYPE scout_probe_packets_returned_total counter
    scout_probe_packets_returned_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 12
    # HELP scout_probe_packets_duplicated_total Packets that arrived twice, on either way, as far as both answers came back.
    # TYPE scout_probe_packets_duplicated_total counter
    scout_probe_packets_duplicated_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 1
    # HELP scout_probe_packets_duplicated_forth_total Packets that the other side received twice. The other duplicated ones were answers.
    # TYPE scout_probe_packets_duplicated_forth_total counter
    scout_probe_packets_duplicated_forth_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 1
    # HELP scout_probe_packets_remarked_forth_total Packets that reached the other side with another DSCP than they were sent with. Present for checks with a DSCP.
    # TYPE scout_probe_packets_remarked_forth_total counter
    scout_probe_packets_remarked_forth_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 2
    # HELP scout_probe_packets_remarked_back_total Answers that returned with another DSCP than they were sent with. Present where the other side answers with that of the request.
    # TYPE scout_probe_packets_remarked_back_total counter
    scout_probe_packets_remarked_back_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 1
    # HELP scout_probe_packets_reordered_total Answers that arrived after the answer to a later packet. Of checks with volleys, packets that later ones overtook on either way.
    # TYPE scout_probe_packets_reordered_total counter
    scout_probe_packets_reordered_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 2
    # HELP scout_probe_packets_reordered_forth_total Packets of volleys that later ones overtook on the way there. The other reordered ones were answers.
    # TYPE scout_probe_packets_reordered_forth_total counter
    scout_probe_packets_reordered_forth_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 1
    # HELP scout_schedule_runs_total Check runs by outcome. started: all that ran; late: started more than one interval late; skipped: dropped because the previous run was still waiting; lost: made, but the results found the memory for them full.
    # TYPE scout_schedule_runs_total counter
    scout_schedule_runs_total{outcome="started"} 9
    scout_schedule_runs_total{outcome="late"} 1
    scout_schedule_runs_total{outcome="skipped"} 2
    scout_schedule_runs_total{outcome="lost"} 5
    # HELP scout_probes_in_flight Attempts in flight.
    # TYPE scout_probes_in_flight gauge
    scout_probes_in_flight 3
    # HELP scout_results_set_aside_total Results that do not count because the peer was or became starting, leaving or gone.
    # TYPE scout_results_set_aside_total counter
    scout_results_set_aside_total 5
    # HELP scout_results_held Failures held back until it is clear whether their peer was leaving, and later results of the same checks.
    # TYPE scout_results_held gauge
    scout_results_held 0
    # HELP scout_greetings_total Greetings sent to peers by outcome. answered; malformed: the answer is not a greeting; silent: no answer; unreached: no connection.
    # TYPE scout_greetings_total counter
    scout_greetings_total{outcome="answered"} 0
    scout_greetings_total{outcome="malformed"} 0
    scout_greetings_total{outcome="silent"} 0
    scout_greetings_total{outcome="unreached"} 0
    # HELP scout_stray_answers_total Answers that match no attempt in flight.
    # TYPE scout_stray_answers_total counter
    scout_stray_answers_total{vantage="pod",protocol="udp",kind="late"} 1
    scout_stray_answers_total{vantage="pod",protocol="udp",kind="duplicate"} 2
    scout_stray_answers_total{vantage="pod",protocol="udp",kind="foreign"} 3
    # HELP scout_responder_requests_total Requests to the responders of this agent, by outcome. rejected: malformed or not genuine; refused: beyond a limit on connections, requests or time; unsent: this host refused to send the answer; dropped: this host dropped the request unread, because the receive buffer was full (raise net.core.rmem_max).
    # TYPE scout_responder_requests_total counter
    scout_responder_requests_total{vantage="pod",responder="http",outcome="answered"} 4
    scout_responder_requests_total{vantage="pod",responder="http",outcome="rejected"} 5
    scout_responder_requests_total{vantage="pod",responder="http",outcome="unsent"} 0
    scout_responder_requests_total{vantage="pod",responder="udp",outcome="answered"} 7
    scout_responder_requests_total{vantage="pod",responder="udp",outcome="rejected"} 0
    scout_responder_requests_total{vantage="pod",responder="udp",outcome="unsent"} 0
    scout_responder_requests_total{vantage="pod",responder="udp",outcome="dropped"} 6
    # HELP scout_console_requests_total Requests to page, API, metrics and health, by outcome. rejected: malformed, or under a host that is not this agent; refused: beyond a limit on connections, requests or time.
    # TYPE scout_console_requests_total counter
    scout_console_requests_total{outcome="answered"} 0
    scout_console_requests_total{outcome="rejected"} 0
    scout_console_requests_total{outcome="unsent"} 0
    # HELP scout_history_writes_total Attempts to write the file of the history (setting historyFile), by outcome: written or failed; absent without the setting.
    # TYPE scout_history_writes_total counter
    scout_history_writes_total{outcome="written"} 3
    scout_history_writes_total{outcome="failed"} 1
    # HELP scout_log_lines_lost_total Lines that the log could not write: the disk was full, or the reader of standard output had gone or was too slow.
    # TYPE scout_log_lines_lost_total counter
    scout_log_lines_lost_total 0
    "
  `)
})

test('counts each duration in every bucket with an edge at or above it', () => {
  const histogram = samplesOf(rowOf({ durations: [durationsOf([0.00004, 0.0003, 0.0004, 100])] })).filter(({ name }) =>
    name.startsWith('scout_probe_duration_seconds'),
  )
  const buckets = histogram.filter(({ name }) => name.endsWith('_bucket')).map(({ value }) => value)
  expect(buckets).toEqual(buckets.toSorted((a, b) => a - b))
  expect([buckets.at(0), buckets.at(-2), buckets.at(-1)]).toEqual([1, 3, 4])
  expect(histogram.slice(-2)).toEqual([
    expect.objectContaining({ name: 'scout_probe_duration_seconds_sum', value: 100.00074 }),
    expect.objectContaining({ name: 'scout_probe_duration_seconds_count', value: 4 }),
  ])
})

test('durations have the path only where one check asks several name servers', () => {
  const paths = ['pod', 'name', 'dns-server', 'dns-server-2', 'dns-pod'] as const
  const durations = paths.map((path, index) => durationsOf([0.001], { check: `check-${index}`, path }))
  const labels = samplesOf(rowOf({ durations })).flatMap((sample) =>
    sample.name === 'scout_probe_duration_seconds_count' ? sample.labels.replace(/,family.*/, '') : [],
  )
  expect(labels).toEqual([
    'check="check-0"',
    'check="check-1"',
    'check="check-2",path="dns-server"',
    'check="check-3",path="dns-server-2"',
    'check="check-4",path="dns-pod"',
  ])
})

test('an agent with 32 peers in three zones and the default settings exposes 200 kB at most', () => {
  const zones = ['zone-a', 'zone-b', 'zone-c']
  const { series: budget } = configSchema.parse({}).metrics
  const tookSeconds = [0.0001, 0.0004, 0.003, 0.04]
  const row = rowOf({
    series: catalogue.flatMap(({ name: check, protocol }) =>
      Array.from({ length: 32 }, (_, peer) =>
        seriesOf({ check, protocol, to: `node-${peer}`, toZone: zones[peer % 3], tookSeconds }),
      ),
    ),
    durations: catalogue.flatMap(({ name: check, protocol }) =>
      zones.map((toZone) => durationsOf(tookSeconds, { check, protocol, toZone })),
    ),
  })
  const size = (format: 'text' | 'openmetrics') => Buffer.concat(expositionOf(metrics, row, { format, budget })).length
  expect(size('text')).toBeLessThan(200_000)
  expect(size('openmetrics')).toBeLessThan(200_000)
  // It is not the row of an agent with fewer.
  expect(size('text')).toBeGreaterThan(150_000)
})

test('separates failures from inconclusive attempts', () => {
  const reasons = { timeout: 4, 'local-error': 3, cancelled: 1, 'not-permitted': 2 } as const
  const last = failureOf('not-permitted')
  const samples = samplesOf(rowOf({ series: [seriesOf({ state: 'unable', total: { passed: 0, reasons }, last })] }))
  expect(attemptsIn(samples)).toEqual([
    'tcp failure timeout 4',
    'tcp inconclusive local-error 3',
    'tcp inconclusive cancelled 1',
    'tcp unable not-permitted 2',
  ])
  expect(samples.filter(({ name }) => name === 'scout_probe_failing')).toEqual([])
})

test('counts packets by direction where the other side counts them, too', () => {
  const ofEcho = { sent: 9, returned: 8, duplicated: 0, reordered: 0, late: 0 }
  const samples = samplesOf(
    rowOf({
      series: [
        seriesOf({ check: 'icmp', protocol: 'icmp', total: { passed: 8, reasons: {}, packets: ofEcho } }),
        seriesOf({ check: 'udp', protocol: 'udp', total: { passed: 12, reasons: {}, packets: ofStamp } }),
      ],
    }),
  )
  const counted = samples.filter(({ name }) => name.startsWith('scout_probe_packets_'))
  expect(counted.map(({ name, value }) => `${name} ${value}`)).toEqual([
    'scout_probe_packets_sent_total 20',
    'scout_probe_packets_arrived_total 16',
    'scout_probe_packets_lost_forth_total 3',
    'scout_probe_packets_returned_total 12',
    'scout_probe_packets_duplicated_total 1',
    'scout_probe_packets_duplicated_forth_total 1',
    'scout_probe_packets_reordered_total 2',
  ])
})

test('counts packets whose DSCP changes of the checks that ask, and on the ways that are known', () => {
  const checks = [
    { check: 'udp', packets: ofStamp },
    { check: 'dscp', packets: { ...ofStamp, remarkedForth: 3 } },
    { check: 'dscp-kept', packets: { ...ofStamp, remarkedForth: 0, remarkedBack: 2 } },
  ]
  const series = checks.map(({ check, packets }) =>
    seriesOf({ check, protocol: 'udp', total: { passed: 12, reasons: {}, packets } }),
  )
  const counted = samplesOf(rowOf({ series })).filter(({ name }) => name.includes('remarked'))
  expect(counted.map(({ name, labels, value }) => `${name} ${labels.match(/check="(.*?)"/)?.[1]} ${value}`)).toEqual([
    'scout_probe_packets_remarked_forth_total dscp 3',
    'scout_probe_packets_remarked_forth_total dscp-kept 0',
    'scout_probe_packets_remarked_back_total dscp-kept 2',
  ])
})

test.each([
  ['that never responded is as old as the agent', 0, 60],
  ['is as old as its last response', 1_500, 1.5],
  ['that is a list does not age', undefined, 0],
])('a source of peers %s', (_, agoMs, ageSeconds) => {
  const { takenAtMs } = rowOf()
  const heardAtMs = agoMs === undefined || agoMs === 0 ? agoMs : takenAtMs - agoMs
  const samples = samplesOf(rowOf({ knowledge: { source: 'a test', heardAtMs } }))
  expect(samples.find(({ name }) => name === 'scout_discovery_age_seconds')?.value).toBe(ageSeconds)
})

test('excludes name resolution from the last duration', () => {
  const series = seriesOf({ tookSeconds: [3] })
  const last = { ...series.last, phasesNs: { resolve: 1e9, connect: 2e9 } } as typeof series.last
  const samples = samplesOf(rowOf({ series: [{ ...series, last }] }))
  expect(samples.find(({ name }) => name === 'scout_probe_last_duration_seconds')?.value).toBe(2)
})

test('has no last duration of a series that waits: the old one says nothing about now', () => {
  const series = { ...seriesOf({ tookSeconds: [0.002] }), state: 'waiting' as const }
  const samples = samplesOf(rowOf({ series: [series] }))
  expect(samples.filter(({ name }) => name === 'scout_probe_last_duration_seconds')).toEqual([])
})

test('has no metric without a value, and the labels of the table in their order, which are all explained', () => {
  expect(textOf(rowOf())).not.toContain('scout_probe_attempts_total')
  const samples = samplesOf(mesh)
  for (const { name, labels } of metrics) {
    const written = samples
      .filter((sample) => sample.name.replace(/_(?:bucket|sum|count)$/, '') === name)
      .map((sample) => [...sample.labels.matchAll(/(\w+)="[^"]*"/g)].flatMap(([, label]) => label ?? []))
    expect(written).not.toEqual([])
    const used = new Set(written.flat())
    expect(labels.filter((label) => used.has(label))).toEqual(labels)
    for (const one of written) {
      expect(one.filter((label) => label !== 'le')).toEqual(labels.filter((label) => one.includes(label)))
    }
    expect(Object.keys(labelMeanings)).toEqual(expect.arrayContaining([...labels]))
  }
})

test('makes the labels of links again when a series changes or moves', () => {
  const linksOf = createLinks()
  const [one, two] = [seriesOf({ tookSeconds: [1] }), seriesOf({ check: 'udp', tookSeconds: [2] })]
  const moved = { ...one, toZone: 'zone-c' }
  for (const series of [[one, two], [two], [two, moved], [moved, two], []]) {
    const row = rowOf({ series })
    expect(linksOf(row)).toEqual(createLinks()(row))
  }
  const row = rowOf({ series: [one], self: { ...rowOf().self, zone: 'zone-z' } })
  expect(linksOf(row)).toEqual([expect.objectContaining({ source_zone: 'zone-z' })])
})

test('escapes characters that would end a label', () => {
  const name = 'a"\\b\nc'
  const self = { ...rowOf().self, node: name }
  expect(textOf(rowOf({ self }))).toContain(String.raw`node="a\"\\b\nc"`)
})

test('an agent without the setting measures nothing of its runtime', () => {
  expect(metrics.map(({ name }) => name).filter((name) => !name.startsWith('scout_'))).toEqual([
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'process_start_time_seconds',
    'process_open_fds',
    'process_max_fds',
  ])
})

describe('in OpenMetrics', () => {
  const open = (row: Row) => Buffer.concat(expositionOf(metrics, row, { format: 'openmetrics' })).toString()

  test('a counter is described without its suffix, and the text ends with EOF', () => {
    const text = open(mesh)
    expect(text).toContain('\n# TYPE scout_probe_attempts counter\nscout_probe_attempts_total{')
    expect(text.endsWith('\n# EOF\n')).toBe(true)
    expect(text.match(/^# EOF$/gm)).toHaveLength(1)
  })

  test('a failure has the newest attempt that failed so as its exemplar', () => {
    const line = open(mesh)
      .split('\n')
      .find((sample) => sample.includes('reason="refused"} 1'))
    expect(line).toMatch(/ 1 # \{target="10\.0\.0\.2:8081",phase="connect"\} 1 1698703789\.799$/)
  })

  test('a bucket has the newest of the last attempts in it, with the node that it went to', () => {
    const tookSeconds = [0.0003]
    const row = rowOf({
      series: [seriesOf({ tookSeconds }), seriesOf({ to: 'node-3', tookSeconds: [3.05] }), seriesOf({ to: 'node-4' })],
      durations: [durationsOf([0.0003, 3.05])],
    })
    const exemplars = open(row)
      .split('\n')
      .filter((sample) => sample.includes(' # '))
      .map((sample) => sample.replace(/^.*le="(.*?)".* # (.*) \d+\.\d+$/, '$1 $2'))
    expect(exemplars).toEqual(['0.0005 {target_node="node-2"} 0.0003', '3.2 {target_node="node-3"} 3.05'])
  })

  test('no help has quotes, which the two formats escape differently', () => {
    for (const { help } of [...metrics, ...createRuntimeMetrics()]) expect(help).not.toContain('"')
  })

  test.each([
    ['application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3', 'openmetrics'],
    ['text/plain, application/openmetrics-text', 'openmetrics'],
    ['application/openmetrics-text;q=0, text/plain', 'text'],
    ['text/plain;version=0.0.4', 'text'],
    ['*/*', 'text'],
    [undefined, 'text'],
  ])('a client that accepts %s gets %s', (accept, format) => {
    expect(formatFor(accept)).toBe(format)
  })
})

test('an incident has a sentence of limited length, and only some have one', () => {
  const incidents = Array.from({ length: 40 }, (_, index) => ({
    id: `id-${index}`,
    cause: 'packet-loss',
    scope: 'link',
    severity: 'warning',
    summary: '🚰'.repeat(400),
  }))
  const diagnosis = { ...rowOf().diagnosis, isSpeaking: true, incidents }
  const shown = samplesOf(rowOf({ diagnosis })).filter(({ name }) => name.startsWith('scout_incident_'))
  expect(shown.filter(({ name }) => name === 'scout_incident_open').map(({ value }) => value)).toEqual([0, 40, 0])
  const summaries = shown.flatMap(({ labels }) => /summary="(.*)"/.exec(labels)?.[1] ?? [])
  expect(summaries).toHaveLength(16)
  expect(summaries[0]).toBe(`${'🚰'.repeat(299)}…`)
})

testWith('promtool')('passes promtool check metrics', () => {
  const input = Buffer.concat(expositionOf([...metrics, ...createRuntimeMetrics()], mesh))
  expect(execFileSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })).toBe('')
})

function textOf(row: Row): string {
  return Buffer.concat(expositionOf(metrics, row)).toString()
}

function attemptsIn(samples: ReturnType<typeof samplesOf>): readonly string[] {
  return samples
    .filter(({ name }) => name === 'scout_probe_attempts_total')
    .map(({ labels, value }) => {
      const [, check, outcome, reason = ''] = /check="(\w+)".*outcome="(\w+)"(?:,reason="([\w-]*)")?/.exec(labels) ?? []
      return `${check} ${outcome} ${reason} ${value}`
    })
}

function samplesOf(row: Row) {
  const lines = textOf(row)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => {
    const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    return { name, labels, value: Number(value) }
  })
}
