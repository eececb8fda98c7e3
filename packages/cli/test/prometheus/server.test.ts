import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { selfSigned } from '../../../../test/support/certificate.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { createEndless } from '../../../agent/test/support/api-double.ts'
import { agent, answers, portOf, type Respond, say, serve } from '../support/prometheus-double.ts'
import { runCli } from '../support/run-cli.ts'

/** Runs `mesh --prometheus`, with the port masked. */
async function look(port: number, argv: readonly string[] = [], environment: Record<string, string> = {}) {
  const { code, out, err } = await runCli(['mesh', '--prometheus', `http://127.0.0.1:${port}`, ...argv], {
    environment,
  })
  return { code, out, err: err.replaceAll(`:${port}`, ':9090') }
}

interface Told {
  readonly code: number
  readonly says: string
}

describe('a server that does not answer as needed is named with what to do', () => {
  test.each<[string, Respond, Told]>([
    [
      'a web page',
      say(200, '<html>hello</html>'),
      { code: 1, says: 'its answer is not that of the HTTP API of Prometheus: check the URL' },
    ],
    [
      'other JSON',
      say(200, { status: 'success', data: [] }),
      { code: 1, says: 'its answer is not that of the HTTP API of Prometheus' },
    ],
    [
      'JSON in JSON, very deep',
      say(200, '['.repeat(1 << 20)),
      { code: 1, says: 'its answer is not that of the HTTP API of Prometheus' },
    ],
    [
      '404',
      say(404, '404 page not found'),
      { code: 1, says: 'add the path prefix of its API to the URL, such as /prometheus (Mimir)' },
    ],
    [
      '401',
      say(401, 'Unauthorized'),
      { code: 3, says: 'does not accept these credentials (401: Unauthorized): set SCOUT_PROMETHEUS_TOKEN' },
    ],
    [
      'the wish for a tenant',
      say(401, 'no org id'),
      { code: 3, says: "needs a tenant (401: no org id): add --header 'X-Scope-OrgID: TENANT'" },
    ],
    [
      'a login',
      say(302, '', { location: 'https://login.example/start?state=s3cret' }),
      { code: 1, says: 'it redirects to https://login.example/start (302)' },
    ],
    [
      'its own error',
      say(422, { status: 'error', errorType: 'execution', error: 'too many \u001b[2Jsamples' }),
      { code: 1, says: 'it answered 422: too many \ufffd[2Jsamples' },
    ],
    ['an error page', say(502, '<html>bad gateway</html>'), { code: 1, says: 'it answered 502: check its log' }],
    [
      'nothing of Scout',
      answers({}),
      { code: 1, says: 'has no metrics of Scout (scout_build_info): check that it scrapes the agents' },
    ],
    [
      'half an answer',
      (_, response) => response.writeHead(200, { 'content-length': 100 }).end('{', () => response.destroy()),
      { code: 1, says: 'cannot reach http://127.0.0.1:9090: ' },
    ],
  ])('when it answers with %s', async (_, respond, { code, says }) => {
    const seen = await look(await serve(respond))
    expect(seen).toMatchObject({ code, out: '' })
    expect(seen.err).toContain(says)
    expect(seen.err).not.toContain('s3cret')
    expect(seen.err.trimEnd().split('\n')).toHaveLength(1)
  })

  test('when nobody listens', async () => {
    const { code, err } = await look(1)
    expect({ code, err }).toEqual({
      code: 1,
      err: 'scout-probe: cannot reach http://127.0.0.1:9090: connect ECONNREFUSED 127.0.0.1:9090 (check the address, or start kubectl port-forward)\n',
    })
  })

  test('when its answer does not end', async () => {
    const endless = createEndless()
    const { code, err } = await look(await serve(endless.answer))
    expect(code).toBe(1)
    expect(err).toContain('sent more than 32 MiB in one answer, which is the limit: select less with --label')
    expect(endless.sentBytes()).toBeLessThan(48 << 20)
  })

  test('when it has samples of more nodes than can be shown', async () => {
    const agents = Array.from({ length: 1_001 }, (_, index) => agent(`n${index}`))
    const { code, err } = await look(await serve(answers({ scout_build_info: agents })))
    expect(code).toBe(1)
    expect(err).toContain('there are samples of 1001 agents, and 1000 can be shown')
  })

  test('when it has more checks of one link than agents have', async () => {
    const states = Array.from({ length: 501 }, (_, index) => ({
      metric: { source_node: 'node1', target_node: 'node2', check: `c${index}` },
      value: 1,
    }))
    const port = await serve(answers({ scout_build_info: [agent('node1')], scout_probe_failing: states }))
    const { code, err } = await look(port)
    expect(code).toBe(1)
    expect(err).toContain('node1 -> node2 has samples of more than 500 checks')
  })

  test('when its agents are of several clusters, whose nodes may share names', async () => {
    const agents = [agent('node1', { cluster: 'a' }), agent('node1', { cluster: 'b' })]
    const { code, err } = await look(await serve(answers({ scout_build_info: agents })))
    expect({ code, err }).toEqual({
      code: 2,
      err: "scout-probe: the label cluster of the agents has 2 values (a, b): choose one with --label 'cluster: NAME'\n",
    })
  })

  test('when it has metrics now, but none of the time that was asked for', async () => {
    const port = await serve((request, response) => {
      const time = Number(new URL(request.url ?? '', 'http://x').searchParams.get('time'))
      answers(Date.now() / 1000 - time < 60 ? { scout_build_info: [agent('node1')] } : {})(request, response)
    })
    const { code, err } = await look(port, ['--at', '2020-01-02T13:00:00+01:00'])
    expect(code).toBe(1)
    expect(err).toContain('has no metrics of Scout from 2020-01-02T12:00:00.000Z, but it has some now')
  })
})

