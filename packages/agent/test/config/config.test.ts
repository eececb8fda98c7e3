import { isDeepStrictEqual } from 'node:util'
import { catalogue } from '@scout/core'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/config.ts'
import { anyAddress } from '../../src/config/host.ts'
import { configShape } from '../../src/config/index.ts'
import type { GivenSetting } from '../../src/config/sources.ts'
import { temporaryFolder, writeTemporary } from '../support/temporary.ts'

const inCluster = 'search scout.svc.example.org svc.example.org example.org\nnameserver 192.0.2.53\n'
const outside = 'search example.org\nnameserver 192.0.2.53\n'

test('every required setting has a default', async () => {
  const resolvConf = await writeTemporary('resolv.conf', inCluster)
  const { config, origins } = loadConfig({ environment: {}, flags: [], resolvConf })
  expect(config).toMatchObject({
    log: 'json',
    level: 'info',
    intervalMs: 10_000,
    timeoutMs: 3_500,
    settleMs: 5_000,
    maxInFlight: 256,
    discovery: 'static',
    console: { host: anyAddress(), port: 8080 },
    responder: { host: anyAddress(), port: 8081, key: '' },
    peers: [],
  })
  expect(config.node).toBe(config.name)
  expect(config.checks.map(({ name, protocol, target }) => `${name}: ${protocol} ${target}`)).toMatchInlineSnapshot(`
    [
      "http: http {base}/",
      "http-large: http {base}/bytes?size=100000",
      "tcp: tcp {host}:{port}",
      "tcp-idle: tcp {host}:{port}",
      "syn: syn {host}:{port}",
      "udp: udp {host}:{port}",
      "udp-large: udp {host}:{port}",
      "udp-fragmented: udp {host}:{port}",
      "icmp: icmp {host}",
      "icmp-large: icmp {host}",
      "dns: dns kubernetes.default.svc.example.org",
      "dns-kept: dns kubernetes.default.svc.example.org",
      "dns-parallel: dns kubernetes.default.svc.example.org",
      "dns-tcp: dns kubernetes.default.svc.example.org",
    ]
  `)
  expect([...origins]).toEqual([])
})

test.for([
  ['10.96.0.1', 'A'],
  ['fd00:10:96::1', 'AAAA'],
] as const)('the default dns check asks for what the name of the API server at %s has: %s', async ([address, type]) => {
  const resolvConf = await writeTemporary('resolv.conf', inCluster)
  const environment = { KUBERNETES_SERVICE_HOST: address }
  const { checks } = loadConfig({ environment, flags: [], resolvConf }).config
  expect(checks.filter(({ name }) => name === 'dns')).toMatchObject([{ options: { type, requireAnswer: true } }])
})

describe('sources of settings', () => {
  test('the environment overrides the file, and flags override both', async () => {
    const file = await writeTemporary('config.yaml', 'zone: a\nnode: a\nname: a\nconsole: { port: 1, host: localhost }')
    const resolvConf = await writeTemporary('resolv.conf', inCluster)
    const { config, origins } = loadConfig({
      file,
      resolvConf,
      environment: { SCOUT_NODE: 'b', SCOUT_NAME: 'b', SCOUT_CONSOLE_PORT: '2', HOME: '/root' },
      flags: [flag('name', 'c')],
    })
    expect(config).toMatchObject({ zone: 'a', node: 'b', name: 'c', console: { port: 2, host: 'localhost' } })
    expect(Object.fromEntries(origins)).toEqual({
      zone: file,
      node: 'SCOUT_NODE',
      name: '--name',
      'console.port': 'SCOUT_CONSOLE_PORT',
      'console.host': file,
    })
  })

  test('settle defaults to the delay of the discovery', () => {
    const settleMs = (environment: Record<string, string>) => loadConfig({ environment, flags: [] }).config.settleMs
    expect(settleMs({ SCOUT_DISCOVERY: 'dns' })).toBe(40_000)
    expect(settleMs({ SCOUT_DISCOVERY: 'dns', SCOUT_SETTLE: '1s' })).toBe(1_000)
  })

  test('lists are separated by commas outside the file', () => {
    const { config } = loadConfig({ environment: { SCOUT_ADDRESSES: '10.0.0.1,fd00::1' }, flags: [] })
    expect(config.addresses).toEqual(['10.0.0.1', 'fd00::1'])
  })

  test('peers from flags are added to those of the file', async () => {
    const file = await writeTemporary('config.yaml', 'peers: [{ name: one, addresses: [10.0.0.1] }]')
    const peers = [{ name: 'two', addresses: ['10.0.0.2'] }]
    const { config, origins } = loadConfig({ file, environment: {}, flags: [], peers })
    expect(config.peers.map(({ name, node, port }) => `${name} on ${node}, port ${port}`)).toEqual([
      'one on one, port 8081',
      'two on two, port 8081',
    ])
    expect(origins.get('peers')).toBe(`${file} and --peer`)
  })
})

