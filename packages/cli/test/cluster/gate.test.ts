import { describe, expect, test, vi } from 'vitest'
import { type ApiDouble, answerStatus, breakOff } from '../../../agent/test/support/api-double.ts'
import { type Change, failing, podOn, serveRows, startFakeCluster, timeout } from '../support/fake-cluster.ts'
import { runCli } from '../support/run-cli.ts'
import { startCli } from '../support/start-cli.ts'

const nodes = ['node1', 'node2', 'node3']
const slow = { timeout: 60_000 }
const patience = { timeout: 30_000 }
const known = 'well after #: 6 links between 3 nodes: 6 ok; dns on 3 nodes: 3 ok\n'

const udpDropped: Change = (series) =>
  series.from === 'node2' && series.to === 'node1' && series.protocol === 'udp' ? failing(series, timeout) : series
/** The same, since long enough to be an incident and not long enough for an open one. */
const udpJustDropped: Change = (series) => udpDropped({ ...series, sinceMs: (series.last?.startedAtMs ?? 0) - 15_000 })

async function gate(api: ApiDouble, wait: string, ...argv: readonly string[]) {
  const { code, out, err } = await runCli(['mesh', '--wait', wait, '--kube-api', api.server, ...argv])
  const named = (text: string) =>
    text
      .replaceAll(api.server, 'http://api')
      .replaceAll(/ after \S+(?=[:,])/g, ' after #')
      .replaceAll(/\b[0-9a-f]{12}\b/g, 'ID')
  return { code, out: named(out), err: named(err) }
}

/** Waits until a second look has begun: each asks for the list of agents, then each of them. */
async function untilLooked(api: ApiDouble): Promise<void> {
  await vi.waitFor(() => expect(api.requests.length).toBeGreaterThan(1 + nodes.length), patience)
}

describe('a gate of a healthy mesh', slow, () => {
  test('passes once each check has a result that began after the command did', async () => {
    const api = await startFakeCluster({ nodes })
    const startMs = performance.now()
    expect(await gate(api, '50s')).toEqual({ code: 0, out: known, err: '' })
    // The results of these agents are always three seconds old.
    expect(performance.now() - startMs).toBeGreaterThan(2_900)
  })

  test('ends as JSON with an object that says so', async () => {
    const { code, out } = await gate(await startFakeCluster({ nodes }), '50s', '--json')
    expect(code).toBe(0)
    const last: unknown = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')
    expect(last).toEqual({
      kind: 'gate',
      verdict: 'well',
      summary: '6 links between 3 nodes: 6 ok; dns on 3 nodes: 3 ok',
      waitedMs: expect.any(Number),
    })
  })

  test('needs no result of a check that the agents are unable to run', async () => {
    const denied = { reason: 'not-permitted', phase: 'setup', message: 'this process lacks CAP_NET_RAW' } as const
    const change: Change = (series) => (series.protocol === 'icmp' ? failing(series, denied, 'unable') : series)
    expect(await gate(await startFakeCluster({ nodes, change }), '50s')).toMatchObject({ code: 0, out: known })
  })

  test('needs no result of a flow that idles for minutes', async () => {
    const change: Change = (series) =>
      series.protocol === 'icmp' ? { ...series, socket: 'idle', state: 'waiting', last: undefined } : series
    expect(await gate(await startFakeCluster({ nodes, change }), '50s')).toMatchObject({ code: 0, out: known })
  })

  test('needs no result of a node that is not in the sample of an agent', async () => {
    const outOfSample = { from: 'node1', to: 'node2' }
    expect(await gate(await startFakeCluster({ nodes, outOfSample }), '50s')).toMatchObject({ code: 0 })
  })

  test('waits for one that recovers', async () => {
    const api = await startFakeCluster({ nodes, change: udpDropped })
    const gated = gate(api, '50s')
    await untilLooked(api)
    serveRows(api, { nodes })
    expect(await gated).toEqual({ code: 0, out: known, err: '' })
  })

  test('goes on when the API server fails for a while', async () => {
    const api = await startFakeCluster({ nodes })
    api.always(answerStatus(503, 'overloaded'))
    const gated = gate(api, '50s')
    await vi.waitFor(() => expect(api.requests).not.toEqual([]), patience)
    api.always(undefined)
    expect(await gated).toEqual({ code: 0, out: known, err: '' })
  })
})

