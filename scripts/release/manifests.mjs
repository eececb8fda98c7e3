// npm run manifests: writes the files derived from the chart and the agent's settings. With --check it compares instead, lints the chart,
// and fails if a file is stale; it prints "skipped:" for parts that cannot run here. npm run test:cluster validates the manifests against
// a real API server.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { root, run } from '../command.mjs'
import { prepare } from '../prepare.mjs'

/** @typedef {{ path: string, content: string }} Derived expected content of a file */

/** Kubernetes version that the manifests are tested on. */
const kubernetes = '1.36.0'
const isCheck = process.argv.includes('--check')

await prepare('start')

// Imports work only now that everything is installed and built.
const { chart, version } = await import('./chart.mjs')
const { configSchema, configShape } = await import('@scout/agent/config')
const { settingsOf } = await import('@scout/core')

const hasHelm = (await run('helm', ['version'])).isOk
// The manifests are rendered from the other files.
const sources = [chartFile(), values(), valuesSchema(), ...monitoringFiles()]
if (!isCheck) staleOf(sources).forEach(write)
const derived = [...sources, ...(hasHelm ? await manifests() : [])]
const stale = staleOf(derived)
const problems = isCheck ? await check() : hasHelm ? [] : ['cannot render the manifests: helm is not on the PATH']
if (!isCheck) stale.forEach(write)
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0

/** @param {readonly Derived[]} files */
function staleOf(files) {
  return files.filter(({ path, content }) => !existsSync(path) || readFileSync(path, 'utf8') !== content)
}

/** @param {Derived} file */
function write({ path, content }) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

/** @returns {Promise<readonly string[]>} what is wrong */
async function check() {
  const outdated = stale.map(({ path }) => `${relative(root, path)} is stale: npm run manifests rewrites it`)
  if (!hasHelm) {
    const reason = 'cannot render the manifests: helm is not on the PATH'
    if (process.env['CI'] === 'true') return [...outdated, reason]
    console.log(`skipped: ${reason}`)
    return outdated
  }
  return [...outdated, ...failed(await run('helm', ['lint', '--strict', '--quiet', chart]))]
}

/** @param {{ isOk: boolean, output: string }} outcome */
function failed({ isOk, output }) {
  return isOk ? [] : [output.trimEnd()]
}

/** @returns {Promise<readonly Derived[]>} */
async function manifests() {
  return Promise.all([manifest('scout.yaml', 'privileged'), manifest('scout-restricted.yaml', 'restricted')])
}

/**
 * @param {string} name
 * @param {string} variant
 * @returns {Promise<Derived>}
 */
async function manifest(name, variant) {
  const values = { variant, 'namespace.create': 'true', managedBy: 'kubectl' }
  const settings = Object.entries(values).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  const release = ['scout', chart, '--namespace', 'scout', '--kube-version', kubernetes]
  const { isOk, output } = await run('helm', ['template', ...release, ...settings])
  if (!isOk) throw new Error(`helm cannot render the ${variant} variant: ${output}`)
  const heading = '# Made from deploy/helm/scout by `npm run manifests`.\n'
  return { path: join(root, 'deploy', name), content: heading + output.replaceAll(/^# Source: .*\n/gm, '') }
}

/**
 * Returns the chart's copies of rules and dashboards: Helm reads only files within a chart.
 *
 * @returns {readonly Derived[]}
 */
function monitoringFiles() {
  const dashboards = readdirSync(join(root, 'deploy/grafana')).filter((name) => name.endsWith('.json'))
  return ['prometheus/scout.rules.yaml', ...dashboards.map((name) => `grafana/${name}`)].map((name) => ({
    path: join(chart, 'files', name),
    content: readFileSync(join(root, 'deploy', name), 'utf8'),
  }))
}

/** @returns {Derived} */
function chartFile() {
  const path = join(chart, 'Chart.yaml')
  return { path, content: readFileSync(path, 'utf8').replaceAll(/^(version|appVersion): .*$/gm, `$1: ${version}`) }
}

/**
 * Returns the chart's values with the agent's default ports.
 *
 * @returns {Derived}
 */
function values() {
  const path = join(chart, 'values.yaml')
  const content = settingsOf(configSchema)
    .filter(({ name }) => name.endsWith('.port'))
    .reduce(
      (text, { name, default: port }) =>
        text.replace(new RegExp(`^(  ${name.replace('.port', '')}:\\n    port: )\\d+$`, 'm'), `$1${String(port)}`),
      readFileSync(path, 'utf8'),
    )
  return { path, content }
}

/**
 * Returns the chart's schema with the schema of `config`.
 *
 * @returns {Derived}
 */
function valuesSchema() {
  const shape = configShape()
  // Settings from the downward API, from the chart, and for agents outside of clusters.
  const { name, namespace, node, zone, addresses, hostAddresses, ...shared } = shape.properties ?? {}
  const { service, nodeConditions, dnsService, nodeEvents, kubeApi, kubeconfig, context, ...settings } = shared
  const config = { ...withoutDefaults(shape), properties: withoutDefaults(settings) }
  for (const { properties } of [config.properties.console, config.properties.responder]) {
    // Pods and Services name these ports, so they must be fixed.
    Object.assign(properties.port, { minimum: 1, description: 'port, also of pods and Services' })
  }
  const path = join(chart, 'values.schema.json')
  const { properties, ...rest } = JSON.parse(readFileSync(path, 'utf8'))
  const schema = { ...rest, properties: { ...properties, config } }
  return { path, content: `${JSON.stringify(schema, undefined, 2)}\n` }
}

/**
 * Removes defaults: Helm ignores them, and some depend on this machine.
 *
 * @param {unknown} schema
 */
function withoutDefaults(schema) {
  const isDefault = (/** @type {string} */ key, /** @type {unknown} */ value) =>
    key === 'defaultText' || (key === 'default' && !isSchema(value))
  return JSON.parse(JSON.stringify(schema, (key, value) => (isDefault(key, value) ? undefined : value)))
}

/**
 * Whether this is the schema of a setting that happens to be called "default".
 *
 * @param {unknown} value
 */
function isSchema(value) {
  return typeof value === 'object' && value !== null && 'type' in value
}
