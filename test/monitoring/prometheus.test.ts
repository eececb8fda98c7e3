import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { runCli } from '../../packages/cli/test/support/run-cli.ts'
import { labNeeds } from '../lab/test/support/namespaces.ts'
import { openMesh } from '../scoreboard/mesh.mjs'
import { assertBuilt } from '../support/built.ts'
import { describeWith } from '../support/requirements.ts'
import { readDashboards } from './support/dashboards.ts'
import { type Prometheus, startPrometheus } from './support/prometheus.ts'

const nodes = 3
/** Metrics that appear with the first event that they count. */
const mayBeAbsent = ['scout_stray_answers_total']
const consolePort = 8080
/** For what takes seconds on an idle machine. */
const patienceMs = 120_000

describeWith(...labNeeds, 'prometheus')('a Prometheus that scrapes agents in the lab', () => {
  let mesh: Awaited<ReturnType<typeof openMesh>>
  let prometheus: Prometheus

  beforeAll(async () => {
    assertBuilt('packages/agent')
    mesh = await openMesh({
      network: 'routed',
      nodes,
      dnsReplicas: 2,
      isService: true,
      isExtended: false,
      intervalMs: 1_000,
    })
    mesh.start()
    const rules = await readFile(new URL('../../deploy/prometheus/scout.rules.yaml', import.meta.url), 'utf8')
    prometheus = await startPrometheus(mesh.lab, {
      place: 'pod3',
      targets: mesh.members.map(({ addresses: [address = ''] }) => `${address}:${consolePort}`),
      // The same rules, which wait for a second instead of minutes.
      rules: rules.replaceAll(/^( *(?:keep_firing_)?for): \w+$/gm, '$1: 1s'),
    })
    await until('Prometheus has begun, and one agent speaks with the rows of all', async () => {
      if (!(await prometheus.isUp())) return false
      const [held] = await prometheus.query(
        'scout_evidence_rows{state="held"} and on (instance) scout_incident_speaker == 1',
      )
      return Number(held?.value[1]) === nodes
    })
  }, patienceMs)

  afterAll(async () => {
    await prometheus?.stop()
    await mesh?.close()
  }, patienceMs)

  /** Runs `scout-probe mesh` on what it has stored. */
  const look = (...argv: readonly string[]) => runCli(['mesh', '--prometheus', prometheus.url, ...argv])

  test('reads all of what they expose, and nothing alerts while all is well', { timeout: 2 * patienceMs }, async () => {
    await until('every agent was scraped', async () =>
      (await prometheus.targets()).every(({ health }) => health === 'up'),
    )
    expect((await prometheus.targets()).map(({ lastError }) => lastError)).toEqual(['', '', ''])
    await until('nothing alerts', async () => (await prometheus.alerts()).length === 0)
  })

  test('alerts with the sentence of an incident, has data for every panel, and the alert ends with the fault', {
    timeout: 3 * patienceMs,
  }, async () => {
    const before = await look('--json')
    const fault = await mesh.lab.inject('udp-blocked', { from: 1, to: 2 })
    const firing = async () =>
      (await prometheus.alerts()).filter(
        ({ labels, state }) => labels['cause'] === 'protocol-filtered' && state === 'firing',
      )
    await until('the alert fires', async () => (await firing()).length > 0)
    const [alert] = await firing()
    expect(alert?.labels).toMatchObject({ alertname: 'ScoutIncident', severity: 'critical', id: expect.any(String) })
    expect(alert?.annotations['summary']).toMatch(/node1.*node2|node2.*node1/)

    const now = await look()
    expect(now.code).toBe(1)
    expect(now.out).toMatch(/^from http:\/\/127\.0\.0\.1:\d+: samples of 3 agents, \ds/)
    expect(now.out).toContain(`: ${alert?.annotations['summary']}\n    protocol-filtered, in the metrics since `)
    expect(now.out).toContain(`incident ${alert?.labels['id']}`)
    expect(now.out).not.toContain('computed from metrics')
    expect(now.out).toMatch(/^node1 +- +udp .*: timeout/m)
    expect(now.out).toMatch(/^node1 -> node2: udp.* since .*: timeout: no answer arrived before the deadline$/m)

    // A look at the past is the look that was then.
    const past = await look('--json', '--at', new Date(seen(before).source.atMs).toISOString())
    expect({ ...seen(past), source: undefined }).toEqual({ ...seen(before), source: undefined })
    expect(seen(past)).toMatchObject({ code: 0, incidents: [], states: Array.from({ length: 9 }, () => 'ok') })
    expect(seen(past).source).toMatchObject({ atMs: seen(before).source.atMs, isPast: true, remarks: [] })

    const failures = await prometheus.exemplars('scout_probe_attempts_total{outcome="failure",check="udp"}')
    expect(failures.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels['phase']))).toContain('echo')

    // Some have data only after a while: a rate needs two scrapes of a counter, and counters of peers begin with a result.
    let empty: readonly string[] = []
    await until(
      () => `each query has data: ${empty.join('\n')}`,
      async () => {
        empty = await emptyQueries(prometheus)
        return empty.length === 0
      },
    )

    await fault.heal()
    await until('the alert ends', async () => (await firing()).length === 0)
  })
})

const lines = z.array(
  z.discriminatedUnion('kind', [
    z.looseObject({ kind: z.literal('source'), atMs: z.number() }),
    z.looseObject({ kind: z.literal('incident') }),
    z.looseObject({ kind: z.literal('agent') }),
    z.looseObject({ kind: z.enum(['link', 'other']), state: z.string() }),
    z.looseObject({ kind: z.literal('inability') }),
  ]),
)

/** Reads what `scout-probe mesh --json` prints. */
function seen({ code, out }: { readonly code: number; readonly out: string }) {
  const all = lines.parse(
    out
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line)),
  )
  const [source] = all.flatMap((line) => (line.kind === 'source' ? [line] : []))
  if (source === undefined) throw new Error(`no source in ${out}`)
  return {
    code,
    source,
    incidents: all.filter(({ kind }) => kind === 'incident'),
    states: all.flatMap((line) => (line.kind === 'link' || line.kind === 'other' ? [line.state] : [])),
  }
}

/** Returns the queries of all dashboards that have no data now. Any that Prometheus rejects throws. */
async function emptyQueries({ query, labelValues }: Prometheus): Promise<readonly string[]> {
  const empty: string[] = []
  for (const [name, { panels, templating }] of readDashboards()) {
    for (const { title, targets } of panels) {
      for (const { expr } of targets) {
        const isOptional = mayBeAbsent.some((metric) => expr.includes(metric))
        const filled = expr.replaceAll('$__rate_interval', '15s').replaceAll(/\$\w+/g, '.*')
        if ((await query(filled)).length === 0 && !isOptional) empty.push(`${name}, ${title}: ${filled}`)
      }
    }
    for (const variable of templating.list) {
      if (variable.type !== 'query') continue
      const [, match = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(variable.query.query) ?? []
      const values = await labelValues(label, match.replaceAll(/\$\w+/g, '.*'))
      if (values.length === 0) empty.push(`${name}, variable ${variable.name}`)
    }
  }
  return empty
}

/** Asks twice a second until it holds. */
async function until(what: string | (() => string), holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + patienceMs
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error(`waited in vain until ${typeof what === 'string' ? what : what()}`)
    await sleep(500)
  }
}