test('sends credentials, headers and labels, and shows none of the secrets', async () => {
  const requests: IncomingMessage[] = []
  const port = await serve(answers({ scout_build_info: [agent('node1')] }, requests))
  const headers = ['--header', 'X-Scope-OrgID: shop', '--header', 'X-Key: s3cret']
  const labels = ['--label', 'cluster: a"b\\']
  const { out, err } = await look(port, [...headers, ...labels], { SCOUT_PROMETHEUS_TOKEN: ' s3cret-token\n' })
  const [first] = requests
  expect(first?.headers).toMatchObject({
    authorization: 'Bearer s3cret-token',
    'x-scope-orgid': 'shop',
    'x-key': 's3cret',
  })
  const queries = requests.map(({ url = '' }) => new URL(url, 'http://x').searchParams.get('query') ?? '')
  expect(queries[0]).toBe('timestamp(scout_build_info{cluster="a\\"b\\\\"})')
  expect(queries.filter((query) => !query.includes('cluster="a\\"b\\\\"'))).toEqual([])
  expect(`${out}${err}`).not.toContain('s3cret')
})

describe('of 3,000 incidents', () => {
  const incidents = Array.from({ length: 3_000 }, (_, index) => ({
    metric: {
      id: `i${index}`,
      cause: 'packet-loss',
      scope: 'link',
      severity: index === 9 ? 'critical' : 'warning',
      summary: 's',
    },
    value: 1,
  }))
  const serveAll = () => serve(answers({ scout_build_info: [agent('node1')], scout_incident_info: incidents }))

  test('the gravest twenty are printed, and how many more there are', async () => {
    const { code, out } = await look(await serveAll())
    expect(code).toBe(1)
    expect(out.match(/incident i\d+$/gm)).toHaveLength(20)
    expect(out).toMatch(/^critical: s\n.*incident i9$/m)
    expect(out).toContain('\n\nand 2980 more incidents: --json lists all\n')
  })

  test('all are in the JSON', async () => {
    const { out } = await look(await serveAll(), ['--json'])
    expect(out.match(/"kind":"incident"/g)).toHaveLength(3_000)
  })

  test('a watch without a terminal prints the first hundred', async () => {
    const port = await serveAll()
    const { out, err } = await runCli(['mesh', '--prometheus', `http://127.0.0.1:${port}`, '--watch'], {
      onOutput: (text, end) => {
        if (text.split('\n').length > 100) end()
      },
    })
    expect(out.trimEnd().split('\n')).toHaveLength(100)
    expect(err).toContain('scout-probe: 2900 more changes of incidents: --json lists all\n')
  })
})

