import { expect, test } from 'vitest'
import { agent, answers, type Given, serve } from '../support/prometheus-double.ts'
import { runCli } from '../support/run-cli.ts'

const nodes = ['node1', 'node2', 'node3', 'node4']
const checks = ['http', 'tcp', 'syn', 'udp', 'udp-large', 'icmp', 'icmp-large']
const nowSeconds = Date.now() / 1000

interface Mesh {
  /** Whether a check fails on a link. */
  readonly fails: (check: string, from: string, to: string) => boolean
  /** Seconds since the last success of what fails. */
  readonly failingSeconds?: number
  readonly reason?: string
  readonly incidents?: readonly Readonly<Record<string, string>>[]
  /** Whether a series has samples (default: all have). */
  readonly isShown?: (check: string, from: string, to: string) => boolean
  readonly gauges?: readonly Given[]
}

/** Returns what a store with the metrics of a mesh answers. */
function metricsOf(mesh: Mesh) {
  const { fails, failingSeconds = 180, reason = 'timeout', incidents = [], isShown = () => true, gauges = [] } = mesh
  const series = checks.flatMap((check) =>
    nodes.flatMap((from) =>
      nodes.flatMap((to) => {
        if (to === from || !isShown(check, from, to)) return []
        const labels = { source_node: from, target_node: to, check, path: 'pod', family: 'ipv4' }
        return [{ labels, isFailing: fails(check, from, to) }]
      }),
    ),
  )
  const failing = series.filter(({ isFailing }) => isFailing)
  return answers({
    scout_build_info: nodes.map((node) => agent(node)),
    __name__: gauges,
    scout_incident_info: incidents.map((metric) => ({ metric, value: 1 })),
    'outcome="failure"': failing.map(({ labels }) => ({ metric: { ...labels, reason }, value: 18 })),
    outcome: [],
    scout_probe_last_success: series.map(({ labels, isFailing }) => ({
      metric: labels,
      value: nowSeconds - (isFailing ? failingSeconds : 2),
    })),
    source_zone: nodes.map((node) => ({ metric: { source_node: node, source_zone: `zone-${node}` }, value: 1 })),
    scout_probe_failing: series.map(({ labels, isFailing }) => ({ metric: labels, value: Number(isFailing) })),
  })
}

/** Starts a store with the metrics of a mesh; returns what `scout-probe mesh` makes of them. */
async function look(mesh: Mesh, ...argv: readonly string[]) {
  const port = await serve(metricsOf(mesh))
  return runCli(['mesh', '--prometheus', `http://127.0.0.1:${port}`, ...argv])
}

const isUdp = (check: string) => check.startsWith('udp')
const udpIsFiltered: Mesh = { fails: (check, from, to) => isUdp(check) && from === 'node1' && to === 'node2' }

test('names the cause of failures that no agent reports an incident about, and what it rests on', async () => {
  const { code, out } = await look(udpIsFiltered)
  expect(code).toBe(1)
  const [, incident = ''] = out.split('\n\n')
  expect(incident.replace(/since .*?, /, 'since #, ').replace(/incident \w+/, 'incident #')).toMatchInlineSnapshot(`
    "critical, computed from metrics: UDP is dropped: node1 -> node2
        protocol-filtered, since #, incident #
        udp and udp-large get no answer over IPv4 on node1 -> node2 (36 attempts)
        http, tcp, syn, icmp and icmp-large pass over IPv4 on node1 -> node2 (5 attempts)
        not mtu-black-hole: icmp-large over IPv4 passes; not checksum-broken: http over IPv4 passes; not overlay-blocked: http over IPv4 passes; not routing-broken: http over IPv4 passes
        next: scout-probe explain protocol-filtered"
  `)
  expect(out).toContain('causes computed from metrics use only the last results of the default checks between nodes')
})

test('a watch closes it when it ends, although no agent speaks', async () => {
  let present = metricsOf(udpIsFiltered)
  const port = await serve((request, response) => present(request, response))
  const { out } = await runCli(['mesh', '--prometheus', `http://127.0.0.1:${port}`, '--watch', '-i', '1s'], {
    onOutput(text, end) {
      present = metricsOf({ fails: () => false })
      if (text.includes(' closed')) end()
    },
  })
  expect(out.replaceAll(/^\S+ /gm, '').replaceAll(/after \S+:/g, 'after #:')).toMatch(
    /^opened: critical, computed from metrics: UDP is dropped: node1 -> node2 \(.*\)\nclosed after #: critical, computed/,
  )
})

