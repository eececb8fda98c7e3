import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type ApiDouble,
  answerStatus,
  answerWith,
  breakOff,
  createEndless,
  hang,
} from '../../../agent/test/support/api-double.ts'
import { endpoint, endpointSlice } from '../../../agent/test/support/slices.ts'
import { failing, podOn, startFakeCluster, timeout } from '../support/fake-cluster.ts'
import { runCli } from '../support/run-cli.ts'

/** Runs `mesh`. */
async function mesh(api: ApiDouble, argv: readonly string[] = [], terminalColumns?: number) {
  const surroundings = terminalColumns === undefined ? {} : { terminalColumns }
  const { code, out, err } = await runCli(['mesh', '--kube-api', api.server, ...argv], surroundings)
  const named = (text: string) => text.replaceAll(api.server, 'http://api')
  return { code, out: named(out), err: named(err.split('\x1b[K').at(-1) ?? '') }
}

/** Replaces the time of day, which depends on the time zone. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: new Date(2026, 0, 2, 12, 0, 0) })
})
afterEach(() => {
  vi.useRealTimers()
})

const three = ['node1', 'node2', 'node3']
const thirty = Array.from({ length: 30 }, (_, index) => `worker-${String(index + 1).padStart(2, '0')}`)

test('gives up an agent whose answer does not end, and shows the others', async () => {
  const api = await startFakeCluster({ nodes: three })
  const endless = createEndless()
  api.always(endless.answer, /pods\/scout-on-node3:8080/)
  const { code, out } = await mesh(api, [], 200)
  expect(code).toBe(1)
  expect(out).toContain('node3: no answer from scout-on-node3, so its links are unknown')
  expect(out).toContain('sent more than 64 MiB in one answer, which is the limit')
  expect(endless.sentBytes()).toBeLessThan(80 << 20)
})

test('shows no control characters of names and addresses in the cluster', async () => {
  const api = await startFakeCluster({ nodes: three })
  const forged = 'x\u001b[2J\nnode1 -> node2: forged'
  api.set(endpointSlice('forged-name', [endpoint(forged, ['10.0.0.9'], { nodeName: forged })]))
  api.set(endpointSlice('forged-address', [endpoint('scout-9', [forged], { nodeName: 'node9' })]))
  const { out, err } = await mesh(api)
  expect(err).toContain('forged-name has an invalid endpoint (nodeName: has control or format characters')
  expect(err).toContain('has the invalid address "x\ufffd[2J\ufffdnode1 -> node2: forged"')
  const lines = `${out}${err}`.split('\n')
  expect(lines.filter((line) => line.includes('\u001b[2J') || line.startsWith('node1 -> node2: forged'))).toEqual([])
})

describe('a mesh on a terminal of 80 columns', () => {
  test('shows pods and links when all is well', async () => {
    const { code, out, err } = await mesh(await startFakeCluster({ nodes: three }), [], 80)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatchInlineSnapshot(`
      "scout pods:
          node: node1
                  scout-on-node1.scout.10.244.1.5
                  scout-on-node1.scout.fd00:10:244:1::5
          node: node2
                  scout-on-node2.scout.10.244.2.5
                  scout-on-node2.scout.fd00:10:244:2::5
          node: node3
                  scout-on-node3.scout.10.244.3.5
                  scout-on-node3.scout.fd00:10:244:3::5

      from \\ to  node1  node2  node3  dns
      node1      -      ok     ok     ok
      node2      ok     -      ok     ok
      node3      ok     ok     -      ok

      6 links between 3 nodes: 6 ok; dns on 3 nodes: 3 ok
      "
    `)
  })

  test('shows the one link whose UDP fails, and nothing else', async () => {
    const api = await startFakeCluster({
      nodes: three,
      change: (series) =>
        series.from === 'node2' && series.to === 'node1' && series.protocol === 'udp'
          ? failing(series, timeout)
          : series,
    })
    const { code, out } = await mesh(api, [], 80)
    expect(code).toBe(1)
    expect(out.slice(out.indexOf('from \\ to'))).toMatchInlineSnapshot(`
      "from \\ to  node1                   node2  node3  dns
      node1      -                       ok     ok     ok
      node2      udp udp-large: timeout  -      ok     ok
      node3      ok                      ok     -      ok

      6 links between 3 nodes: 5 ok, 1 failing; dns on 3 nodes: 3 ok

      node2 -> node1: udp and udp-large fail since 11:57:50 (2m10s): timeout in echo:
          no answer within 3500 ms
      "
    `)
  })

  test('--explain lists what each check weighs for the named cause', async () => {
    const api = await startFakeCluster({
      nodes: three,
      change: (series) => (series.to === 'node1' && series.protocol === 'udp' ? failing(series, timeout) : series),
    })
    const { out } = await mesh(api, ['--explain'], 80)
    expect(out.slice(out.indexOf('    NATS'), out.indexOf('\n\n') + 1)).toMatchInlineSnapshot(`
      "    NATS  LINKS  SHOWS   CHECK
          +5.3      2  silent  udp over IPv4
          +5.3      2  silent  udp-large over IPv4
          +5.3      2  silent  udp over IPv6
          +5.3      2  silent  udp-large over IPv6
           0.0      2  passes  http over IPv4
           0.0      2  passes  http-large over IPv4
           0.0      2  passes  tcp over IPv4
           0.0      2  passes  icmp over IPv4
           0.0      2  passes  http over IPv6
           0.0      2  passes  http-large over IPv6
           0.0      2  passes  tcp over IPv6
           0.0      2  passes  icmp over IPv6
      "
    `)
  })

  test('distinguishes families, reasons and total failure', async () => {
    const refused = { reason: 'refused', phase: 'connect', message: 'ECONNREFUSED (nobody listens there)' } as const
    const api = await startFakeCluster({
      nodes: three,
      change: (series) => {
        const { from, to, family, protocol } = series
        if (from === 'node1' && to === 'node2' && family === 'ipv6') return failing(series, timeout)
        if (from === 'node1' && to === 'node3') return failing(series, timeout)
        if (from === 'node2' && to === 'node3' && protocol === 'http') return failing(series, refused)
        if (from === 'node2' && to === 'node3' && protocol === 'udp') return failing(series, timeout)
        return from === 'node3' && protocol === 'dns' ? failing(series, { ...timeout, phase: 'query' }) : series
      },
    })
    const { code, out } = await mesh(api, [], 80)
    expect(code).toBe(1)
    expect(out.slice(out.indexOf('from \\ to'))).toMatchInlineSnapshot(`
      "from \\ to  node1  node2                node3                             dns
      node1      -      all (IPv6): timeout  all: timeout                      ok
      node2      ok     -                    http http-large: refused; udp     ok
                                             udp-large: timeout
      node3      ok     ok                   -                                 timeout

      6 links between 3 nodes: 3 ok, 3 failing; dns on 3 nodes: 2 ok, 1 failing

      node1 -> node2: every check fails over IPv6 since 11:57:50 (2m10s): timeout in
          echo: no answer within 3500 ms
      node1 -> node3: every check fails since 11:57:50 (2m10s): timeout in echo: no
          answer within 3500 ms
      node2 -> node3: http and http-large fail since 11:57:50 (2m10s): refused in
          connect: ECONNREFUSED (nobody listens there)
      node2 -> node3: udp and udp-large fail since 11:57:50 (2m10s): timeout in echo:
          no answer within 3500 ms
      node3: dns fails since 11:57:50 (2m10s): timeout in query: no answer within 3500
          ms
      "
    `)
  })

  test('names an agent that did not answer and the reason, and reports none of its links as healthy', async () => {
    const api = await startFakeCluster({ nodes: three })
    const why = 'error trying to reach service: dial tcp 10.244.3.5:8080: connect: no route to host'
    api.always(answerStatus(503, why), /pods\/scout-on-node3:8080/)
    const { code, out } = await mesh(api, [], 80)
    expect(code).toBe(1)
    expect(out).toMatchInlineSnapshot(`
      "scout pods:
          node: node1
                  scout-on-node1.scout.10.244.1.5
                  scout-on-node1.scout.fd00:10:244:1::5
          node: node2
                  scout-on-node2.scout.10.244.2.5
                  scout-on-node2.scout.fd00:10:244:2::5
          node: node3
                  scout-on-node3.scout.10.244.3.5 (no answer)
                  scout-on-node3.scout.fd00:10:244:3::5 (no answer)

      from \\ to  node1  node2  node3  dns
      node1      -      ok     ok     ok
      node2      ok     -      ok     ok
      node3      ?      ?      -      ?

      6 links between 3 nodes: 4 ok, 2 unknown; dns on 3 nodes: 2 ok, 1 unknown

      node3: no answer from scout-on-node3, so its links are unknown: error trying to
          reach service: dial tcp 10.244.3.5:8080: connect: no route to host
      "
    `)
  })

  test('reports links without results, unprobed peers, unsupported checks and stale peers', async () => {
    const api = await startFakeCluster({
      nodes: three,
      states: { node3: 'starting' },
      trouble: 'cannot reach the API server at https://10.96.0.1: connect ETIMEDOUT (check the network path to it)',
      change: (series) => {
        if (series.to === 'node3') return { ...series, state: 'waiting' }
        if (series.from === 'node3') return { ...series, to: 'gone' }
        const message = 'cannot open a raw ICMP socket: this process lacks CAP_NET_RAW'
        const unable = { reason: 'not-permitted', phase: 'setup', message } as const
        return series.protocol === 'icmp' ? failing(series, unable, 'unable') : series
      },
    })
    const { code, out } = await mesh(api, [], 80)
    expect(code).toBe(0)
    expect(out).toMatchInlineSnapshot(`
      "scout pods:
          node: node1
                  scout-on-node1.scout.10.244.1.5
                  scout-on-node1.scout.fd00:10:244:1::5
          node: node2
                  scout-on-node2.scout.10.244.2.5
                  scout-on-node2.scout.fd00:10:244:2::5
          node: node3
                  scout-on-node3.scout.10.244.3.5 (starting)
                  scout-on-node3.scout.fd00:10:244:3::5 (starting)

      from \\ to  node1       node2       node3    dns
      node1      -           ok          waiting  ok
      node2      ok          -           waiting  ok
      node3      not probed  not probed  -        not probed

      6 links between 3 nodes: 2 ok, 2 waiting, 2 not probed; dns on 3 nodes: 2 ok, 1
          not probed

      node1, node2, node3: the list of peers may be wrong: cannot reach the API server
          at https://10.96.0.1: connect ETIMEDOUT (check the network path to it)
      icmp cannot be made on node1, node2: cannot open a raw ICMP socket: this process
          lacks CAP_NET_RAW
      "
    `)
  })

  test('numbers its columns if node names are long', async () => {
    const nodes = [11, 12, 13].map((host) => `ip-10-0-1-${host}.eu-west-1.compute.internal`)
    const { out } = await mesh(await startFakeCluster({ nodes }), [], 80)
    expect(out.slice(out.indexOf('from \\ to'))).toMatchInlineSnapshot(`
      "from \\ to                                  1   2   3   dns
      1 ip-10-0-1-11.eu-west-1.compute.internal  -   ok  ok  ok
      2 ip-10-0-1-12.eu-west-1.compute.internal  ok  -   ok  ok
      3 ip-10-0-1-13.eu-west-1.compute.internal  ok  ok  -   ok

      6 links between 3 nodes: 6 ok; dns on 3 nodes: 3 ok
      "
    `)
  })
})

describe('a mesh of 30 nodes', () => {
  test('is summarized when all is well', async () => {
    const { code, out } = await mesh(await startFakeCluster({ nodes: thirty }), [], 80)
    expect(code).toBe(0)
    expect(out.slice(out.lastIndexOf('\n\n'))).toMatchInlineSnapshot(`
      "

      870 links between 30 nodes: 870 ok; dns on 30 nodes: 30 ok
      "
    `)
    expect(out.split('\n').filter((line) => line.startsWith('    node: '))).toEqual(
      thirty.map((node) => `    node: ${node}`),
    )
  })

  test('shows the failing links, and groups those with the same failure', async () => {
    const api = await startFakeCluster({
      nodes: thirty,
      change: (series) => {
        const { from, to } = series
        if (to === 'worker-07' && series.protocol === 'icmp') return failing(series, timeout)
        if (from === 'worker-20' && to === 'worker-21' && series.protocol === 'udp') return failing(series, timeout)
        return series
      },
    })
    api.always(hang, /pods\/scout-on-worker-30:8080/)
    const { code, out } = await mesh(api, [], 80)
    expect(code).toBe(1)
    expect(out.slice(out.indexOf('870 links'))).toMatchInlineSnapshot(`
      "870 links between 30 nodes: 812 ok, 29 failing, 29 unknown; dns on 30 nodes: 29
          ok, 1 unknown

      28 nodes -> worker-07: icmp fails since 11:57:50 (2m10s): timeout in echo: no
          answer within 3500 ms
      worker-20 -> worker-21: udp and udp-large fail since 11:57:50 (2m10s): timeout
          in echo: no answer within 3500 ms

      worker-30: no answer from scout-on-worker-30, so its links are unknown:
          http://api did not answer within 5 s: check its load and the
          network path to it
      "
    `)
  }, 20_000)

  test('shows only nodes with failing links if there are few', async () => {
    const api = await startFakeCluster({
      nodes: thirty,
      change: (series) =>
        series.to === 'worker-07' && /-2[01]$/.test(series.from) ? failing(series, timeout) : series,
    })
    const { out } = await mesh(api, [], 80)
    expect(out.slice(out.indexOf('nodes with failing links'))).toMatchInlineSnapshot(`
      "nodes with failing links:

      from \\ to  worker-07
      worker-20  all: timeout
      worker-21  all: timeout

      870 links between 30 nodes: 868 ok, 2 failing; dns on 30 nodes: 30 ok

      worker-20 -> worker-07: every check fails since 11:57:50 (2m10s): timeout in
          echo: no answer within 3500 ms
      worker-21 -> worker-07: every check fails since 11:57:50 (2m10s): timeout in
          echo: no answer within 3500 ms
      "
    `)
  })

  test('is a matrix if it fits', async () => {
    const { out } = await mesh(await startFakeCluster({ nodes: thirty }), [], 160)
    const lines = out.slice(out.indexOf('from \\ to')).split('\n')
    expect(lines[0]).toMatch(/^from \\ to {5}1 {3}2 {3}3 .* 30 {2}dns$/)
    expect(lines[7]).toMatch(/^ 7 worker-07 {2}(ok {2}){6}- {3}(ok {2}){23}ok$/)
  })
})

describe('--json', () => {
  test('prints one object per line: incidents, agents, links, checks that target no peer, and unsupported checks', async () => {
    const denied = { reason: 'not-permitted', phase: 'setup', message: 'this process lacks CAP_NET_RAW' } as const
    const api = await startFakeCluster({
      nodes: three,
      change: (series) => {
        if (series.protocol === 'icmp') return failing(series, denied, 'unable')
        return series.from === 'node2' && series.to === 'node1' && series.check === 'udp'
          ? failing(series, timeout)
          : series
      },
    })
    api.always(breakOff, /pods\/scout-on-node3:8080/)
    const { code, out, err } = await runCli(['mesh', '--json', '--kube-api', api.server])
    expect({ code, err }).toEqual({ code: 1, err: '' })
    const lines: readonly Record<string, unknown>[] = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ kind }) => kind)).toEqual([
      'incident',
      'agent',
      'agent',
      'agent',
      'link',
      'link',
      'link',
      'link',
      'link',
      'link',
      'other',
      'other',
      'other',
      'inability',
    ])
    expect(lines[0]).toMatchObject({ cause: 'unexplained', scope: { kind: 'link', from: 'node2', to: 'node1' } })
    expect(lines[1]).toEqual({
      kind: 'agent',
      node: 'node1',
      zone: 'zone-1',
      name: 'scout-on-node1',
      namespace: 'scout',
      addresses: ['10.244.1.5', 'fd00:10:244:1::5'],
      state: 'ready',
      ok: true,
    })
    expect(lines[3]).toMatchObject({ node: 'node3', ok: false, message: expect.stringContaining('socket hang up') })
    const [failed] = lines.filter(({ state }) => state === 'failing')
    expect(failed).toMatchObject({ kind: 'link', from: 'node2', to: 'node1', failing: [{ check: 'udp', ...timeout }] })
    expect(lines.filter(({ state }) => state === 'unknown')).toHaveLength(3)
    expect(lines.at(-1)).toEqual({
      kind: 'inability',
      check: 'icmp',
      message: denied.message,
      nodes: ['node1', 'node2'],
    })
  })
})

test('an incident of packets that are only lost sometimes is a fault, though the last attempts passed', async () => {
  const nowMs = Date.now()
  const loss = { low: 0.03, high: 0.09, sinceMs: nowMs - 120_000, trials: 300 }
  const api = await startFakeCluster({
    nodes: three,
    change: (series) => (series.from === 'node2' && series.to === 'node1' ? { ...series, loss } : series),
  })
  const { code, out } = await mesh(api)
  expect(out).toMatch(/^warning: between 3 % and 9 % of packets are lost: node2 -> node1\n/)
  expect(code).toBe(1)
})

describe('text from an agent', () => {
  const escape = '\x1b]0;owned\x07'

  test('reaches the terminal without control characters', async () => {
    const api = await startFakeCluster({
      nodes: three,
      change: (series) => {
        if (series.protocol === 'dns') return { ...series, check: `dns${escape}` }
        if (series.from !== 'node2') return series
        const check = series.protocol === 'udp' ? `udp${escape}` : series.check
        const reason = `timeout${escape}` as 'timeout'
        return failing({ ...series, check }, { ...timeout, reason, message: `no answer${escape}` })
      },
    })
    const { out } = await mesh(api, [], 80)
    expect(out).toContain('dns\ufffd]0;owned\ufffd')
    expect(out).toContain('timeout\ufffd]0;owned\ufffd')
    expect(out.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
  })

  test('reaches it without control characters in an error, too', async () => {
    const api = await startFakeCluster({ nodes: three })
    api.always(answerStatus(403, `forbidden: User "jo${escape}" cannot get`), /pods\/scout-on-node2:8080/)
    const { code, err } = await mesh(api)
    expect(code).toBe(3)
    expect(err).toContain('jo\ufffd]0;owned\ufffd')
  })
})

describe('a missing mesh', () => {
  const install = 'install it with kubectl apply -f deploy/scout.yaml'

  test.each([
    { argv: [], sentence: `there is no Scout in any namespace of the cluster at http://api: ${install}` },
    {
      argv: ['-n', 'default'],
      sentence: `there is no Scout in namespace default of the cluster at http://api: ${install}, or omit -n and --service to search everywhere`,
    },
  ])('is said with the command that installs it (mesh $argv)', async ({ argv, sentence }) => {
    const api = await startFakeCluster({ nodes: [] })
    for (const name of ['scout-4', 'scout-6']) api.remove(name)
    expect(await mesh(api, argv)).toEqual({ code: 2, out: '', err: `scout-probe: ${sentence}\n` })
  })

  test('asks for a choice between several Scouts', async () => {
    const api = await startFakeCluster({ nodes: three })
    api.set(endpointSlice('other', [], { namespace: 'monitoring' }))
    expect(await mesh(api)).toEqual({
      code: 2,
      out: '',
      err: 'scout-probe: several namespaces have a Scout (monitoring, scout): choose one with -n\n',
    })
    expect(await mesh(api, ['-n', 'scout'])).toMatchObject({ code: 0 })
    api.set(endpointSlice('second', [], { service: 'scout-two' }))
    expect(await mesh(api, ['-n', 'scout'])).toMatchObject({
      code: 2,
      err: 'scout-probe: namespace scout has several Scouts (services scout, scout-two): choose one with --service\n',
    })
    expect(await mesh(api, ['-n', 'scout', '--service', 'scout'])).toMatchObject({ code: 0 })
  })

  test('is not reported as healthy: without pods, or before any result', async () => {
    expect(await mesh(await startFakeCluster({ nodes: [] }))).toEqual({
      code: 1,
      out: '',
      err: 'scout-probe: service scout in namespace scout has no pods of Scout: check kubectl get daemonsets,pods -n scout\n',
    })
    const early = await startFakeCluster({ nodes: three, change: (series) => ({ ...series, state: 'waiting' }) })
    expect(await mesh(early)).toMatchObject({ code: 1 })
  })

  test('is one node', async () => {
    const { code, out } = await mesh(await startFakeCluster({ nodes: ['node1'] }))
    expect(code).toBe(0)
    expect(out.slice(out.indexOf('from \\ to'))).toMatchInlineSnapshot(`
      "from \\ to  node1  dns
      node1      -      ok

      one node, so no links; dns on it: 1 ok
      "
    `)
  })

  test.each([
    {
      what: 'the permission to search all namespaces is missing',
      misbehaviour: answerStatus(403, 'forbidden: User "jo" cannot list'),
      code: 3,
      sentence:
        /^cannot search all namespaces for Scout \(set its namespace with -n\): not permitted to list endpointslices .*--user='jo'$/,
    },
    {
      what: 'the token has expired',
      misbehaviour: answerStatus(401, 'Unauthorized'),
      code: 3,
      sentence: /does not accept these credentials \(401\): log in again/,
    },
    {
      what: 'a web page answers',
      misbehaviour: answerWith('<html>', 'text/html'),
      code: 1,
      sentence: /answered with text\/html instead of JSON: it is not the address of a Kubernetes API server$/,
    },
    {
      what: 'the API server hangs',
      misbehaviour: hang,
      code: 1,
      sentence: /^http:\/\/api did not answer within 5 s: check its load and the network path to it$/,
    },
    {
      what: 'the connection breaks',
      misbehaviour: breakOff,
      code: 1,
      sentence: /^cannot reach the API server at http:\/\/api: socket hang up/,
    },
  ])('is told in one sentence when $what', async ({ misbehaviour, code, sentence }) => {
    const api = await startFakeCluster({ nodes: three })
    api.always(misbehaviour)
    const startMs = performance.now()
    const finished = await mesh(api)
    expect(finished).toMatchObject({ code, out: '' })
    expect(finished.err).toMatch(/^scout-probe: [^\n]+\n$/)
    expect(finished.err.slice('scout-probe: '.length, -1)).toMatch(sentence)
    expect(performance.now() - startMs).toBeLessThan(8_000)
  })

  test('is reported once if requests to agents are not permitted', async () => {
    const api = await startFakeCluster({ nodes: three })
    api.always(answerStatus(403, 'pods is forbidden: User "jo" cannot get resource'), /proxy/)
    const { code, out, err } = await mesh(api)
    expect({ code, out }).toEqual({ code: 3, out: '' })
    expect(err).toMatch(
      /^scout-probe: not permitted to get pods\/proxy in API group "" in namespace scout: grant it with [^\n]*\n$/,
    )
  })

  test('names an agent that answers something else', async () => {
    const api = await startFakeCluster({ nodes: three })
    api.serve(`/${podOn('node3')}:8080/api/v1/snapshot`, { hello: 'world' })
    const { code, out } = await mesh(api)
    expect(code).toBe(1)
    expect(out).toContain(
      'node3: no answer from scout-on-node3, so its links are unknown: its answer does not match this version of scout-probe (takenAtMs',
    )
  })
})
