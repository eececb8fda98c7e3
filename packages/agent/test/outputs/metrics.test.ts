import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { testWith } from '../../../../test/support/requirements.ts'
import type { Snapshot } from '../../src/memory/snapshot.ts'
import { createProcessMetrics, metricsOf } from '../../src/outputs/metrics.ts'
import { failingSeriesOf, failureOf, peerOf, seriesOf, snapshotOf } from '../support/snapshots.ts'

const mesh = snapshotOf({
  peers: [peerOf(), peerOf({ name: 'scout-3', node: 'node-3', state: 'leaving' })],
  series: [
    seriesOf({ tookSeconds: [0.00004, 0.00031, 8] }),
    failingSeriesOf('refused', { peer: { name: 'scout-3', node: 'node-3', zone: 'zone-b' } }),
    seriesOf({ check: 'dns', protocol: 'dns', peer: undefined, family: undefined, tookSeconds: [0.002] }),
    seriesOf({ check: 'udp', protocol: 'udp' }),
  ],
  schedule: { started: 9, late: 1, skipped: 2, inFlight: 3, waiting: 4 },
  setAside: 5,
  strays: { udp: { late: 1, duplicate: 2, foreign: 3 } },
  responders: { http: { answered: 4, rejected: 5, unsent: 0 } },
})

test('exposes what the snapshot holds and nothing else', async () => {
  expect(await metricsOf(mesh).metrics()).toMatchInlineSnapshot(`
    "# HELP scout_build_info Version of this agent; always 1.
    # TYPE scout_build_info gauge
    scout_build_info{version="1.2.3",node="node-1"} 1

    # HELP scout_peers Peers known, by state.
    # TYPE scout_peers gauge
    scout_peers{state="starting"} 0
    scout_peers{state="ready"} 1
    scout_peers{state="leaving"} 1

    # HELP scout_knowledge_age_seconds Time since the source of the peers was last heard of.
    # TYPE scout_knowledge_age_seconds gauge
    scout_knowledge_age_seconds 1.5

    # HELP scout_knowledge_trouble 1 while the source of the peers does not answer.
    # TYPE scout_knowledge_trouble gauge
    scout_knowledge_trouble 0

    # HELP scout_probe_attempts_total Attempts by what came of them; unable is what this agent lacks the means for, and reason is empty for successes.
    # TYPE scout_probe_attempts_total counter
    scout_probe_attempts_total{check="tcp",protocol="tcp",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",outcome="success",reason=""} 3
    scout_probe_attempts_total{check="dns",protocol="dns",family="",source_node="node-1",source_zone="zone-a",target_node="",target_zone="",outcome="success",reason=""} 1
    scout_probe_attempts_total{check="tcp",protocol="tcp",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b",outcome="failure",reason="refused"} 1

    # HELP scout_probe_failing 1 when the last attempt failed, 0 when it succeeded.
    # TYPE scout_probe_failing gauge
    scout_probe_failing{check="tcp",protocol="tcp",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b"} 0
    scout_probe_failing{check="dns",protocol="dns",family="",source_node="node-1",source_zone="zone-a",target_node="",target_zone=""} 0
    scout_probe_failing{check="tcp",protocol="tcp",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-3",target_zone="zone-b"} 1

    # HELP scout_probe_last_duration_seconds Duration of the last attempt, if it succeeded.
    # TYPE scout_probe_last_duration_seconds gauge
    scout_probe_last_duration_seconds{check="tcp",protocol="tcp",family="ipv4",source_node="node-1",source_zone="zone-a",target_node="node-2",target_zone="zone-b",clock="user"} 8
    scout_probe_last_duration_seconds{check="dns",protocol="dns",family="",source_node="node-1",source_zone="zone-a",target_node="",target_zone="",clock="user"} 0.002

    # HELP scout_probe_duration_seconds Duration of successful attempts by pair of zones.
    # TYPE scout_probe_duration_seconds histogram
    scout_probe_duration_seconds_bucket{le="0.00005",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 1
    scout_probe_duration_seconds_bucket{le="0.0001",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 1
    scout_probe_duration_seconds_bucket{le="0.0002",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 1
    scout_probe_duration_seconds_bucket{le="0.0005",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.001",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.002",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.005",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.01",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.02",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.05",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.1",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.25",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.5",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="0.95",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="1.1",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="2.9",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="3.2",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="6.9",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="7.2",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 2
    scout_probe_duration_seconds_bucket{le="+Inf",check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 3
    scout_probe_duration_seconds_sum{check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 8.00035
    scout_probe_duration_seconds_count{check="tcp",protocol="tcp",family="ipv4",source_zone="zone-a",target_zone="zone-b"} 3
    scout_probe_duration_seconds_bucket{le="0.00005",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 0
    scout_probe_duration_seconds_bucket{le="0.0001",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 0
    scout_probe_duration_seconds_bucket{le="0.0002",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 0
    scout_probe_duration_seconds_bucket{le="0.0005",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 0
    scout_probe_duration_seconds_bucket{le="0.001",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 0
    scout_probe_duration_seconds_bucket{le="0.002",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="0.005",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="0.01",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="0.02",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="0.05",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="0.1",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="0.25",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="0.5",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="0.95",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="1.1",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="2.9",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="3.2",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="6.9",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="7.2",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_bucket{le="+Inf",check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1
    scout_probe_duration_seconds_sum{check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 0.002
    scout_probe_duration_seconds_count{check="dns",protocol="dns",family="",source_zone="zone-a",target_zone=""} 1

    # HELP scout_schedule_runs_total Runs of the schedule.
    # TYPE scout_schedule_runs_total counter
    scout_schedule_runs_total{outcome="started"} 9
    scout_schedule_runs_total{outcome="late"} 1
    scout_schedule_runs_total{outcome="skipped"} 2

    # HELP scout_probes_in_flight Attempts under way.
    # TYPE scout_probes_in_flight gauge
    scout_probes_in_flight 3

    # HELP scout_results_set_aside_total Results not counted, because the peer was starting, leaving or gone, or became so.
    # TYPE scout_results_set_aside_total counter
    scout_results_set_aside_total 5

    # HELP scout_results_held Failures held back until it is known whether their peer was leaving, and results behind them.
    # TYPE scout_results_held gauge
    scout_results_held 0

    # HELP scout_greetings_total Peers asked who they are, by what they answered.
    # TYPE scout_greetings_total counter
    scout_greetings_total{outcome="answered"} 0
    scout_greetings_total{outcome="malformed"} 0
    scout_greetings_total{outcome="silent"} 0

    # HELP scout_stray_answers_total Answers that no attempt waited for.
    # TYPE scout_stray_answers_total counter
    scout_stray_answers_total{protocol="udp",kind="late"} 1
    scout_stray_answers_total{protocol="udp",kind="duplicate"} 2
    scout_stray_answers_total{protocol="udp",kind="foreign"} 3

    # HELP scout_responder_requests_total Requests to this responder by what came of them.
    # TYPE scout_responder_requests_total counter
    scout_responder_requests_total{responder="http",outcome="answered"} 4
    scout_responder_requests_total{responder="http",outcome="rejected"} 5
    scout_responder_requests_total{responder="http",outcome="unsent"} 0
    "
  `)
})

