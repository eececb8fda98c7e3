import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { metrics } from '@scout/agent/metrics'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { testWith } from '../support/requirements.ts'

const deploy = new URL('../../deploy/', import.meta.url)
const rulesFile = new URL('prometheus/scout.rules.yaml', deploy)

testWith('promtool')('each alert fires when it should and not otherwise, and each recording rule has its value', () => {
  const cwd = fileURLToPath(new URL('prometheus/', deploy))
  const output = execFileSync('promtool', ['test', 'rules', 'scout.rules.test.yaml'], { cwd, encoding: 'utf8' })
  expect(output).toContain('SUCCESS')
})

test('each alert has a severity, a sentence and what to do, and a test', async () => {
  const alerts = (await rules()).flatMap((rule) => ('alert' in rule ? [rule] : []))
  const tests = await readFile(new URL('prometheus/scout.rules.test.yaml', deploy), 'utf8')
  expect(alerts.length).toBeGreaterThan(5)
  for (const { alert, labels, annotations } of alerts) {
    expect(labels.severity).toMatch(/^(critical|warning|info|\{\{.*)$/)
    expect(annotations.summary).not.toBe('')
    expect(annotations.description.length).toBeGreaterThan(annotations.summary.length / 2)
    expect(tests).toContain(`alertname: ${alert}`)
  }
})

test('rules read metrics that exist', async () => {
  const exprs = (await rules()).map(({ expr }) => expr).join('\n')
  const names = new Set(metrics.flatMap(({ name, type }) => (type === 'histogram' ? histogramNames(name) : [name])))
  const read = new Set(exprs.match(/\bscout_\w+/g))
  expect(read.size).toBeGreaterThan(5)
  expect([...read].filter((name) => !names.has(name))).toEqual([])
})

const dashboards = readdirSync(new URL('grafana/', deploy)).map((name) => `grafana/${name}`)

test.each(['prometheus/scout.rules.yaml', ...dashboards])(
  'the chart contains deploy/%s (npm run manifests copies it)',
  async (name) => {
    const copy = await readFile(new URL(`helm/scout/files/${name}`, deploy), 'utf8')
    expect(copy).toBe(await readFile(new URL(name, deploy), 'utf8'))
  },
)

const rule = z.union([
  z.strictObject({ record: z.string(), expr: z.string() }),
  z.strictObject({
    alert: z.string(),
    expr: z.string(),
    for: z.string(),
    keep_firing_for: z.string().optional(),
    labels: z.strictObject({ severity: z.string() }),
    annotations: z.strictObject({ summary: z.string(), description: z.string() }),
  }),
])

async function rules() {
  const file = z.object({ groups: z.array(z.strictObject({ name: z.string(), rules: z.array(rule) })) })
  return file.parse(parse(await readFile(rulesFile, 'utf8'))).groups.flatMap(({ rules }) => rules)
}

function histogramNames(name: string): readonly string[] {
  return ['_bucket', '_sum', '_count'].map((suffix) => name + suffix)
}