test.each(['250ms', '1m30s', '0.5s', '10', '-1s', '1s ', 'soon', '1.s', '1 s', ''])(
  'the JSON schema accepts %j if and only if it is a duration',
  (text) => {
    const { timeout } = configShape().properties ?? {}
    const pattern = typeof timeout === 'object' ? (timeout.pattern ?? '') : ''
    const complaint = complaintOf(() => loadConfig({ environment: { SCOUT_TIMEOUT: text }, flags: [] }))
    expect(new RegExp(pattern).test(text)).toBe(complaint === 'none')
  },
)

describe('metrics are sent by OTLP', () => {
  const otlp = (environment: Readonly<Record<string, string>>, endpoint?: string) => {
    const flags = endpoint === undefined ? [] : [{ path: 'otlp.endpoint', text: endpoint, origin: '--otlp-endpoint' }]
    return loadConfig({ environment, flags, resolvConf: '/dev/null' })
  }

  test('only where a setting or a variable of OpenTelemetry names the collector', () => {
    const all = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://b:4318/base/' }
    const own = { ...all, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'https://c/push', OTEL_METRIC_EXPORT_INTERVAL: '15000' }
    expect(otlp({}).config.otlp).toEqual({ intervalMs: 60_000 })
    expect(otlp({}, 'http://a:4318').config.otlp.endpoint).toBe('http://a:4318/v1/metrics')
    expect(otlp({}, 'http://a:4318/v1/metrics').config.otlp.endpoint).toBe('http://a:4318/v1/metrics')
    expect(otlp(all).config.otlp.endpoint).toBe('http://b:4318/base/v1/metrics')
    expect(otlp(own).config.otlp).toEqual({ endpoint: 'https://c/push', intervalMs: 15_000 })
    expect(otlp(own).origins.get('otlp.endpoint')).toBe('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT')
    expect(otlp(own, 'http://a:4318').config.otlp.endpoint).toBe('http://a:4318/v1/metrics')
  })

  test('with a remark if its port is that of gRPC', () => {
    const { remarks } = otlp({}, 'http://a:4317?key=s3cret')
    expect(remarks).toContainEqual(expect.stringContaining('port 4317 is that of gRPC'))
    expect(remarks.join()).not.toContain('s3cret')
  })

  test('not to what is no URL, and not with a password in it', () => {
    expect(() => otlp({}, 'collector:4318')).toThrow(
      'setting otlp.endpoint (from --otlp-endpoint): "collector:4318" is not an http or https URL: write it as http://otel-collector:4318',
    )
    expect(() => otlp({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'c' })).toThrow('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "c"')
    expect(() => otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://u:secret@c' })).toThrow(
      /^setting otlp.endpoint \(from OTEL_EXPORTER_OTLP_ENDPOINT\) contains credentials: send them in OTEL_EXPORTER_OTLP_HEADERS$/,
    )
    expect(() => otlp({ OTEL_METRIC_EXPORT_INTERVAL: '5' })).toThrow(
      'OTEL_METRIC_EXPORT_INTERVAL: "5" is not a number of milliseconds of at least 1000',
    )
  })
})