test.each(['NaN', '+Inf', '-Inf', '1e999', '1e300', '-1e300'])('a sample of %s is like none', async (value) => {
  const metric = { source_node: 'node1', target_node: 'node2', check: 'tcp', path: 'pod', family: 'ipv4' }
  const incident = { id: 'x', cause: 'packet-loss', scope: 'link', severity: 'critical', summary: 's' }
  const port = await serve(
    answers({
      scout_build_info: [agent('node1'), agent('node2'), { metric: { node: 'node3', instance: 'node3' }, value }],
      scout_incident_info: [{ metric: incident, value }],
      __name__: [{ metric: { __name__: 'scout_evidence_rows', state: 'ready', instance: 'node1:8080' }, value }],
      scout_probe_failing: [{ metric, value }],
    }),
  )
  const { out } = await look(port)
  expect(out).toContain('samples of 2 agents, ')
  expect(out).toContain('2 links between 2 nodes: 2 not probed')
  expect(out).not.toMatch(/NaN|Infinity|node3|critical|packet-loss/)
})

test('quotes what a shell would run of the name of a cause, which anything that is scraped may claim', async () => {
  const incident = {
    metric: { id: 'x', cause: 'x; id #', scope: 'link', severity: 'critical', summary: 's' },
    value: 1,
  }
  const port = await serve(answers({ scout_build_info: [agent('node1')], scout_incident_info: [incident] }))
  const { out } = await look(port)
  expect(out).toContain("next: scout-probe explain 'x; id #'\n")
})

testWith('openssl')('trusts the certificate authority of --ca, and asks for it', async () => {
  const tls = selfSigned('IP:127.0.0.1')
  const server = createTlsServer(tls, answers({ scout_build_info: [agent('node1')] }))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'scout-ca-'))
  onTestFinished(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  const file = join(folder, 'ca.pem')
  await writeFile(file, tls.cert)
  const argv = ['mesh', '--prometheus', `https://127.0.0.1:${portOf(server.address())}`]
  expect((await runCli(argv)).err).toMatch(/certificate.*\(name its authority with --ca\)$/m)
  expect((await runCli([...argv, '--ca', file])).out).toContain('samples of one agent')
})

test('takes user and password from the URL, and shows it without them', async () => {
  const requests: IncomingMessage[] = []
  const port = await serve(answers({ scout_build_info: [agent('node1')] }, requests))
  const { out, err } = await runCli(['mesh', '--prometheus', `http://jo:p%40ss@127.0.0.1:${port}/select/0/prometheus/`])
  expect(requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from('jo:p@ss').toString('base64')}`)
  expect(requests[0]?.url).toMatch(/^\/select\/0\/prometheus\/api\/v1\/query\?/)
  expect(out).toContain(`from http://127.0.0.1:${port}/select/0/prometheus: samples of one agent`)
  expect(`${out}${err}`).not.toMatch(/jo:|p@ss|p%40ss/)
})

test.each([
  [['--prometheus', 'jo:p4ss@prometheus'], '--prometheus is not a URL: write --prometheus http://127.0.0.1:9090'],
  [['--prometheus', 'http://h/?token=p4ss'], '--prometheus has a query or fragment: write --prometheus http://h'],
  [
    ['--prometheus', 'http://h', '--at', 'noon'],
    '--at: "noon" is neither a time with its zone nor a duration: write 2026-01-02T12:00:00Z',
  ],
  [
    ['--prometheus', 'http://h', '--at', '2026-01-02T12:00:00'],
    '--at: "2026-01-02T12:00:00" is neither a time with its zone nor a duration',
  ],
  [['--prometheus', 'http://h', '--at', '2999-01-02T12:00:00Z'], '--at: 2999-01-02T12:00:00Z is in the future'],
  [['--prometheus', 'http://h', '--at', '1h', '--watch'], '--at is one time, so that --watch would find no changes'],
  [['--prometheus', 'http://h', '--explain'], '--explain needs the agents'],
  [['--prometheus', 'http://h', '-n', 'scout'], '--namespace selects agents, and --prometheus asks none: use --label'],
  [['--prometheus', 'http://h', '--ca', '/nowhere'], '--ca: cannot read the certificate authority: ENOENT'],
  [['--prometheus', 'http://h', '--header', 'X-A: p4ss\u0001'], '--header'],
  [['--at', '1h'], '--at needs --prometheus'],
])('rejects %j without asking anybody', async (argv, sentence) => {
  const { code, out, err } = await runCli(['mesh', ...argv])
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain(sentence)
  expect(err).not.toContain('p4ss')
})
