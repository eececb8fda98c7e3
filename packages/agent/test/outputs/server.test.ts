import { once } from 'node:events'
import { get, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Fact, programHeader, type Row } from '@scout/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { collect } from '../../../../test/support/collect.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { type History, historyOf } from '../../src/memory/history.ts'
import { createMemory } from '../../src/memory/memory.ts'
import { createRuntimeMetrics, metrics } from '../../src/outputs/metrics/metrics.ts'
import { type ConsoleOptions, startConsole } from '../../src/outputs/server.ts'
import { consoleOptions, referenceDocument, startTestConsole } from '../support/console.ts'
import { incidentOf, meshViewOf } from '../support/mesh-view.ts'
import { failure, success } from '../support/results.ts'
import { rowOf, seriesOf } from '../support/rows.ts'
import { scrape } from '../support/scrape.ts'
import { known, tasksOf } from '../support/tasks.ts'

test('returns the reference document at /, and the page to a browser', async () => {
  const url = await consoleOf()
  const program = await fetch(url)
  expect(program.headers.get('content-type')).toBe('application/json')
  expect(await program.json()).toEqual(referenceDocument)

  const browser = await fetch(url, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
  expect(browser.headers.get('content-type')).toBe('text/html; charset=UTF-8')
  expect(await browser.text()).toMatch(/^<!doctype html>/)
})

test('returns its row at /api/v1/snapshot', async () => {
  const row = rowOf({ series: [seriesOf({ tookSeconds: [0.001] })] })
  const response = await fetch(`${await consoleOf(row)}/api/v1/snapshot`)
  expect(await response.json()).toEqual(row)
})

test('returns the incidents with how much of the mesh their watcher sees, and the mesh as the command line lists it', async () => {
  const aspect = { check: 'tcp', protocol: 'tcp', path: 'pod', vantage: 'pod', family: 'ipv4' }
  const known = { from: 'node-1', target: '10.0.0.2:8081', sinceMs: 1, trials: 3, lastMs: 2 }
  const failure = { symptom: 'silent', reason: 'timeout', phase: 'connect', message: 'no answer' } as const
  const to = (name: string) => ({ kind: 'node', name }) as const
  const mesh = meshViewOf({
    speaker: 'node-1',
    isSpeaking: true,
    rows: 1,
    ready: 2,
    missing: [{ node: 'node-2', sinceMs: 5 }],
    incidents: [incidentOf()],
    evidence: {
      atMs: 3,
      nodes: [],
      facts: [
        new Fact(aspect, { ...known, to: to('node-2'), ...failure }),
        new Fact(aspect, { ...known, to: to('node-3'), symptom: 'passes' }),
      ],
    },
  })
  const console = await startConsole({ ...optionsOf(rowOf()), mesh: () => mesh })
  onTestFinished(console.close)
  const url = `http://127.0.0.1:${console.port}`
  const { rivals: _, ...incident } = incidentOf()
  const sight = { speaker: 'node-1', isSpeaking: true, sees: { rows: 1, ready: 2, missing: mesh.missing } }
  const incidents = [{ kind: 'incident', ...incident }]
  expect(await statusAndJson(`${url}/api/v1/incidents`)).toEqual([200, { ...sight, incidents }])
  const [, document] = await statusAndJson(`${url}/api/v1/mesh`)
  expect(document).toMatchObject({
    ...sight,
    incidents,
    agents: [{ kind: 'agent', node: 'node-1', ok: true }],
    links: [
      {
        kind: 'link',
        from: 'node-1',
        to: 'node-2',
        state: 'failing',
        failing: [{ check: 'tcp', reason: 'timeout', phase: 'connect', message: 'no answer' }],
      },
      { kind: 'link', from: 'node-1', to: 'node-3', state: 'ok', failing: [] },
    ],
  })
})

test('returns the history of the selected series at /api/v1/history', async () => {
  const memory = createMemory()
  const tasks = tasksOf([known('a', { node: 'node-2' }), known('b', { node: 'node-3' })])
  memory.setTasks(tasks, 0)
  const nowMs = 1_700_000_040_000
  const packets = { sent: 10, returned: 8, arrived: 9, lostForth: 1, duplicated: 0, reordered: 0, late: 0 }
  for (const task of tasks) memory.record(task, { ...success(nowMs - 70_000), packets }, true)
  for (const task of tasks) memory.record(task, failure(nowMs), true)
  const console = await startConsole({ ...optionsOf(rowOf()), history: (query) => historyOf(memory, query, nowMs) })
  onTestFinished(console.close)
  const ask = async (query: string) => {
    const response = await fetch(`http://127.0.0.1:${console.port}/api/v1/history${query}`)
    return (await response.json()) as History
  }
  const { series, failures } = await ask('?to=node-3&check=tcp')
  const [one] = series
  expect(series).toHaveLength(1)
  expect(failures).toEqual([
    { atMs: nowMs, check: 'tcp', family: 'ipv4', reason: 'timeout', phase: 'connect', message: 'no answer' },
  ])
  expect(one).toMatchObject({ check: 'tcp', to: 'node-3', recent: { spanMs: 10_000 }, day: { spanMs: 60_000 } })
  expect(one?.day.slots.map(({ passed, failed, reasons, lost }) => [passed, failed, reasons, lost])).toEqual([
    [1, 0, [], { sent: 10, lost: 2, forth: 1, back: 1 }],
    [0, 1, ['timeout'], undefined],
  ])
  expect((await ask('')).series.map(({ to }) => to)).toEqual(['node-2', 'node-3'])
  expect(await ask('?to=node-9')).toMatchObject({ from: 'node-1', to: 'node-9', series: [], failures: [] })
})

describe('of another node, where its agent', () => {
  const series = (count: number) =>
    Array.from({ length: count }, (_, index) => seriesOf({ check: `c${index}`, from: 'node-2', to: 'node-3' }))
  const documentOf = (count: number) => ({ takenAtMs: 1, from: 'node-2', series: series(count), collected: [] })
  const compressed = (document: object) =>
    JSON.stringify({ gzip: gzipSync(JSON.stringify(document)).toString('base64') })

  test.each([
    ['does not answer', undefined, 'no agent on node-2 answers'],
    [
      'answers without a document',
      '',
      'the agent on node-2 does not answer this one: it does not know it, is asked too much, or has another version',
    ],
    [
      'has more series than are shown',
      compressed(documentOf(5_001)),
      'the agent on node-2 has more than another one shows, such as 5000 series',
    ],
    [
      'answers with more than is read',
      compressed({ x: 'x'.repeat(9 << 20) }),
      'the agent on node-2 has more than another one shows, such as 5000 series',
    ],
    [
      'answers with another document',
      compressed({ hello: 1 }),
      'the agent on node-2 gives an answer that this one cannot read: it may have another version',
    ],
  ])('%s, says so instead of results', async (_, answer, why) => {
    const { url } = await startTestConsole(undefined, { ask: async () => answer })
    const [status, document] = await statusAndJson(`${url}/api/v1/link?from=node-2`)
    expect(status).toBe(200)
    expect(document).toEqual({
      takenAtMs: expect.any(Number),
      from: 'node-2',
      missing: `${why}; its own page shows what it knows`,
      series: [],
      collected: [],
    })
  })

  test('has as many as are shown, returns all', async () => {
    const { url } = await startTestConsole(undefined, { ask: async () => compressed(documentOf(5_000)) })
    const [, document] = await statusAndJson(`${url}/api/v1/link?from=node-2`)
    expect(document).toMatchObject({ from: 'node-2', series: { length: 5_000 } })
    expect(document).not.toHaveProperty('missing')
  })
})

test('returns its metrics and those of the process at /metrics', async () => {
  const response = await fetch(`${await consoleOf()}/metrics`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await response.text()
  expect(text).toContain('scout_build_info{version="1.2.3",node="node-1"} 1')
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m)
})

test('returns OpenMetrics to a Prometheus that asks for it, and metrics of the runtime where the setting says so', async () => {
  const options = { ...optionsOf(rowOf()), metrics: [...metrics, ...createRuntimeMetrics()], budget: 500 }
  const console = await startConsole(options)
  onTestFinished(console.close)
  const url = `http://127.0.0.1:${console.port}/metrics`
  const accept = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1'
  const open = await fetch(url, { headers: { accept } })
  expect(open.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
  const text = await open.text()
  expect(text).toMatch(/\n# EOF\n$/)
  expect(text).toContain('\nnodejs_eventloop_seconds_total{state="active"} ')
  const plain = await fetch(url, { headers: { accept: 'text/plain' } })
  expect(await plain.text()).not.toContain('# EOF')
})

test('is alive without peers, and ready once it has found them', async () => {
  const unready = rowOf({ isReady: false, knowledge: { source: 'nothing yet', heardAtMs: 0 } })
  const url = await consoleOf(unready)
  expect(await statusAndJson(`${url}/healthz`)).toEqual([200, { status: 'ok' }])
  expect(await statusAndJson(`${url}/readyz`)).toEqual([503, { status: 'not ready', knowledge: unready.knowledge }])

  const ready = rowOf()
  expect(await statusAndJson(`${await consoleOf(ready)}/readyz`)).toEqual([
    200,
    { status: 'ok', knowledge: ready.knowledge },
  ])
})

test('is not alive when the probe thread does not respond', async () => {
  expect(await statusAndJson(`${await consoleOf(rowOf(), false)}/healthz`)).toEqual([
    503,
    { status: 'the probe thread does not respond' },
  ])
})

test('lists its paths for an unknown one', async () => {
  expect(await statusAndJson(`${await consoleOf()}/metric`)).toEqual([
    404,
    {
      message:
        'there is nothing at /metric: try /, /metrics, /api/v1/links, /api/v1/history, /api/v1/link, /api/v1/incidents, /api/v1/mesh, /api/v1/self, /api/v1/snapshot, /api/v1/openapi.json, /api/v1/events, /healthz or /readyz',
    },
  ])
})

test.each(['/metrics', '/api/v1/snapshot'])(
  'answers %s with 500 and reports the defect when it cannot',
  async (path) => {
    const defects: unknown[] = []
    const failing = () => {
      throw new Error('no row')
    }
    const console = await startConsole({
      ...optionsOf(rowOf()),
      row: failing,
      onDefect: (error) => defects.push(error),
    })
    onTestFinished(console.close)
    expect(await statusAndJson(`http://127.0.0.1:${console.port}${path}`)).toEqual([
      500,
      { message: 'a defect in scout: see its log' },
    ])
    expect(defects).toEqual([new Error('no row')])
  },
)

test.each(['/', '/metrics', '/healthz', '/api/v1/snapshot'])('answers HEAD %s without a body', async (path) => {
  const response = await fetch(`${await consoleOf()}${path}`, { method: 'HEAD' })
  expect([response.status, await response.text()]).toEqual([200, ''])
})

test('answers a path with a query', async () => {
  expect(await statusAndJson(`${await consoleOf()}/healthz?verbose`)).toEqual([200, { status: 'ok' }])
})

test('rejects any other method', async () => {
  const response = await fetch(`${await consoleOf()}/healthz`, { method: 'POST' })
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})

test('does not read a body: its client is answered and loses the connection', async () => {
  const client = connect(portOf(await consoleOf()), '127.0.0.1')
  client.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\nnever more')
  const text = Buffer.concat(await collect(client)).toString()
  expect(text).toMatch(/^HTTP\/1.1 200 OK\r\n/)
})

test.each(['GET /healthz', 'GET /readyz', 'GET /metrics', 'GET /', 'OPTIONS /'])(
  'answers %s over HTTP/1.0 without a host',
  async (asked) => {
    const client = connect(portOf(await consoleOf()), '127.0.0.1')
    client.write(`${asked} HTTP/1.0\r\n\r\n`)
    const text = Buffer.concat(await collect(client)).toString()
    expect(text).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  },
)

test('compresses documents for those who accept it, and says so to caches', async () => {
  const url = await consoleOf(rowOf({ series: Array.from({ length: 50 }, () => seriesOf({ tookSeconds: [0.001] })) }))
  const compressed = await answerTo(`${url}/metrics`, { 'accept-encoding': 'deflate, gzip;q=0.5' })
  const plain = await answerTo(`${url}/metrics`, { 'accept-encoding': 'gzip;q=0, br' })
  expect([compressed.headers['content-encoding'], plain.headers['content-encoding']]).toEqual(['gzip', undefined])
  expect([compressed.headers.vary, plain.headers.vary]).toEqual(['accept, accept-encoding', 'accept, accept-encoding'])
  expect(compressed.body.length).toBeLessThan(plain.body.length / 5)
  const names = (text: string) => text.match(/^\w+/gm)
  expect(names(gunzipSync(compressed.body).toString())).toEqual(names(plain.body.toString()))
})

test('answers only under names and addresses of its agent, and says what to do', async () => {
  const url = await consoleOf()
  const status = async (host: string, path = '/api/v1/snapshot') => (await answerTo(`${url}${path}`, { host })).status
  for (const host of ['localhost', 'LOCALHOST:8080', 'scout-1', '10.0.0.1:8080', '[fd00::1]:8080', 'localhost.'])
    expect([host, await status(host)]).toEqual([host, 200])
  for (const host of ['attacker.example', 'localhost.attacker.example', 'scout-1.attacker.example:8080', 'x@localhost'])
    expect([host, await status(host)]).toEqual([host, 421])
  for (const path of ['/', '/metrics', '/readyz', '/api/v1/history', '/nothing'])
    expect([path, await status('attacker.example', path)]).toEqual([path, 421])
  // Load balancers probe under any name, and the answer says nothing.
  expect(await status('attacker.example', '/healthz')).toBe(200)
  const { body } = await answerTo(`${url}/metrics`, { host: 'scout.corp.example:8080' })
  expect(JSON.parse(body.toString())).toEqual({
    message:
      'scout.corp.example is not a name of this agent: use its address, or add the name to the setting console.names',
  })
})

test('answers a program of Scout under any name, because an API server passes its own on', async () => {
  const headers = { host: 'api.cluster.example', [programHeader]: '1' }
  expect((await answerTo(`${await consoleOf()}/api/v1/snapshot`, headers)).status).toBe(200)
})

test.each(['/', '/metrics', '/healthz', '/api/v1/snapshot', '/nothing'])(
  'allows a browser neither to guess the type of %s nor to show it within another page',
  async (path) => {
    const { headers } = await answerTo(`${await consoleOf()}${path}`, { accept: 'text/html' })
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' })
    expect(headers['content-security-policy']).toMatch(/^default-src 'none';.* frame-ancestors 'none'/)
  },
)

test('allows the page its own files, which a browser may keep, and nothing inline', async () => {
  const url = await consoleOf()
  const { headers, body } = await answerTo(url, { accept: 'text/html' })
  const policy = headers['content-security-policy']
  expect(policy).toMatch(/^default-src 'none';.* script-src 'self'; style-src 'self';/)
  expect(policy).not.toContain('unsafe')
  const paths = [...body.toString().matchAll(/(?:src|href)="\.(\/[^"]+)"/g)].map(([, path = '']) => path)
  expect(paths).toHaveLength(3)
  let compressedBytes = body.length
  for (const path of paths) {
    const file = await answerTo(url + path, { 'accept-encoding': 'gzip' })
    expect(file.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': expect.stringMatching(/^(?:text\/javascript|text\/css|image\/svg)/),
      'content-encoding': 'gzip',
    })
    compressedBytes += file.body.length
  }
  expect(compressedBytes).toBeLessThan(150_000)
})

test.each(['/assets/', '/assets/../index.html', '/assets/..%2f..%2fpackage.json', '/assets/index.js', '/index.html'])(
  'has no file at %s',
  async (path) => {
    expect((await answerTo((await consoleOf()) + path)).status).toBe(404)
  },
)

test('makes the metrics once for a thousand who ask at the same time, and answers /healthz meanwhile', async () => {
  const row = rowOf({ series: Array.from({ length: 600 }, () => seriesOf({ tookSeconds: [0.001] })) })
  let made = 0
  const console = await startConsole({ ...optionsOf(row), row: () => (made++, row) })
  onTestFinished(console.close)
  const { statuses } = scrape(console.port, 1000)
  let answeredMeanwhile = 0
  while (statuses() === undefined) {
    expect((await fetch(`http://127.0.0.1:${console.port}/healthz`)).status).toBe(200)
    answeredMeanwhile++
  }
  expect(statuses()).toContain(200)
  expect(answeredMeanwhile).toBeGreaterThan(3)
  expect(made).toBeLessThan(100)
})

test('answers no more than some of the requests that a client sends ahead', async () => {
  let made = 0
  const row = rowOf({ series: Array.from({ length: 100 }, () => seriesOf({ tookSeconds: [0.001] })) })
  const console = await startConsole({ ...optionsOf(row), row: () => (made++, row) })
  onTestFinished(console.close)
  const client = connect(console.port, '127.0.0.1')
  client.on('error', () => {})
  client.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1_400))
  client.resume()
  await eventually(() => client.closed, 'it was closed')
  expect(made).toBeLessThanOrEqual(1)
  expect(console.counters.refused).toBe(1)
})

