import type { ServerResponse } from 'node:http'
import type { Row } from '@scout/core'
import { expect, onTestFinished, test, vi } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { desertedTcpPort } from '../../../../../test/support/servers.ts'
import { expositionOf } from '../../../src/outputs/metrics/exposition.ts'
import { metrics } from '../../../src/outputs/metrics/metrics.ts'
import { type OtlpOptions, startOtlpExport } from '../../../src/outputs/metrics/otlp.ts'
import { loopback, startAgent } from '../../support/agent-process.ts'
import { partialSuccess, type ReceivedMetric } from '../../support/otlp-message.ts'
import { accept, startOtlpReceiver } from '../../support/otlp-receiver.ts'
import { durationsOf, failingSeriesOf, peerOf, rowOf, seriesOf } from '../../support/rows.ts'

const mesh = rowOf({
  peers: [peerOf()],
  series: [seriesOf({ tookSeconds: [0.000_04, 0.000_31, 8] }), failingSeriesOf('refused', { to: 'no"de\\3\n' })],
  durations: [durationsOf([0.000_04, 0.000_31, 8])],
})
/** Those of the process differ between two readings. */
const ownMetrics = metrics.filter(({ name }) => name.startsWith('scout_'))

/** Starts an export until the test ends; collects what it reports. */
function exportTo(endpoint: string, parts: Partial<OtlpOptions> = {}) {
  const troubles: (string | undefined)[] = []
  const remarks: string[] = []
  const running = startOtlpExport({
    endpoint,
    intervalMs: 10,
    metrics: ownMetrics,
    budget: 500,
    row: () => mesh,
    environment: {},
    onTrouble: (trouble) => troubles.push(trouble),
    onRemark: (remark) => remarks.push(remark),
    onDefect(error) {
      throw error
    },
    ...parts,
  })
  onTestFinished(running.stop)
  return { ...running, troubles, remarks }
}

/** Returns the samples of metrics as lines of /metrics. */
function linesOf({ name, points }: ReceivedMetric): readonly string[] {
  return points.flatMap(({ attributes, value, count, sum, bounds, bucketCounts }) => {
    // JSON escapes quotes, backslashes and line ends as /metrics does.
    const labels = Object.entries(attributes)
      .map(([label, text]) => `${label}=${JSON.stringify(text)}`)
      .join(',')
    if (bounds.length === 0) return [`${name}${labels === '' ? '' : `{${labels}}`} ${value}`]
    const below = (end: number) => bucketCounts.slice(0, end + 1).reduce((total, one) => total + one, 0)
    return [
      ...[...bounds, '+Inf'].map((bound, index) => `${name}_bucket{${labels},le="${bound}"} ${below(index)}`),
      `${name}_sum{${labels}} ${sum}`,
      `${name}_count{${labels}} ${count}`,
    ]
  })
}

