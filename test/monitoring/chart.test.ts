import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { testWith } from '../support/requirements.ts'

const deploy = new URL('../../deploy/', import.meta.url)
const chart = fileURLToPath(new URL('helm/scout', deploy))

const withHelm = testWith({
  isMet: spawnSync('helm', ['version']).status === 0,
  reason: 'needs helm on the PATH',
  // The cluster's tests have it.
  isSpareableInCi: true,
})

const object = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
})

withHelm('the chart has no object of the Prometheus operator or for Grafana unless the values ask for it', () => {
  const kinds = render({}).map(({ kind }) => kind)
  for (const kind of ['PodMonitor', 'PrometheusRule']) expect(kinds).not.toContain(kind)
  expect(annotationsOf(render({}))).toMatchObject({ 'prometheus.io/scrape': 'true' })
})

withHelm(
  'a PodMonitor selects the agents and scrapes the port of their console, which nothing else then asks for',
  () => {
    const objects = render({
      'podMonitor.enabled': 'true',
      'podMonitor.interval': '15s',
      'podMonitor.labels.release': 'kps',
    })
    const [monitor] = objects.filter(({ kind }) => kind === 'PodMonitor')
    expect(monitor?.metadata.labels).toMatchObject({ release: 'kps', 'app.kubernetes.io/name': 'scout' })
    expect(monitor?.['spec']).toEqual({
      selector: { matchLabels: { 'app.kubernetes.io/name': 'scout', 'app.kubernetes.io/instance': 'scout' } },
      podMetricsEndpoints: [{ port: 'console', path: '/metrics', interval: '15s' }],
    })
    expect(annotationsOf(objects)).not.toHaveProperty('prometheus.io/scrape')
  },
)

withHelm('a PrometheusRule has exactly the rules of deploy/prometheus', () => {
  const [rules] = render({ 'rules.enabled': 'true' }).filter(({ kind }) => kind === 'PrometheusRule')
  expect(rules?.['spec']).toEqual(parse(readFileSync(new URL('prometheus/scout.rules.yaml', deploy), 'utf8')))
})

withHelm('a ConfigMap has the dashboards of deploy/grafana, with the label of the sidecar', () => {
  const found = render({ 'dashboards.enabled': 'true' }).find(({ metadata }) => 'grafana_dashboard' in metadata.labels)
  const folder = new URL('grafana/', deploy)
  expect(found?.['data']).toEqual(
    Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')])),
  )
})

function render(monitoring: Readonly<Record<string, string>>) {
  const values = Object.entries(monitoring).flatMap(([name, value]) => ['--set', `monitoring.${name}=${value}`])
  const args = ['template', 'scout', chart, '--kube-version', '1.36.0', ...values]
  return parseAllDocuments(execFileSync('helm', args, { encoding: 'utf8' })).map((one) => object.parse(one.toJS()))
}

function annotationsOf(objects: ReturnType<typeof render>): Readonly<Record<string, unknown>> {
  const daemonSet = objects.find(({ kind }) => kind === 'DaemonSet')
  const schema = z.object({
    template: z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()) }) }),
  })
  return schema.parse(daemonSet?.['spec']).template.metadata.annotations
}
