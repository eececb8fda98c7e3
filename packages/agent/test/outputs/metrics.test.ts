import { execFileSync } from 'node:child_process'
import type { Row } from '@scout/core'
import { expect, test } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { expositionOf } from '../../src/outputs/exposition.ts'
import { createLinkTexts } from '../../src/outputs/labels.ts'
import { createProcessMetrics, labelMeanings, metrics } from '../../src/outputs/metrics.ts'
import { durationsOf, failingSeriesOf, failureOf, peerOf, rowOf, seriesOf } from '../support/rows.ts'

const own = { check: 'dns', protocol: 'dns', path: 'dns-server', family: undefined } as const
const mesh = rowOf({
  peers: [peerOf(), peerOf({ name: 'scout-3', node: 'node-3', state: 'leaving' })],
  series: [
    seriesOf({ tookSeconds: [0.00004, 0.00031, 8] }),
    failingSeriesOf('refused', { to: 'node-3' }),
    seriesOf({ ...own, to: undefined, toZone: undefined, tookSeconds: [0.002] }),
    seriesOf({ check: 'udp', protocol: 'udp' }),
  ],
  durations: [durationsOf([0.00004, 0.00031, 8]), durationsOf([0.002], { ...own, toZone: '' })],
  schedule: { started: 9, late: 1, skipped: 2, lost: 5, inFlight: 3, waiting: 4 },
  setAside: 5,
  diagnosis: {
    isSpeaking: true,
    rows: 2,
    ready: 3,
    incidents: [
      { cause: 'node-down', scope: 'node', severity: 'critical' },
      { cause: 'node-down', scope: 'node', severity: 'critical' },
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
      .map((line) => line.replace(/^.*outcome="(.*?)",reason="(.*?)"} (.*)$/, '$1 $2 $3'))
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
  expect(textOf(mesh)).toMatchInlineSnapshot(`
    "# HELP scout_build_info Version of this agent; always 1.
    # TYPE scout_build_info gauge
    scout_build_info{version="1.2.3",node="node-1"} 1
    # HELP scout_peers Known peers by state.
    # TYPE scout_peers gauge
    scout_peers{state="starting"} 0
    scout_peers{state="ready"} 1
    scout_peers{state="leaving"} 1
    # HELP scout_incident_open Incidents that are not closed, at the agent that speaks for the mesh; 0 for every cause at the others. In a partition, one agent on each side speaks.
    # TYPE scout_incident_open gauge
    scout_incident_open{cause="protocol-filtered",scope="",severity="critical"} 0
    scout_incident_open{cause="local-egress-denied",scope="",severity="critical"} 0
    scout_incident_open{cause="overlay-blocked",scope="",severity="critical"} 0
    scout_incident_open{cause="routing-broken",scope="",severity="critical"} 0
    scout_incident_open{cause="checksum-broken",scope="",severity="critical"} 0
    scout_incident_open{cause="mtu-black-hole",scope="",severity="critical"} 0
    scout_incident_open{cause="fragments-dropped",scope="",severity="warning"} 0
    scout_incident_open{cause="packet-loss",scope="",severity="warning"} 0
    scout_incident_open{cause="path-loss",scope="",severity="critical"} 0
    scout_incident_open{cause="syn-loss",scope="",severity="warning"} 0
    scout_incident_open{cause="tcp-reset",scope="",severity="critical"} 0
    scout_incident_open{cause="accept-queue-full",scope="",severity="warning"} 0
    scout_incident_open{cause="idle-flow-dropped",scope="",severity="warning"} 0
    scout_incident_open{cause="nat-entry-stale",scope="",severity="critical"} 0
    scout_incident_open{cause="conntrack-exhausted",scope="",severity="critical"} 0
    scout_incident_open{cause="neighbour-overflow",scope="",severity="critical"} 0
    scout_incident_open{cause="latency-raised",scope="",severity="warning"} 0
    scout_incident_open{cause="jitter",scope="",severity="warning"} 0
    scout_incident_open{cause="bandwidth-limited",scope="",severity="warning"} 0
    scout_incident_open{cause="buffer-bloat",scope="",severity="warning"} 0
    scout_incident_open{cause="duplication",scope="",severity="warning"} 0
    scout_incident_open{cause="reordering",scope="",severity="warning"} 0
    scout_incident_open{cause="dns-server-down",scope="",severity="critical"} 0
    scout_incident_open{cause="dns-slow",scope="",severity="warning"} 0
    scout_incident_open{cause="dns-error",scope="",severity="critical"} 0
    scout_incident_open{cause="dns-truncation-blocked",scope="",severity="warning"} 0
    scout_incident_open{cause="dns-race",scope="",severity="warning"} 0
    scout_incident_open{cause="dns-endpoint-down",scope="",severity="critical"} 0
    scout_incident_open{cause="dns-no-endpoints",scope="",severity="critical"} 0
    scout_incident_open{cause="dns-upstream-limited",scope="",severity="warning"} 0
    scout_incident_open{cause="service-endpoint-dead",scope="",severity="critical"} 0
    scout_incident_open{cause="service-rules-missing",scope="",severity="critical"} 0
    scout_incident_open{cause="hairpin-broken",scope="",severity="warning"} 0
    scout_incident_open{cause="node-down",scope="",severity="critical"} 0
    scout_incident_open{cause="node-isolated",scope="",severity="critical"} 0
    scout_incident_open{cause="zone-partition",scope="",severity="critical"} 0
    scout_incident_open{cause="link-flapping",scope="",severity="warning"} 0
    scout_incident_open{cause="family-broken",scope="",severity="critical"} 0
    scout_incident_open{cause="asymmetric-route",scope="",severity="critical"} 0
    scout_incident_open{cause="ports-exhausted",scope="",severity="critical"} 0
    scout_incident_open{cause="dscp-rewritten",scope="",severity="informational"} 0
    scout_incident_open{cause="icmp-filtered",scope="",severity="informational"} 0
    scout_incident_open{cause="application-refusing",scope="",severity="warning"} 0
    scout_incident_open{cause="clock-skew",scope="",severity="informational"} 0
    scout_incident_open{cause="prober-starved",scope="",severity="warning"} 0
    scout_incident_open{cause="unexplained",scope="",severity="warning"} 0
    scout_incident_open{cause="node-down",scope="node",severity="critical"} 2
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
    # HELP scout_knowledge_age_seconds Time since the source of peers last responded.
    # TYPE scout_knowledge_age_seconds gauge
    scout_knowledge_age_seconds 1.5
    # HELP scout_knowledge_trouble 1 while the source of peers fails, otherwise 0.
    # TYPE scout_knowledge_trouble gauge
    scout_knowledge_trouble 0
    # HELP scout_probe_attempts_total Attempts by outcome and reason. inconclusive: failed because of this host; unable: this agent lacks a privilege or feature. A success has an empty reason. Successes and the usual failures (timeout, refused, unreachable) count from 0, other reasons appear with their first.
    # TYPE scout_probe_attempts_total counter
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="success",reason=""} 3
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="timeout"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="refused"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="unreachable"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b",outcome="success",reason=""} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b",outcome="failure",reason="timeout"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b",outcome="failure",reason="unreachable"} 0
    scout_probe_attempts_total{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b",outcome="failure",reason="refused"} 1
    scout_probe_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_node="node-1",source_zone="zone-a",target_node="",target_zone="",outcome="success",reason=""} 1
    scout_probe_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_node="node-1",source_zone="zone-a",target_node="",target_zone="",outcome="failure",reason="timeout"} 0
    scout_probe_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_node="node-1",source_zone="zone-a",target_node="",target_zone="",outcome="failure",reason="refused"} 0
    scout_probe_attempts_total{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_node="node-1",source_zone="zone-a",target_node="",target_zone="",outcome="failure",reason="unreachable"} 0
    scout_probe_attempts_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="success",reason=""} 0
    scout_probe_attempts_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="timeout"} 0
    scout_probe_attempts_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="refused"} 0
    scout_probe_attempts_total{check="udp",protocol="udp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="failure",reason="unreachable"} 0
    # HELP scout_probe_failing 1 if the last attempt failed, 0 if it succeeded. With several peers on the node, 1 if the last attempt on any of them failed.
    # TYPE scout_probe_failing gauge
    scout_probe_failing{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 0
    scout_probe_failing{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b"} 1
    scout_probe_failing{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_node="node-1",source_zone="zone-a",target_node="",target_zone=""} 0
    # HELP scout_probe_last_duration_seconds Duration of the last attempt if it succeeded, excluding name resolution.
    # TYPE scout_probe_last_duration_seconds gauge
    scout_probe_last_duration_seconds{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",clock="user"} 8
    scout_probe_last_duration_seconds{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_node="node-1",source_zone="zone-a",target_node="",target_zone="",clock="user"} 0.002
    # HELP scout_probe_duration_seconds Durations of successful attempts by pair of zones, excluding name resolution.
    # TYPE scout_probe_duration_seconds histogram
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.00005"} 1
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.0001"} 1
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.0002"} 1
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.0005"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.001"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.002"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.005"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.01"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.02"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.05"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.1"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.25"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.5"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="0.95"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="1.1"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="2.9"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="3.2"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="6.9"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="7.2"} 2
    scout_probe_duration_seconds_bucket{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b",le="+Inf"} 3
    scout_probe_duration_seconds_sum{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 8.00035
    scout_probe_duration_seconds_count{check="tcp",protocol="tcp",path="pod",vantage="pod",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 3
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.00005"} 0
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.0001"} 0
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.0002"} 0
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.0005"} 0
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.001"} 0
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.002"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.005"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.01"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.02"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.05"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.1"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.25"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.5"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="0.95"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="1.1"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="2.9"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="3.2"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="6.9"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="7.2"} 1
    scout_probe_duration_seconds_bucket{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone="",le="+Inf"} 1
    scout_probe_duration_seconds_sum{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone=""} 0.002
    scout_probe_duration_seconds_count{check="dns",protocol="dns",path="dns-server",vantage="pod",family="",source_zone="zone-a",target_zone=""} 1
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

test.each([
  ['that never responded is as old as the agent', 0, 60],
  ['is as old as its last response', 1_500, 1.5],
  ['that is a list does not age', undefined, 0],
])('a source of peers %s', (_, agoMs, ageSeconds) => {
  const { takenAtMs } = rowOf()
  const heardAtMs = agoMs === undefined || agoMs === 0 ? agoMs : takenAtMs - agoMs
  const samples = samplesOf(rowOf({ knowledge: { source: 'a test', heardAtMs } }))
  expect(samples.find(({ name }) => name === 'scout_knowledge_age_seconds')?.value).toBe(ageSeconds)
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

test('has no metric without a value, and exactly the labels of the table, which are all explained', () => {
  expect(textOf(rowOf())).not.toContain('scout_probe_attempts_total')
  const samples = samplesOf(mesh)
  for (const { name, labels } of metrics) {
    const written = samples
      .filter((sample) => sample.name.replace(/_(?:bucket|sum|count)$/, '') === name)
      .map((sample) => [...sample.labels.matchAll(/(\w+)="[^"]*"/g)].flatMap(([, label]) => label ?? []))
    expect(written).not.toEqual([])
    for (const one of written) expect(one.filter((label) => label !== 'le')).toEqual(labels)
    expect(Object.keys(labelMeanings)).toEqual(expect.arrayContaining([...labels]))
  }
})

test('writes labels again when a series changes or moves', () => {
  const linkTextsOf = createLinkTexts()
  const [one, two] = [seriesOf({ tookSeconds: [1] }), seriesOf({ check: 'udp', tookSeconds: [2] })]
  const moved = { ...one, toZone: 'zone-c' }
  for (const series of [[one, two], [two], [two, moved], [moved, two], []]) {
    const row = rowOf({ series })
    expect(linkTextsOf(row)).toEqual(createLinkTexts()(row))
  }
  const row = rowOf({ series: [one], self: { ...rowOf().self, zone: 'zone-z' } })
  expect(linkTextsOf(row)).toEqual([expect.stringContaining('source_zone="zone-z"')])
})

test('escapes characters that would end a label', () => {
  const name = 'a"\\b\nc'
  const self = { ...rowOf().self, node: name }
  expect(textOf(rowOf({ self }))).toContain(String.raw`node="a\"\\b\nc"`)
})

test('measures event loop lag only when it is scraped', async () => {
  const names = [...(await createProcessMetrics().metrics()).matchAll(/^# TYPE (nodejs_eventloop\S*)/gm)]
  expect(names.map(([, name]) => name)).toEqual(['nodejs_eventloop_lag_seconds'])
})

test('does not wake an idle process', () => {
  assertBuilt('packages/agent')
  const program = `
    const { createProcessMetrics } = await import('@scout/agent/metrics')
    createProcessMetrics()
    setTimeout(() => {
      const before = process.resourceUsage().voluntaryContextSwitches
      setTimeout(() => console.log(process.resourceUsage().voluntaryContextSwitches - before), 1_000)
    }, 500)`
  const wakeUps = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })
  expect(Number(wakeUps)).toBeLessThan(30)
})

testWith('promtool')('passes promtool check metrics', async () => {
  const exposition = textOf(mesh) + (await createProcessMetrics().metrics())
  expect(execFileSync('promtool', ['check', 'metrics'], { input: exposition, encoding: 'utf8' })).toBe('')
})

function textOf(row: Row): string {
  return Buffer.concat(expositionOf(metrics, row)).toString()
}

function attemptsIn(samples: ReturnType<typeof samplesOf>): readonly string[] {
  return samples
    .filter(({ name }) => name === 'scout_probe_attempts_total')
    .map(({ labels, value }) => {
      const [, check, outcome, reason] = /check="(\w+)".*outcome="(\w+)",reason="([\w-]*)"/.exec(labels) ?? []
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
