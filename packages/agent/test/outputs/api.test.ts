import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { Fact, type Row } from '@scout/core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { collect } from '../../../../test/support/collect.ts'
import { link } from '../../src/outputs/api/link-schema.ts'
import { operations } from '../../src/outputs/api/open-api.ts'
import { type LinksDocument, links, problem } from '../../src/outputs/api/schemas.ts'
import { startTestConsole } from '../support/console.ts'
import { incidentOf, meshViewOf } from '../support/mesh-view.ts'
import { failingSeriesOf, failureOf, peerOf, rowOf, seriesOf } from '../support/rows.ts'
import { scrape } from '../support/scrape.ts'

/** Returns a proof about the link to node 2. */
function collectedOf(parts: Partial<Row['collected'][number]>): Row['collected'][number] {
  const about = { incident: '1', proof: 'mtu', to: 'node-2', target: '10.244.2.2:8081', atMs: 5 }
  return { ...about, says: 'packets vanish', packets: 3, values: {}, ...parts }
}

const hostile = '<img src=x onerror=alert(1)>"\'\u2028'

test('the links of the mesh have own series with all states, and those of others by their evidence', async () => {
  const share = { lost: 3, of: 3, low: 0.4, high: 1 }
  const odd = { low: 0.4, high: 1, forth: share, back: share, sinceMs: 6, trials: 3 }
  const row = rowOf({
    peers: [peerOf(), peerOf({ name: 'scout-3', node: 'node-10', state: 'leaving' })],
    series: [
      seriesOf({ tookSeconds: [0.001], medianNs: 1e6, recent: { passed: 58, failed: 2, other: 1 } }),
      failingSeriesOf('timeout', { check: 'udp', protocol: 'udp' }),
      seriesOf({
        check: 'syn',
        hindered: { sinceMs: 4, trials: 2, last: failureOf('busy', 'it is at its own limit') },
        recent: { passed: 5, failed: 1, other: 0, lost: { sent: 60, lost: 5, forth: 3, back: 2 } },
      }),
      seriesOf({ check: 'http', tookSeconds: [0.001], slow: { byNs: 5e6, sinceMs: 7, trials: 9 } }),
      seriesOf({
        check: 'dscp',
        protocol: 'udp',
        tookSeconds: [0.001],
        remarked: { ...odd, dscp: { sent: 46, seen: 0 } },
      }),
      seriesOf({ check: 'udp-large', protocol: 'udp', tookSeconds: [0.001], duplicated: odd }),
      seriesOf({ check: 'udp-volley', protocol: 'udp', tookSeconds: [0.001], reordered: odd }),
      failingSeriesOf('not-permitted', { check: 'icmp', protocol: 'icmp', state: 'unable' }),
      seriesOf({ check: 'dns', protocol: 'dns', to: undefined, target: 'a.example@10.96.0.10', family: undefined }),
    ],
  })
  const aspect = { check: 'tcp', protocol: 'tcp', path: 'pod', vantage: 'pod', family: 'ipv4' }
  const known = { from: 'node-2', to: { kind: 'node', name: 'node-1' }, target: '', trials: 1 } as const
  const mesh = meshViewOf({
    speaker: 'node-1',
    isSpeaking: true,
    rows: 2,
    ready: 3,
    missing: [{ node: 'node-9', sinceMs: 5 }],
    evidence: {
      atMs: 3,
      nodes: [{ name: 'node-2', zone: 'zone-x', hasRow: true, isStarved: false, problems: [] }],
      facts: [
        new Fact(aspect, { ...known, symptom: 'passes', sinceMs: 1, lastMs: 2 }),
        new Fact({ ...aspect, check: 'dscp' }, { ...known, symptom: 'remarked', sinceMs: 1, lastMs: 2 }),
        new Fact(
          { ...aspect, path: 'name' },
          {
            ...known,
            to: { kind: 'service', name: 'www.example.org' },
            symptom: 'refused',
            reason: 'refused',
            sinceMs: 4,
            lastMs: 5,
          },
        ),
      ],
    },
  })
  const { url } = await startTestConsole(row, { mesh: () => mesh })
  const document = await linksAt(url)
  expect(document).toMatchObject({
    takenAtMs: row.takenAtMs,
    self: { node: 'node-1', name: 'scout-1', version: '1.2.3' },
    by: 'node-1',
    speaker: 'node-1',
    isSpeaking: true,
    sees: { rows: 2, ready: 3 },
    isAbridged: false,
    nodes: [
      { name: 'node-1', state: 'ready' },
      { name: 'node-2', state: 'ready', zone: 'zone-x' },
      { name: 'node-10', state: 'leaving' },
    ],
  })
  expect(
    document.links.map(({ from, to, cells }) => [from, to, cells.map(({ check, state }) => `${check} ${state}`)]),
  ).toEqual([
    [
      'node-1',
      'node-2',
      [
        'tcp ok',
        'udp failing',
        'syn waiting',
        'http failing',
        'dscp ok',
        'udp-large failing',
        'udp-volley failing',
        'icmp unable',
      ],
    ],
    ['node-2', 'node-1', ['tcp ok', 'dscp ok']],
  ])
  const [own] = document.links
  expect(own?.cells[0]).toMatchObject({ family: 'ipv4', medianNs: 1e6, lost: { sent: 60, lost: 2 } })
  expect(own?.cells[1]).toMatchObject({ reason: 'timeout', phase: 'connect', message: 'nobody listens there' })
  expect(own?.cells[2]).toMatchObject({ reason: 'busy', message: 'it is at its own limit' })
  expect(own?.cells[2]?.lost).toEqual({ sent: 60, lost: 5, forth: 3, back: 2 })
  expect(own?.cells[3]).toMatchObject({ symptom: 'slow', slowerNs: 5e6, sinceMs: 7 })
  expect(own?.cells[4]).toMatchObject({ symptom: 'remarked' })
  expect(own?.cells[5]).toMatchObject({ symptom: 'duplicated', sinceMs: 6 })
  expect(own?.cells[6]).toMatchObject({ symptom: 'reordered', sinceMs: 6 })
  expect(document.links[1]?.cells[1]).toMatchObject({ symptom: 'remarked' })
  expect(document.others).toMatchObject([
    { from: 'node-1', target: '10.96.0.10', kind: 'name-server', cells: [{ check: 'dns', state: 'waiting' }] },
    { from: 'node-2', target: 'www.example.org', kind: 'name', cells: [{ state: 'failing', reason: 'refused' }] },
  ])
})