test('clients that read slowly do not keep others from the metrics, however many they are', async () => {
  const row = rowOf({ series: Array.from({ length: 40_000 }, () => seriesOf({ tookSeconds: [0.001] })) })
  const console = await startConsole(optionsOf(row))
  onTestFinished(console.close)
  for (let i = 0; i < 20; i++) {
    const client = connect({ port: console.port, host: '127.0.0.1', localAddress: `127.0.0.${2 + i}` }).pause()
    client.on('error', () => {})
    onTestFinished(() => void client.destroy())
    client.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')
  }
  const response = await fetch(`http://127.0.0.1:${console.port}/metrics`)
  expect(response.status).toBe(200)
  expect((await response.text()).length).toBeGreaterThan(20 << 20)
  expect(console.counters).toMatchObject({ answered: 21, refused: 0 })
})

test('a client that never ends its headers loses its connection after five seconds', { timeout: 15_000 }, async () => {
  const client = connect(portOf(await consoleOf()), '127.0.0.1')
  const startMs = performance.now()
  client.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n')
  await collect(client)
  const seconds = (performance.now() - startMs) / 1000
  expect(seconds).toBeGreaterThan(4.5)
  expect(seconds).toBeLessThan(9)
})

test('counts what it answered, rejected and refused', async () => {
  const console = await startConsole(optionsOf(rowOf()))
  onTestFinished(console.close)
  const url = `http://127.0.0.1:${console.port}`
  for (const path of ['/healthz', '/metrics', '/nothing']) await answerTo(`${url}${path}`)
  await answerTo(`${url}/metrics`, { host: 'attacker.example' })
  expect(console.counters).toEqual({ answered: 2, rejected: 2, unsent: 0, refused: 0 })
})