test('the JSON schema gives each probe its own options, under their written names', () => {
  const { checks } = configShape().properties ?? {}
  const check = typeof checks === 'object' ? checks.additionalProperties : undefined
  const branches = typeof check === 'object' ? (check.allOf ?? []) : []
  const optionsOfUdp = branches.flatMap(({ if: condition, then: rule }) =>
    isDeepStrictEqual(condition, { properties: { probe: { const: 'udp' } }, required: ['probe'] }) ? [rule] : [],
  )
  expect(optionsOfUdp).toMatchObject([
    {
      properties: { probe: {}, target: {}, payloadBytes: { minimum: 56 }, timeout: { pattern: expect.any(String) } },
      additionalProperties: false,
    },
  ])
  expect(JSON.stringify(optionsOfUdp)).not.toContain('timeoutMs')
})

describe('checks', () => {
  test('take the written options of their probe, and the general timeout and key', async () => {
    const file = await writeTemporary(
      'config.yaml',
      `timeout: 2s
responder: { key: hush }
checks:
  large: { probe: udp, payloadBytes: 1400 }
  slow: { probe: http, target: "https://{name}.example/", timeout: 1m }`,
    )
    const { checks } = loadConfig({ file, environment: {}, flags: [] }).config
    expect(checks).toMatchObject([
      {
        name: 'large',
        protocol: 'udp',
        target: '{host}:{port}',
        options: { payloadBytes: 1400, timeoutMs: 2_000, key: 'hush' },
      },
      { name: 'slow', protocol: 'http', target: 'https://{name}.example/', options: { timeoutMs: 60_000 } },
    ])
  })

  test('omit dns, with a remark, if the domain of the cluster is unknown', async () => {
    const resolvConf = await writeTemporary('resolv.conf', outside)
    const { config, origins } = loadConfig({ environment: {}, flags: [], resolvConf })
    const others = catalogue.filter(({ protocol }) => protocol !== 'dns')
    expect(config.checks.map(({ name }) => name)).toEqual(others.map(({ name }) => name))
    expect([...origins]).toEqual([['checks', 'default without dns, because resolv.conf has no cluster domain']])
  })

  test.each([
    ['inside a cluster, in its domain', inCluster, 'kubernetes.default.svc.example.org'],
    ['elsewhere, in the default domain', outside, 'kubernetes.default.svc.cluster.local'],
  ])('of dns without a written target query a name %s', async (_, content, target) => {
    const resolvConf = await writeTemporary('resolv.conf', content)
    const file = await writeTemporary('config.yaml', 'checks: { names: { probe: dns } }')
    expect(loadConfig({ file, environment: {}, flags: [], resolvConf }).config.checks).toMatchObject([{ target }])
  })

  test('run at the general interval, expensive ones every third time, unless an interval is written', async () => {
    const file = await writeTemporary(
      'config.yaml',
      'checks: { web: { probe: http }, slow: { probe: tcp, interval: 1m } }',
    )
    const intervals = (from?: string) => {
      const { checks } = loadConfig({ file: from, environment: { SCOUT_INTERVAL: '2s' }, flags: [] }).config
      return Object.fromEntries(checks.map(({ name, intervalMs }) => [name, intervalMs]))
    }
    expect(intervals()).toMatchObject({ http: 2_000, 'http-large': 6_000 })
    expect(intervals(file)).toEqual({ web: 2_000, slow: 60_000 })
  })

  test('keep flows that idle for any time', async () => {
    const idle = (interval: string) =>
      `{ probe: tcp, keep: true, send: 'HEAD / HTTP/1.1\\r\\nhost: scout\\r\\n\\r\\n', interval: ${interval} }`
    const file = await writeTemporary(
      'config.yaml',
      `checks:
  idle-60: ${idle('60s')}
  idle-350: ${idle('350s')}
  tcp-kept: ${idle('10s')}
  udp-kept: { probe: udp, keep: true }
  udp: { probe: udp }
`,
    )
    const { checks } = loadConfig({ file, environment: {}, flags: [] }).config
    expect(checks.map(({ name, intervalMs, socket }) => [name, intervalMs, socket])).toEqual([
      ['idle-60', 60_000, 'idle'],
      ['idle-350', 350_000, 'idle'],
      ['tcp-kept', 10_000, 'kept'],
      ['udp-kept', 10_000, 'kept'],
      ['udp', 10_000, undefined],
    ])
  })

  test('can target the node of a peer', async () => {
    const checks =
      'checks: { ping: { probe: icmp, path: node }, kubelet: { probe: tcp, path: node, target: "{host}:10250" } }'
    const file = await writeTemporary('config.yaml', checks)
    expect(loadConfig({ file, environment: {}, flags: [] }).config.checks).toMatchObject([
      { name: 'ping', path: 'node', target: '{host}' },
      { name: 'kubelet', path: 'node', target: '{host}:10250' },
    ])
  })

  test('can be empty', async () => {
    const file = await writeTemporary('config.yaml', 'checks: {}')
    expect(loadConfig({ file, environment: {}, flags: [] }).config.checks).toEqual([])
  })
})