test('a mesh with very many links has only the cells of those on which something does not pass, and says so', async () => {
  const series = Array.from({ length: 60_001 }, (_, index) => seriesOf({ to: `node-${index}`, tookSeconds: [0.001] }))
  const { url } = await startTestConsole(rowOf({ series: [...series, failingSeriesOf('timeout', { to: 'node-x' })] }))
  const document = await linksAt(url)
  expect(document.isAbridged).toBe(true)
  expect(document.links).toHaveLength(60_002)
  expect(document.links.filter(({ cells }) => cells.length > 0).map(({ to }) => to)).toEqual(['node-x'])
})

test('every answer is as the description of the API says, and has no other field', async () => {
  const row = rowOf({
    collected: [collectedOf({ values: { pathMtu: 1_378, forward: { passes: 1_378, fails: 1_379 } } })],
    peers: [peerOf()],
    series: [seriesOf({ tookSeconds: [0.001] }), failingSeriesOf('timeout', { check: 'udp' })],
  })
  const mesh = meshViewOf({ speaker: 'node-1', missing: [{ node: 'node-2', sinceMs: 1 }], incidents: [incidentOf()] })
  const { url } = await startTestConsole(row, { mesh: () => mesh })
  const api = described.parse(await json(`${url}/api/v1/openapi.json`))
  expect(Object.keys(api.paths)).toEqual(operations.map(({ path }) => path))
  for (const { path, schema, type } of operations) {
    if (type !== undefined) continue
    const answer: unknown = await json(`${url}${path}`)
    const served = api.paths[path]?.get.responses[200].content['application/json']?.schema ?? {}
    expect([path, z.fromJSONSchema(served).safeParse(answer).error]).toEqual([path, undefined])
    // Reading drops what the schema does not have.
    expect([path, schema.parse(answer)]).toEqual([path, answer])
  }
})