test('counts each duration in every bucket whose edge is not below it, and sums up the paths between two zones', async () => {
  const zoneB = (node: string, tookSeconds: readonly number[]) =>
    seriesOf({ peer: { name: node, node, zone: 'zone-b' }, tookSeconds })
  const samples = await samplesOf(
    snapshotOf({ series: [zoneB('node-2', [0.00004, 0.0003]), zoneB('node-3', [0.0004, 100])] }),
  )
  const histogram = samples.filter(({ name }) => name.startsWith('scout_probe_duration_seconds'))
  const buckets = histogram.filter(({ name }) => name.endsWith('_bucket')).map(({ value }) => value)
  expect(buckets).toEqual(buckets.toSorted((a, b) => a - b))
  expect(buckets.at(0)).toBe(1)
  expect(buckets.at(-2)).toBe(3)
  expect(buckets.at(-1)).toBe(4)
  expect(histogram.slice(-2)).toEqual([
    expect.objectContaining({ name: 'scout_probe_duration_seconds_sum', value: 100.00074 }),
    expect.objectContaining({ name: 'scout_probe_duration_seconds_count', value: 4 }),
  ])
})

test.each([
  ['first', [failingSeriesOf('timeout'), seriesOf({ tookSeconds: [0.001] })]],
  ['last', [seriesOf({ tookSeconds: [0.001] }), failingSeriesOf('timeout')]],
])('shows a link as failing when one of its paths fails, be it the %s', async (_, series) => {
  const samples = await samplesOf(snapshotOf({ series }))
  expect(samples.filter(({ name }) => name === 'scout_probe_failing')).toEqual([expect.objectContaining({ value: 1 })])
})

test('goes on counting, when one of two peers on a node is gone, what came of both', async () => {
  const inherited = { successes: 3, failures: { timeout: 1 } } as const
  const samples = await samplesOf(
    snapshotOf({ series: [seriesOf({ tookSeconds: [0.001], inherited }), seriesOf({ check: 'udp', inherited })] }),
  )
  expect(attemptsIn(samples)).toEqual(['tcp success 4', 'tcp failure 1', 'udp success 3', 'udp failure 1'])
})

test('tells what this agent is not able to do from what failed', async () => {
  const last = failureOf('not-permitted')
  const samples = await samplesOf(
    snapshotOf({ series: [seriesOf({ state: 'unable', attempts: 2, unable: { 'not-permitted': 2 }, last })] }),
  )
  expect(attemptsIn(samples)).toEqual(['tcp unable 2'])
  expect(samples.filter(({ name }) => name === 'scout_probe_failing')).toEqual([])
})

test('says nothing of a peer any more once it is gone', async () => {
  const [first, ...others] = mesh.series
  const before = await metricsOf(mesh).metrics()
  const after = await metricsOf({ ...mesh, series: first === undefined ? others : [first] }).metrics()
  expect(before).toContain('node-3')
  expect(after).not.toContain('node-3')
})

testWith('promtool')('is what Prometheus wants to see, in form and in names', async () => {
  const exposition = (await metricsOf(mesh).metrics()) + (await createProcessMetrics().metrics())
  expect(execFileSync('promtool', ['check', 'metrics'], { input: exposition, encoding: 'utf8' })).toBe('')
})

function attemptsIn(samples: Awaited<ReturnType<typeof samplesOf>>): readonly string[] {
  return samples
    .filter(({ name }) => name === 'scout_probe_attempts_total')
    .map(({ labels, value }) => {
      const [, check, outcome] = /check="(\w+)".*outcome="(\w+)"/.exec(labels) ?? []
      return `${check} ${outcome} ${value}`
    })
}

async function samplesOf(snapshot: Snapshot) {
  const lines = (await metricsOf(snapshot).metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => {
    const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    return { name, labels, value: Number(value) }
  })
}