describe('misuse is reported in one sentence:', () => {
  test.each([
    ['intervall: 5s', 'there is no setting intervall (from FILE): did you mean interval?'],
    ['colour: red', 'there is no setting colour (from FILE): choose one of name, namespace, node, zone, addresses, '],
    ['console: { port: 80, prot: 90 }', 'there is no setting console.prot (from FILE): did you mean port?'],
    [
      'peers: [{ name: a, adresses: [10.0.0.1] }]',
      'there is no setting peers.0.adresses (from FILE): did you mean addresses?',
    ],
    ['interval: 10', 'setting interval (from FILE): 10 is not a duration: it has no unit: write 10ms or 10s'],
    ['interval: -1s', 'setting interval (from FILE): "-1s" is not a duration: a duration cannot be negative'],
    ['interval: 0s', 'setting interval (from FILE): "0s" is out of range: it must be at least 10ms and at most 24h'],
    [
      'interval: 600h',
      'setting interval (from FILE): "600h" is out of range: it must be at least 10ms and at most 24h',
    ],
    ['interval: soon', 'setting interval (from FILE): "soon" is not a duration: write it as 250ms, 1s or 1m30s'],
    [
      'console: { port: 70000 }',
      'setting console.port (from FILE): 70000 is out of range: it must be at least 0 and at most 65535',
    ],
    [
      'console: { names: [scout.example, "https://status.example:80"] }',
      'setting console.names.1 (from FILE): "https://status.example:80" is invalid: write a host name alone, without scheme and port',
    ],
    ['console: 80', 'setting console (from FILE): 80 is not of the form "name: value"'],
    ['log: loud', 'setting log (from FILE): "loud" is not one of json, text'],
    ['maxInFlight: 0', 'setting maxInFlight (from FILE): 0 is out of range: it must be at least 1'],
    ['addresses: [localhost]', 'setting addresses.0 (from FILE): "localhost" is not an IP address'],
    ['peers: [{ name: a }]', 'setting peers.0.addresses (from FILE) is missing'],
    [
      'peers: [{ name: a, addresses: [] }]',
      'setting peers.0.addresses (from FILE): [] has too few entries: it must have at least 1',
    ],
    [
      'peers: [{ name: a, addresses: [10.0.0.1] }, { name: a, addresses: [10.0.0.2] }]',
      'setting peers.1.name (from FILE): "a" is listed twice',
    ],
    [
      'peersFile: peers.yaml\npeers: [{ name: a, addresses: [10.0.0.1] }]',
      'settings peers (from FILE) and peersFile (from FILE) exclude each other: list all peers in one of them',
    ],
    ['responder: { key: 12345 }', 'setting responder.key (from FILE): its value is not text'],
    ['checks: { web: { target: x } }', 'setting checks.web.probe (from FILE) is missing'],
    ['checks: { web: { probe: htp } }', 'check web (from FILE): there is no probe "htp": did you mean http?'],
    [
      'checks: { web: { probe: http, timout: 1s } }',
      'check web (from FILE): the http probe has no option "timout": did you mean timeout?',
    ],
    [
      'checks: { web: { probe: tcp, timeout: -1s } }',
      'check web (from FILE): option timeout of the tcp probe: "-1s" is not a duration: a duration cannot be negative',
    ],
    [
      'checks: { web: { probe: tcp, target: "{host}" } }',
      'check web (from FILE): cannot probe "192.0.2.1": the port is missing: write 192.0.2.1:8081',
    ],
    [
      'checks: { web: { probe: tcp, target: "{hots}:80" } }',
      'check web (from FILE): the target "{hots}:80" has an unknown placeholder {hots}: did you mean {host}?',
    ],
    [
      'checks: { web: { probe: tcp, path: node } }',
      'check web (from FILE): the target "{host}:{port}" cannot be used with path node, where no responder listens: use a target with {host} and a port of the node, such as {host}:10250',
    ],
    [
      'checks: { web: { probe: tcp, path: service } }',
      'setting checks.web.path (from FILE): "service" is not one of pod, node',
    ],
    [
      'checks: { web: { probe: tcp, interval: 1ms } }',
      'setting checks.web.interval (from FILE): "1ms" is out of range: it must be at least 10ms and at most 24h',
    ],
    [
      'interval: [',
      'cannot read the configuration FILE: Flow sequence in block collection must be sufficiently indented and end with a ] at line 1, column 12',
    ],
    ['- interval', 'the configuration FILE is not a list of "name: value" pairs'],
  ])('%s', async (content, message) => {
    const file = await writeTemporary('config.yaml', content)
    expect(complaintOf(() => loadConfig({ file, environment: {}, flags: [] })).replaceAll(file, 'FILE')).toContain(
      message,
    )
  })

  test('a missing file', async () => {
    const file = `${await temporaryFolder()}/config.yaml`
    expect(complaintOf(() => loadConfig({ file, environment: {}, flags: [] }))).toBe(
      `cannot read the configuration ${file}: ENOENT: no such file or directory, open '${file}'`,
    )
  })

  test.each([
    [
      'SCOUT_CONSOLE_PORT',
      'http',
      'setting console.port (from SCOUT_CONSOLE_PORT): "http" is not a whole number: it must be at least 0 and at most 65535',
    ],
    ['SCOUT_ADDRESSES', '10.0.0.1,x', 'setting addresses.1 (from SCOUT_ADDRESSES): "x" is not an IP address'],
    ['SCOUT_NODE', '', 'setting node (from SCOUT_NODE): "" is too short: it must have at least 1 character'],
  ])('%s=%s', (variable, text, message) => {
    expect(complaintOf(() => loadConfig({ environment: { [variable]: text }, flags: [] }))).toBe(message)
  })

  test('the source of one setting is not reported for a neighbouring one', async () => {
    const file = await writeTemporary('config.yaml', 'console: { port: 80, prot: 90 }')
    const environment = { SCOUT_CONSOLE_PORT: '81', SCOUT_PEERS_FILE: 'peers.yaml' }
    expect(complaintOf(() => loadConfig({ file, environment, flags: [] }))).toBe(
      `there is no setting console.prot (from ${file}): did you mean port?`,
    )
  })
})

function flag(path: string, text: string): GivenSetting {
  return { path, text, origin: `--${path}` }
}

function complaintOf(load: () => unknown): string {
  try {
    load()
  } catch (error) {
    return error instanceof Error && error.name === 'ScoutError' ? error.message : String(error)
  }
  return 'none'
}