test('says in JSON that it is computed, and no confidence', async () => {
  const { out } = await look(udpIsFiltered, '--json')
  const lines = out
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  const incident = lines.find((line) => typeof line === 'object' && line !== null && 'cause' in line)
  expect(incident).toMatchObject({ kind: 'incident', isComputed: true, scope: { kind: 'link', from: 'node1' } })
  expect(incident).not.toHaveProperty('confidence')
})

test('a check with large packets is told from the others, although metrics do not contain sizes', async () => {
  const isLarge = (check: string) => check.endsWith('-large')
  const { out } = await look({ fails: (check, from, to) => isLarge(check) && [from, to].includes('node3') })
  expect(out).toMatch(/^critical, computed from metrics: .*node3/m)
  expect(out).toContain('    mtu-black-hole, since ')
})

test.each([
  ['that lasts less than a minute', { failingSeconds: 40 }],
  ['whose reason does not tell who did it', { reason: 'prohibited' }],
])('names no cause of a failure %s', async (_, parts) => {
  const { code, out } = await look({ ...udpIsFiltered, ...parts })
  expect(code).toBe(1)
  expect(out).toContain('node1 -> node2: udp and udp-large fail')
  expect(out).not.toMatch(/^critical, computed from metrics/m)
})

test('an agent that lacks CPU is the cause of what it answers and asks too late', async () => {
  const byAgent = (check: string) => isUdp(check) || check === 'http'
  const fails = (check: string, from: string, to: string) => byAgent(check) && [from, to].includes('node1')
  const { out } = await look({ fails, gauges: [gauge('node1', { name: 'scout_prober_starved', value: 1 })] })
  expect(out).toContain('warning, computed from metrics: the agent on node1 does not get enough CPU to measure')
  expect(out).not.toContain('critical')
})

test.each([
  ['that link', { scope: 'link', summary: 'UDP is dropped: node1 -> node2' }, false],
  ['one of its nodes', { scope: 'node', summary: 'node2 is down' }, false],
  ['the whole cluster', { scope: 'cluster', summary: 'UDP is dropped: the whole cluster' }, false],
  ['a node that its sentence does not name', { scope: 'node-side', summary: 'UDP is dropped' }, false],
  ['another link', { scope: 'link', summary: 'UDP is dropped: node3 -> node4' }, true],
  ['another link of one of its nodes', { scope: 'link', summary: 'UDP is dropped: node1 -> node4' }, true],
  ['a name server', { scope: 'name-server', summary: 'name server 10.96.0.10 does not answer' }, true],
])('an incident of agents about %s is shown, and a computed one beside it: %#', async (_, given, isShownToo) => {
  const reported = { id: 'a1', cause: 'protocol-filtered', severity: 'critical', ...given }
  const { code, out } = await look({ ...udpIsFiltered, incidents: [reported] })
  expect(code).toBe(1)
  expect(out).toContain(`critical: ${given.summary}\n    protocol-filtered, in the metrics since`)
  expect(out.includes('computed from metrics')).toBe(isShownToo)
})

test('an agent that withholds what passes hides no cause, and makes no fault wider than it is', async () => {
  const fails = (check: string, from: string, to: string) => isUdp(check) && from === 'node1' && to !== 'node4'
  const isShown = (check: string, from: string, to: string) => check === 'http' || fails(check, from, to)
  const gauges = nodes.map((node) => gauge(node, { name: 'scout_series_budget_withheld', value: 5, state: 'other' }))
  const { out } = await look({ fails, isShown, gauges })
  expect(out).toMatch(/^critical, computed from metrics: .*node1 -> node2/m)
  expect(out).toMatch(/^critical, computed from metrics: .*node1 -> node3/m)
  expect(out).not.toMatch(/^critical, computed from metrics: .*all nodes/m)
})

test.each([
  ['links without samples', { isShown: (_: string, from: string, to: string) => from !== 'node1' || to !== 'node4' }],
  [
    'failures without samples',
    { gauges: [gauge('node3', { name: 'scout_series_budget_withheld', value: 1, state: 'failing' })] },
  ],
])('names no cause where there are %s, and says so', async (_, parts) => {
  const withheld = gauge('node1', { name: 'scout_series_budget_withheld', value: 3, state: 'other' })
  const { code, out } = await look({
    ...udpIsFiltered,
    ...parts,
    gauges: [withheld, ...('gauges' in parts ? parts.gauges : [])],
  })
  expect(code).toBe(1)
  expect(out).toContain('no cause is computed for failures without an incident, because not every link has samples')
  expect(out).not.toMatch(/^critical, computed/m)
})

interface Gauge {
  readonly name: string
  readonly value: number
  readonly state?: string
}

function gauge(node: string, { name, value, state = '' }: Gauge): Given {
  return { metric: { __name__: name, instance: `${node}:8080`, state }, value }
}