describe('a gate of a mesh that is not well at the end', slow, () => {
  test('fails on an open incident, and shows it', async () => {
    const { code, out, err } = await gate(await startFakeCluster({ nodes, change: udpDropped }), '1s')
    expect({ code, err }).toEqual({ code: 1, err: '' })
    expect(out).toMatch(/^critical: UDP is dropped: node2 -> node1\n/)
    expect(out).toMatch(/\n\nfailed after #: incident ID\n$/)
  })

  test('fails on one that is younger than half a minute only if asked to', async () => {
    const api = await startFakeCluster({ nodes, change: udpJustDropped })
    expect(await gate(api, '1s', '--fail-on', 'transient')).toMatchObject({ code: 1 })
    const { code, out } = await gate(api, '1s')
    expect(code).toBe(4)
    expect(out).toContain('    not open yet: UDP is dropped: node2 -> node1\n')
  })

  test('fails on one that was open when the API server last answered', async () => {
    const api = await startFakeCluster({ nodes, change: udpDropped })
    const gated = gate(api, '5s')
    await untilLooked(api)
    api.always(answerStatus(503, 'overloaded'))
    expect(await gated).toMatchObject({
      code: 1,
      out: expect.stringMatching(/\nfailed after #: incident ID; no later answer: [^\n]*\(503\): overloaded\n$/),
    })
  })

  test('says as JSON which incidents it failed on', async () => {
    const { code, out } = await gate(await startFakeCluster({ nodes, change: udpDropped }), '1s', '--json')
    expect(code).toBe(1)
    const lines = out.trimEnd().split('\n')
    expect(lines[0]).toContain('"kind":"incident"')
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ kind: 'gate', verdict: 'failed', incidents: ['ID'] })
  })

  test.each<readonly [what: string, cluster: Parameters<typeof startFakeCluster>[0], because: string]>([
    ['an agent starts', { nodes, states: { node2: 'starting' } }, 'node2: scout-on-node2 is starting'],
    [
      'a check has had no result',
      { nodes, change: (series) => (series.check === 'tcp' ? { ...series, state: 'waiting' } : series) },
      'tcp: no result since the start: node1 -> node2 and 5 more',
    ],
    [
      'nobody probes a link',
      { nodes, change: (series) => (series.to === 'node3' ? { ...series, to: 'node4' } : series) },
      'node1 -> node3: no check',
    ],
    [
      'a failure is not an incident yet',
      { nodes, change: (series) => udpDropped({ ...series, sinceMs: series.last?.startedAtMs, trials: 1 }) },
      'node2 -> node1: udp and udp-large fail since',
    ],
    ['an agent has lost the list of peers', { nodes, trouble: 'forbidden' }, 'node1: the list of peers may be wrong'],
  ])('knows no verdict while %s', async (_, cluster, because) => {
    const { code, out, err } = await gate(await startFakeCluster(cluster), '1s')
    expect({ code, err }).toEqual({ code: 4, err: '' })
    expect(out.slice(out.indexOf('unknown after #, because:\n'))).toContain(`\n    ${because}`)
  })

  test('knows no verdict if an agent does not answer, or the API server', async () => {
    const api = await startFakeCluster({ nodes })
    api.always(breakOff, new RegExp(`pods/${podOn('node3')}:8080`))
    const silent = await gate(api, '1s')
    expect(silent).toMatchObject({
      code: 4,
      out: expect.stringContaining('\n    node3: no answer from scout-on-node3: '),
    })
    api.always(answerStatus(503, 'overloaded'))
    expect(await gate(api, '1s', '--json')).toEqual({
      code: 4,
      out: expect.stringMatching(
        /^{"kind":"gate","verdict":"unknown","because":\["[^"]*\(503\): overloaded"\],"waitedMs":\d+}\n$/,
      ),
      err: '',
    })
  })
})

test('a gate does not wait for a permission', slow, async () => {
  const api = await startFakeCluster({ nodes })
  api.always(answerStatus(403, 'forbidden: User "ci" cannot list'))
  expect(await gate(api, '50s')).toMatchObject({
    code: 3,
    out: '',
    err: expect.stringContaining('not permitted to list'),
  })
})

test('a gate ends with Ctrl-C, with what it knows', slow, async () => {
  const api = await startFakeCluster({ nodes, change: udpDropped })
  const gated = startCli(['mesh', '--wait', '50s', '--kube-api', api.server])
  await untilLooked(api)
  gated.process.kill('SIGINT')
  expect(await gated.exit()).toEqual({ code: 1, signal: null })
  expect(gated.out()).toMatch(/\nfailed after \S+: incident [0-9a-f]{12}\n$/)
})

test.each([
  [['--fail-on', 'open'], '--fail-on needs --wait'],
  [['--wait', '1s', '--watch'], '--wait and --watch exclude each other'],
  [['--wait', '10ms'], '--wait: "10ms"'],
])('mesh %j is a usage error', async (argv, sentence) => {
  const { code, err } = await runCli(['mesh', ...argv])
  expect(code).toBe(2)
  expect(err).toContain(sentence)
})