test('closes while a client is in the middle of its request', async () => {
  const console = await startConsole(optionsOf(rowOf()))
  const client = connect(console.port, '127.0.0.1')
  client.write('GET /healthz HTTP/1.1\r\nHost: sc')
  await once(client, 'connect')
  // Connections are accepted in order.
  await fetch(`http://127.0.0.1:${console.port}/healthz`)
  const rest = collect(client)
  await console.close()
  expect(await rest).toEqual([])
})

test('closes while a client keeps its connection open', async () => {
  const console = await startConsole(optionsOf(rowOf()))
  const client = connect(console.port, '127.0.0.1')
  client.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const answered = new Promise((resolve) => client.once('data', resolve))
  await answered
  const rest = collect(client)
  await console.close()
  expect(await rest).toEqual([])
})

async function consoleOf(row = rowOf(), isAlive = true): Promise<string> {
  const console = await startConsole(optionsOf(row, isAlive))
  onTestFinished(console.close)
  return `http://127.0.0.1:${console.port}`
}

function optionsOf(row: Row, isAlive = true): ConsoleOptions {
  return consoleOptions(row, { health: () => ({ isAlive, isReady: row.isReady, knowledge: row.knowledge }) })
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

interface Received {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Unlike fetch, sends any headers. */
async function answerTo(url: string, headers: OutgoingHttpHeaders = {}): Promise<Received> {
  const [response] = (await once(get(url, { headers, agent: false }), 'response')) as [IncomingMessage]
  const body = Buffer.concat(await collect(response))
  return { status: response.statusCode, headers: response.headers, body }
}

async function statusAndJson(url: string): Promise<readonly [number, unknown]> {
  const response = await fetch(url)
  return [response.status, await response.json()]
}