test('one link has its last results with phases, its failures, and what was collected about it', async () => {
  const values = { sent: 3, lost: 1, flows: [{ name: 'udp 1', sent: 3, lost: 1 }], failing: [] }
  const row = rowOf({
    series: [
      seriesOf({ tookSeconds: [0.001] }),
      failingSeriesOf('timeout', { check: 'udp' }),
      seriesOf({ to: 'node-3' }),
    ],
    collected: [
      collectedOf({ proof: 'flows', values }),
      collectedOf({ to: 'node-3' }),
      // Another version may say it in another way.
      collectedOf({ proof: 'mtu', values: { pathMtu: 'large' } }),
    ],
  })
  const { url } = await startTestConsole(row)
  const document = link.parse(await json(`${url}/api/v1/link?from=node-1&to=node-2`))
  expect(document).toMatchObject({ from: 'node-1', to: 'node-2', takenAtMs: row.takenAtMs })
  expect(document.series.map(({ check, failures }) => [check, failures.length])).toEqual([
    ['tcp', 0],
    ['udp', 1],
  ])
  expect(document.series[0]?.last?.phasesNs).toEqual(row.series[0]?.last?.phasesNs)
  expect(document.collected.map(({ proof, values }) => [proof, values])).toEqual([
    ['flows', values],
    ['mtu', {}],
  ])
})