test('sends the samples of /metrics: the same names, values and labels, apart from empty ones', async () => {
  const receiver = await startOtlpReceiver()
  exportTo(receiver.endpoint)
  await eventually(() => receiver.received.length > 0, 'an export')
  const text = Buffer.concat(expositionOf(ownMetrics, mesh, { budget: 500 })).toString()
  const expected = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(expected.length).toBeGreaterThan(50)
  expect(receiver.received[0]?.metrics.flatMap(linesOf)).toEqual(
    expected.map((line) => line.replaceAll(/(?<=[{,])\w+="",?/g, '').replace(',}', '}')),
  )
})

test('says what kind each metric is, in which unit, since when, and of which agent', async () => {
  const receiver = await startOtlpReceiver()
  const self = { ...mesh.self, namespace: 'monitoring' }
  exportTo(receiver.endpoint, { row: () => ({ ...mesh, self }) })
  await eventually(() => receiver.received.length > 0, 'an export')
  const [first] = receiver.received
  const metricOf = (name: string) => first?.metrics.find((metric) => metric.name === name)
  const cumulative = { temporality: 2 }
  expect(metricOf('scout_probe_attempts_total')).toMatchObject({
    kind: 'sum',
    isMonotonic: true,
    ...cumulative,
    unit: '',
  })
  expect(metricOf('scout_probe_phase_seconds_total')).toMatchObject({ kind: 'sum', unit: 's' })
  expect(metricOf('scout_probe_duration_seconds')).toMatchObject({ kind: 'histogram', ...cumulative, unit: 's' })
  expect(metricOf('scout_probe_failing')).toMatchObject({ kind: 'gauge', unit: '' })
  expect(metricOf('scout_ready')?.description).toBe(metrics.find(({ name }) => name === 'scout_ready')?.help)
  for (const { points } of first?.metrics ?? []) {
    expect(points[0]).toMatchObject({ startMs: mesh.startedAtMs, atMs: mesh.takenAtMs })
  }
  expect(first?.resource).toEqual({
    'service.name': 'scout',
    'service.version': '1.2.3',
    'service.instance.id': 'monitoring.scout-1',
    'k8s.namespace.name': 'monitoring',
    'k8s.pod.name': 'scout-1',
    'k8s.node.name': 'node-1',
  })
})

test('the variables of OpenTelemetry set headers, compression and attributes; invalid ones are reported', async () => {
  vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'authorization=Bearer%20secret')
  vi.stubEnv('OTEL_EXPORTER_OTLP_COMPRESSION', 'gzip')
  vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', 'soon')
  vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'k8s.cluster.name=blue,host.name=other')
  vi.stubEnv('OTEL_SERVICE_NAME', 'mesh')
  const receiver = await startOtlpReceiver()
  const { remarks } = exportTo(receiver.endpoint)
  await eventually(() => receiver.received.length > 0, 'an export')
  const [first] = receiver.received
  expect(first?.headers).toMatchObject({ authorization: 'Bearer secret', 'content-encoding': 'gzip' })
  expect(first?.resource).toMatchObject({ 'service.name': 'mesh', 'k8s.cluster.name': 'blue', 'host.name': 'other' })
  expect(first?.metrics.length).toBeGreaterThan(10)
  expect(remarks).toEqual([expect.stringContaining('OTEL_EXPORTER_OTLP_TIMEOUT')])
})

test('reports once that no collector listens', async () => {
  // Without time for retries.
  vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '100')
  const port = await desertedTcpPort()
  let readings = 0
  const row = () => {
    readings++
    return mesh
  }
  const { troubles } = exportTo(`http://127.0.0.1:${port}/v1/metrics`, { row })
  await eventually(() => readings > 5, 'several exports')
  const down = `cannot send metrics to http://127.0.0.1:${port}/v1/metrics: connect ECONNREFUSED 127.0.0.1:${port}`
  expect(troubles).toEqual([down])
})