test('a client that has a document already gets 304, however late, and no compressed one either', async () => {
  let takenAtMs = 1_700_000_000_000
  let medianNs = 1
  const { url } = await startTestConsole(rowOf(), {
    row: () => rowOf({ takenAtMs: takenAtMs++, series: [seriesOf({ medianNs, tookSeconds: [1] })] }),
  })
  const ask = (etag: string, more: Readonly<Record<string, string>> = {}) =>
    fetch(`${url}/api/v1/links`, { headers: { 'if-none-match': etag, ...more } })
  const first = await ask('"another"')
  const etag = first.headers.get('etag') ?? ''
  expect([first.status, first.headers.get('cache-control'), etag]).toEqual([
    200,
    'no-cache',
    expect.stringMatching(/^W\/"/),
  ])
  await first.text()
  for (const named of [etag, etag.slice(2), `"x", ${etag}`, '*']) {
    const again = await ask(named, { 'accept-encoding': 'gzip' })
    expect([named, again.status, again.headers.get('etag'), await again.text()]).toEqual([named, 304, etag, ''])
  }
  medianNs = 2
  await expect.poll(async () => (await ask(etag)).status, { timeout: 10_000 }).toBe(200)
})

test('with a token, only those who send it may read, apart from health, the reference document and the empty page', async () => {
  const { url } = await startTestConsole(rowOf(), { token: 's3cret~' })
  const status = async (path: string, authorization?: string) =>
    (await fetch(`${url}${path}`, { headers: authorization === undefined ? {} : { authorization } })).status
  for (const path of ['/healthz', '/readyz', '/']) expect([path, await status(path)]).toEqual([path, 200])
  for (const path of ['/metrics', '/api/v1/links', '/api/v1/snapshot', '/api/v1/events', '/nothing'])
    expect([path, await status(path)]).toEqual([path, 401])
  for (const wrong of ['Bearer', 'Bearer ', 'Bearer s3cret', 'Bearer s3cret~ x', 'Basic s3cret~', 's3cret~'])
    expect([wrong, await status('/metrics', wrong)]).toEqual([wrong, 401])
  expect(await status('/metrics', 'Bearer s3cret~')).toBe(200)
  expect(await status('/api/v1/links', 'bearer  s3cret~')).toBe(200)
  // An API server keeps `authorization` to itself.
  const throughProxy = async (token: string) =>
    (await fetch(`${url}/metrics`, { headers: { 'sec-scout-token': token } })).status
  expect([await throughProxy('s3cret~'), await throughProxy('s3cret'), await throughProxy('')]).toEqual([200, 401, 401])
  const refused = await fetch(`${url}/metrics`)
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="scout"'])
  expect(problem.parse(await refused.json()).message).toContain('console.token')
  // It says nothing about the mesh, and asks for the token.
  expect((await fetch(url, { headers: { accept: 'text/html' } })).status).toBe(200)
})

test.each([
  ['/api/v1/links?at=yesterday', 400],
  ['/api/v1/links?at=-1', 400],
  ['/api/v1/links?at=1e999', 400],
  [`/api/v1/history?to=${'x'.repeat(254)}`, 400],
  ['/api/v1/../../etc/passwd', 404],
  ['/api/v1/%2e%2e/metrics', 404],
  ['/api/v1/links/', 404],
  ['/api/v1/__proto__', 404],
  ['/api/v1/constructor', 404],
  ['//api/v1/links', 404],
  [`/${encodeURIComponent(hostile)}`, 404],
])('answers %s with %i and a sentence as JSON', async (path, status) => {
  const { port } = await startTestConsole()
  const [response] = (await once(get({ port, host: '127.0.0.1', path, agent: false }), 'response')) as [IncomingMessage]
  expect([response.statusCode, response.headers['content-type']]).toEqual([status, 'application/json'])
  problem.parse(JSON.parse(Buffer.concat(await collect<Buffer>(response)).toString()))
})

test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('allows nobody to %s to the API', async (method) => {
  const { url } = await startTestConsole()
  for (const path of ['links', 'history', 'incidents', 'mesh', 'self', 'events', 'openapi.json']) {
    const response = await fetch(`${url}/api/v1/${path}`, { method })
    expect([path, response.status]).toEqual([path, 405])
  }
})

test('a query of any size is answered or rejected, and the next request is answered', async () => {
  const { url } = await startTestConsole()
  const sizes = [1_000, 15_000, 100_000]
  const statuses = await Promise.all(
    sizes.map((size) => fetch(`${url}/api/v1/history?check=${'x'.repeat(size)}`).then((response) => response.status)),
  ).catch(() => [])
  for (const status of statuses) expect([400, 431]).toContain(status)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('names are JSON in every answer, whatever they contain', async () => {
  const row = rowOf({ peers: [peerOf({ node: hostile, zone: hostile })], series: [seriesOf({ to: hostile })] })
  const { url } = await startTestConsole(row)
  for (const path of ['links', 'self', 'mesh', 'snapshot', `history?from=${encodeURIComponent(hostile)}`]) {
    const response = await fetch(`${url}/api/v1/${path}`)
    expect([path, response.headers.get('content-type'), response.headers.get('x-content-type-options')]).toEqual([
      path,
      'application/json',
      'nosniff',
    ])
    JSON.parse(await response.text())
  }
  expect((await linksAt(url)).links[0]?.to).toBe(hostile)
})

test('a thousand clients that ask for the links at once do not delay /healthz, and share few documents', async () => {
  const series = Array.from({ length: 500 }, (_, index) => seriesOf({ to: `node-${index}`, tookSeconds: [0.001] }))
  const row = rowOf({ series })
  let made = 0
  const { url, port } = await startTestConsole(row, { row: () => (made++, row) })
  const { statuses } = scrape(port, 1000, '/api/v1/links')
  let answeredMeanwhile = 0
  while (statuses() === undefined) {
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    answeredMeanwhile++
  }
  expect(statuses()).toContain(200)
  expect(answeredMeanwhile).toBeGreaterThan(3)
  expect(made).toBeLessThan(100)
})

const described = z.object({
  openapi: z.literal('3.1.1'),
  paths: z.record(
    z.string(),
    z.object({
      get: z.object({
        responses: z.object({
          200: z.object({ content: z.record(z.string(), z.object({ schema: z.record(z.string(), z.json()) })) }),
        }),
      }),
    }),
  ),
})

async function linksAt(url: string): Promise<LinksDocument> {
  return links.parse(await json(`${url}/api/v1/links`))
}

async function json(url: string): Promise<unknown> {
  return (await fetch(url)).json()
}