const trickle = (response: ServerResponse) => {
  response.write('.')
  const timer = setInterval(() => response.write('.'), 10)
  response.once('close', () => clearInterval(timer))
}
const flood = (response: ServerResponse) => {
  const write = () => {
    while (!response.destroyed && response.write(Buffer.alloc(1 << 16)));
  }
  response.on('drain', write)
  write()
}
const status =
  (code: number, headers = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(code, headers).end()

test.each<readonly [string, (response: ServerResponse) => void, string]>([
  ['refuses the token', status(401), '401 Unauthorized'],
  ['redirects', status(307, { location: 'http://127.0.0.1:9/' }), '307 Temporary Redirect'],
  ['is overloaded', status(503), 'Export failed with retryable status'],
  ['closes the connection', (response) => response.destroy(), 'socket hang up'],
  ['rejects some points', (response) => response.end(partialSuccess(5, 'too old\u001b[2J')), 'too old'],
  ['is a web server', (response) => response.end('<html>hello</html>'), 'could not deserialize response'],
  ['answers without end', flood, 'exceeded size limit'],
  ['answers without end, slowly', trickle, 'took more than 0.2 s'],
  ['does not answer', () => {}, 'Request timed out'],
])('reports once, and once it is over, that the collector %s', async (_, answer, message) => {
  const exportMostMs = answer === trickle ? 200 : 30_000
  vi.stubEnv('OTEL_EXPORTER_OTLP_TIMEOUT', '100')
  const receiver = await startOtlpReceiver()
  receiver.answer(answer)
  const { troubles } = exportTo(receiver.endpoint, { spans: { exportMostMs, lastMostMs: 100 } })
  await eventually(() => receiver.received.length > 2, 'several exports')
  expect(troubles).toEqual([expect.stringContaining(message)])
  expect(troubles[0]).not.toContain('\u001b')
  expect(receiver.mostAtOnce()).toBe(1)
  receiver.answer(accept)
  await eventually(() => troubles.length > 1, 'the end of the trouble')
  expect(troubles).toEqual([expect.stringContaining(receiver.endpoint), undefined])
})

test('sends the latest values when it stops, and nothing afterwards', async () => {
  const receiver = await startOtlpReceiver()
  let row: Row = mesh
  const { stop } = exportTo(receiver.endpoint, { row: () => row, intervalMs: 60_000 })
  await eventually(() => receiver.received.length > 0, 'the first export')
  row = { ...mesh, setAside: 99 }
  await stop()
  expect(receiver.received).toHaveLength(2)
  const last = receiver.received[1]?.metrics.find(({ name }) => name === 'scout_results_set_aside_total')
  expect(last?.points[0]?.value).toBe(99)
})

test('a collector that does not answer delays the end by no more than the bound, which is reported', async () => {
  const receiver = await startOtlpReceiver()
  const { stop, troubles } = exportTo(receiver.endpoint, { intervalMs: 60_000, spans: { lastMostMs: 100 } })
  await eventually(() => receiver.received.length > 0, 'the first export')
  receiver.answer(() => {})
  const startMs = performance.now()
  await stop()
  expect(performance.now() - startMs).toBeLessThan(2_000)
  expect(troubles).toEqual([expect.stringContaining('the last export took more than 0.1 s')])
})

test('refuses a certificate that cannot be read, by the name of its variable', () => {
  const environment = { OTEL_EXPORTER_OTLP_CERTIFICATE: '/none/ca.pem' }
  expect(() => exportTo('https://127.0.0.1:9/v1/metrics', { environment })).toThrow(
    "cannot read the file of OTEL_EXPORTER_OTLP_CERTIFICATE: ENOENT: no such file or directory, open '/none/ca.pem'",
  )
})

test('an agent sends what it shows at /metrics, logs no header, and sends the rest when a signal ends it', async () => {
  const receiver = await startOtlpReceiver()
  const agent = await startAgent(
    {
      discovery: 'static',
      responder: { host: loopback(1), port: 0 },
      otlp: { endpoint: receiver.endpoint, interval: '1s' },
    },
    ['env', 'OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20hush'],
  )
  const shown = async () => {
    const text = await (await fetch(`${agent.url}/metrics`)).text()
    return [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
  }
  const earlier = await shown()
  const exports = receiver.received.length
  await eventually(() => receiver.received.length > exports, 'a later export')
  const sent = receiver.received.at(-1)
  const names = sent?.metrics.map(({ name }) => name) ?? []
  expect(names).toEqual(expect.arrayContaining(earlier))
  expect(await shown()).toEqual(expect.arrayContaining(names))
  expect(sent?.headers.authorization).toBe('Bearer hush')
  const before = receiver.received.length
  expect(await agent.end('SIGTERM')).toMatchObject({ code: 0, errors: '' })
  expect(receiver.received.length).toBeGreaterThan(before)
  const ready = receiver.received.at(-1)?.metrics.find(({ name }) => name === 'scout_ready')
  expect(ready?.points.map(({ value }) => value)).toEqual([0])
  expect(JSON.stringify(agent.log)).not.toContain('hush')
})
