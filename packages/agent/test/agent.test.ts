import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { row, startDnsResponder } from '@scout/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { canDropRawSockets } from '../../../test/support/child.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { capability, nativePart, testWith } from '../../../test/support/requirements.ts'
import { listenTcp } from '../../../test/support/servers.ts'
import { startResponders } from '../src/vantage/vantage.ts'
import { type LogLine, loopback, startAgent } from './support/agent-process.ts'
import { writeTemporary } from './support/temporary.ts'

const addresses = { a: loopback(2), b: loopback(3) } as const
type Name = keyof typeof addresses

const timeout = 60_000

describe('two agents', { timeout }, () => {
  testWith(capability('CAP_NET_RAW'))('probe each other with all five protocols', async () => {
    const { a, b } = await startPair()
    for (const agent of [a, b]) {
      for (const check of ['http', 'tcp', 'udp', 'icmp', 'dns']) await agent.logged(isSuccess(check))
      const { isReady, series } = await agent.row()
      expect(isReady).toBe(true)
      expect(series.map(({ check, state }) => `${check} ${state}`)).toEqual(
        ['http', 'tcp', 'udp', 'icmp', 'dns', 'lone'].map((check) => `${check} ok`),
      )
    }
  })

  test('say goodbye when they stop: the other agent marks them as leaving and counts no failure', async () => {
    const { a, b } = await startPair()
    for (const check of ['http', 'tcp', 'udp', 'dns']) await a.logged(isSuccess(check))
    const ended = await b.end('SIGTERM')
    expect(ended).toMatchObject({ code: 0, signal: null, errors: '' })
    expect(ended.tookMs).toBeLessThan(5_000)
    expect(b.log.map(({ msg }) => msg).slice(-2)).toEqual(['agent stopping', 'agent stopped'])

    // By now, a has had three intervals to probe the peer that left.
    await a.logged(isSuccess('lone'), a.log.filter(isSuccess('lone')).length + 3)
    const { peers, series } = await a.row()
    expect(peers).toMatchObject([{ name: 'b', state: 'leaving' }])
    for (const { to, check, total, failures } of series) {
      if (to === undefined || check === 'icmp') continue
      expect({ check, reasons: total.reasons, failures }).toEqual({ check, reasons: {}, failures: [] })
    }
    const metrics = await (await fetch(`${a.url}/metrics`)).text()
    expect(metrics).toContain('scout_peers{state="leaving"} 1')
  })

  test('show and count no failure when they start one after the other', async () => {
    const names = await startNames()
    const a = await startAgent(configOf('a', 'b', names))
    // It has looked for b in vain.
    while ((await a.row()).greetings.unreached < 2);
    expect((await a.row()).peers).toMatchObject([{ name: 'b', state: 'starting' }])
    const b = await startAgent(configOf('b', 'a', names))
    for (const agent of [a, b]) {
      for (const check of ['http', 'tcp', 'udp', 'dns']) await agent.logged(isSuccess(check), 3)
      expect(agent.log.filter(({ failure }) => failure !== undefined && failure.reason !== 'not-permitted')).toEqual([])
      const { series, peers } = await agent.row()
      expect(peers).toMatchObject([{ state: 'ready' }])
      expect(series.filter(({ check }) => check !== 'icmp').map(({ total }) => total.reasons)).toEqual([
        {},
        {},
        {},
        {},
        {},
      ])
    }
  })

  test('log that a killed peer fails, once, and that it recovered, once', async () => {
    const { a, b, names } = await startPair()
    const checks = ['http', 'tcp', 'udp']
    for (const check of checks) await a.logged(isSuccess(check))
    const linesBefore = a.log.length
    expect(await b.end('SIGKILL')).toMatchObject({ signal: 'SIGKILL' })
    for (const check of checks) {
      const refused = (line: LogLine) => line.check === check && line.failure?.reason === 'refused'
      const [first] = await a.logged(refused, 3)
      expect(first?.peer).toBe('b')
    }
    await startAgent(configOf('b', 'a', names))
    for (const check of checks) await a.logged((line) => line.msg === 'probe recovered' && line.check === check)
    const changes = a.log.slice(linesBefore).filter(({ msg }) => msg === 'probe failed' || msg === 'probe recovered')
    for (const check of checks) {
      expect(changes.filter((line) => line.check === check)).toEqual([
        expect.objectContaining({ msg: 'probe failed', level: 40 }),
        expect.objectContaining({ msg: 'probe recovered', level: 30, outageMs: expect.any(Number) }),
      ])
    }
  })
})

test('an agent of a large mesh probes a sample of the nodes, and says which it does not probe', {
  timeout,
}, async () => {
  const agent = await startAgent({
    name: 'a',
    addresses: [addresses.a],
    responder: { host: addresses.a, port: 8081 },
    peers: [4, 5, 6].map((last) => ({ name: `peer-${last}`, addresses: [loopback(last)] })),
    probedNodes: 2,
    checks: { tcp: { probe: 'tcp' } },
  })
  let planned = await agent.row()
  while (planned.series.length === 0) planned = await agent.row()
  expect(planned.series).toHaveLength(2)
  expect(planned.peers.flatMap(({ obstacle }) => obstacle ?? [])).toEqual(['it is not in the sample of this agent'])
})

test('answers the reference document', { timeout }, async () => {
  const agent = await startAgent({ responder: { host: addresses.a, port: 0 }, checks: {} })
  expect(await (await fetch(`http://${addresses.a}:${agent.responderPort}/`)).json()).toEqual({
    message: 'connected to scout',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4} \S+ m=\+\d+\.\d{9}$/),
  })
})

test('stops within five seconds while fifty probes wait for an answer', { timeout }, async () => {
  let held = 0
  const port = await listenTcp(
    (socket) =>
      socket.once('data', (request) => (String(request).startsWith('GET /greeting') ? socket.destroy() : held++)),
    '0.0.0.0',
  )
  const peers = Array.from({ length: 50 }, (_, i) => ({ name: `silent-${i}`, addresses: [loopback(10 + i)], port }))
  const checks = { http: { probe: 'http', timeout: '1m' } }
  const agent = await startAgent({ addresses: [addresses.a], responder: { host: addresses.a, port: 0 }, peers, checks })
  await eventually(() => held >= 50, 'fifty attempts in flight', timeout)
  const ended = await agent.end('SIGTERM')
  expect(ended).toMatchObject({ code: 0, errors: '' })
  expect(ended.tookMs).toBeLessThan(5_000)
})

testWith(nativePart)('exits with an error when the probe thread exits', { timeout }, async () => {
  const port = await listenTcp((socket) => socket.end(), '0.0.0.0')
  const peers = [{ name: 'b', addresses: [addresses.b], port }]
  const config = { addresses: [addresses.a], responder: { host: addresses.a, port: 0 }, peers }
  const terminate = `process.on('worker',thread=>process.on('SIGUSR2',()=>thread.terminate()))`
  const agent = await startAgent({ ...config, checks: { tcp: { probe: 'tcp' } } }, [
    'env',
    `NODE_OPTIONS=--import=data:text/javascript,${terminate}`,
  ])
  await agent.logged(isSuccess('tcp'))
  const ended = await agent.end('SIGUSR2')
  expect(ended).toMatchObject({ code: 1, errors: 'scout-agent: the probe thread ended with code 1\n' })
  expect(ended.tookMs).toBeLessThan(5_000)
})

testWith(nativePart)(
  'is not alive, and marks its results as stale, when the probe thread is stuck',
  { timeout },
  async () => {
    const port = await listenTcp((socket) => socket.end(), '0.0.0.0')
    const peers = [{ name: 'b', addresses: [addresses.b], port }]
    const config = { addresses: [addresses.a], responder: { host: addresses.a, port: 0 }, peers, timeout: '100ms' }
    const stuck = new URL('support/stuck-thread.mjs', import.meta.url)
    const agent = await startAgent({ ...config, checks: { tcp: { probe: 'tcp' } } }, [
      'env',
      `NODE_OPTIONS=--import=${stuck.href}`,
    ])
    await agent.logged(isSuccess('tcp'))
    const statusOf = async () => (await fetch(`${agent.url}/healthz`)).status
    const stateOf = async () => (await agent.row()).series[0]?.state
    expect([await statusOf(), await stateOf()]).toEqual([200, 'ok'])
    process.kill(agent.pid, 'SIGUSR2')
    while ((await stateOf()) !== 'waiting');
    while ((await statusOf()) !== 503) process.kill(agent.pid, 'SIGUSR2')
  },
)

testWith(nativePart)('stops within seven seconds when the probe thread is stuck', { timeout }, async () => {
  const port = await listenTcp((socket) => socket.end(), '0.0.0.0')
  const peers = [{ name: 'b', addresses: [addresses.b], port }]
  const stuck = new URL('support/stuck-thread.mjs', import.meta.url)
  const agent = await startAgent(
    { addresses: [addresses.a], responder: { host: addresses.a, port: 0 }, peers, checks: { tcp: { probe: 'tcp' } } },
    ['env', `NODE_OPTIONS=--import=${stuck.href}`],
  )
  await agent.logged(isSuccess('tcp'))
  process.kill(agent.pid, 'SIGUSR2')
  // It says goodbye for two seconds and waits for two more.
  const ended = await agent.end('SIGTERM')
  expect(ended).toMatchObject({ code: 0, errors: '' })
  expect(ended.tookMs).toBeGreaterThan(3_000)
  expect(ended.tookMs).toBeLessThan(7_000)
})

testWith(canDropRawSockets)(
  'logs once that a check is not permitted, and continues with the others',
  { timeout },
  async () => {
    const port = await listenTcp((socket) => socket.end(), '0.0.0.0')
    const peers = ['b', 'c'].map((name, i) => ({ name, addresses: [loopback(20 + i)], port }))
    const wrapper =
      process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw', '--'] : []
    const checks = { icmp: { probe: 'icmp' }, tcp: { probe: 'tcp' } }
    const responder = { host: addresses.a, port: 0 }
    const agent = await startAgent({ addresses: [addresses.a], responder, peers, checks }, wrapper)
    for (const peer of ['b', 'c']) await agent.logged((line) => isSuccess('tcp')(line) && line.peer === peer, 3)
    expect(agent.log.filter(({ check }) => check === 'icmp')).toEqual([
      expect.objectContaining({
        msg: 'check not possible',
        level: 40,
        failure: expect.objectContaining({ reason: 'not-permitted', message: expect.stringContaining('CAP_NET_RAW') }),
      }),
    ])
  },
)

test.each([{ native: '0', level: 40 }, ...(nativePart.isMet ? [{ native: '', level: 30 }] : [])])(
  'logs its providers once at startup (SCOUT_NATIVE=$native)',
  { timeout },
  async ({ native, level }) => {
    const responder = { host: addresses.a, port: 0 }
    const config = { addresses: [addresses.a], responder, peers: [], checks: { tcp: { probe: 'tcp' } } }
    const { log } = await startAgent(config, ['env', `SCOUT_NATIVE=${native}`])
    expect(log.filter(({ msg }) => msg === 'providers')).toMatchObject([{ level, providers: described(native) }])
  },
)

function described(native: string) {
  if (native !== '0') return { udp: { name: 'native' }, icmp: { name: 'native' }, tcp: { name: 'native' } }
  const remark = 'the native part is turned off by SCOUT_NATIVE=0; times include event loop delays'
  return { udp: { name: 'dgram', remark }, icmp: { name: 'raw-socket', remark }, tcp: { name: 'none' } }
}

test('probes a peer that is added to its file', { timeout }, async () => {
  const port = await listenTcp((socket) => socket.end(), '0.0.0.0')
  const b = { name: 'b', addresses: [addresses.b], port }
  const peersFile = await writeTemporary('peers.yaml', JSON.stringify([b]))
  const responder = { host: addresses.a, port: 0 }
  const agent = await startAgent({ addresses: [addresses.a], responder, peersFile, checks: { tcp: { probe: 'tcp' } } })
  await agent.logged(isSuccess('tcp'))
  await writeFile(`${peersFile}.new`, JSON.stringify([b, { name: 'c', addresses: [loopback(4)], port }]))
  await rename(`${peersFile}.new`, peersFile)
  await agent.logged((line) => isSuccess('tcp')(line) && line.peer === 'c')
  const joined = await agent.logged(({ msg }) => msg === 'peer joined')
  expect(joined.map(({ peer }) => peer)).toMatchObject([{ name: 'b' }, { name: 'c', state: 'starting' }])
})

test('does not expose the options of a check, whether its peer is present or gone', { timeout }, async () => {
  const key = 'key-that-nobody-may-see'
  const responder = await startResponders({ host: addresses.b, port: 0, key }, async () => undefined, {
    paths: {},
    bodies: {},
  })
  onTestFinished(responder.close)
  const peersFile = await writeTemporary(
    'peers.yaml',
    JSON.stringify([{ name: 'b', addresses: [addresses.b], port: responder.port }]),
  )
  const agent = await startAgent({
    addresses: [addresses.a],
    responder: { host: addresses.a, port: 0, key },
    peersFile,
    checks: {
      udp: { probe: 'udp', key },
      http: { probe: 'http', headers: { authorization: `Bearer ${key}` } },
    },
  })
  for (const check of ['udp', 'http']) await agent.logged(isSuccess(check))
  const shown = async () => (await fetch(`${agent.url}/api/v1/snapshot`)).text()
  expect(await shown()).not.toContain(key)
  await writeFile(`${peersFile}.new`, '[]')
  await rename(`${peersFile}.new`, peersFile)
  await agent.logged(({ msg }) => msg === 'peer left')
  const { peers, durations } = await agent.row()
  expect(peers).toEqual([])
  expect(durations.map(({ check, protocol }) => `${check} ${protocol}`).toSorted()).toEqual(['http http', 'udp udp'])
  expect(await shown()).not.toContain(key)
})

test('returns a row with exactly the fields of the schema', { timeout }, async () => {
  const port = await listenTcp((socket) => socket.end(), '0.0.0.0')
  const peers = [
    { name: 'b', zone: 'zone-b', addresses: [addresses.b], port },
    { name: 'six', addresses: ['2001:db8::1'] },
  ]
  const agent = await startAgent({
    addresses: [addresses.a],
    zone: 'zone-a',
    responder: { host: addresses.a, port: 0 },
    peers,
    checks: {
      tcp: { probe: 'tcp' },
      refused: { probe: 'tcp', target: '{host}:1' },
      dns: { probe: 'dns', target: `scout.local@${addresses.a}:1`, timeout: '50ms', interval: '200ms' },
    },
  })
  for (const check of ['tcp', 'refused', 'dns']) await agent.logged((line) => line.check === check)
  const json: unknown = await (await fetch(`${agent.url}/api/v1/snapshot`)).json()
  const parsed = row.parse(json)
  expect(parsed).toEqual(json)
  expect(parsed.peers.map(({ name, obstacle }) => [name, obstacle])).toEqual([
    ['b', undefined],
    ['six', 'it shares no address family with this agent'],
  ])
  expect(
    parsed.series.map(({ check, path, family, to, toZone, state }) => [check, path, family, to, toZone, state]),
  ).toEqual([
    ['tcp', 'pod', 'ipv4', 'b', 'zone-b', 'ok'],
    ['refused', 'pod', 'ipv4', 'b', 'zone-b', 'failing'],
    ['dns', 'dns-server', undefined, undefined, undefined, 'failing'],
  ])
  expect(parsed.durations.map(({ check, total }) => [check, total])).toEqual([
    ['tcp', { passed: expect.any(Number), reasons: {} }],
    ['refused', { passed: 0, reasons: { refused: expect.any(Number) } }],
    ['dns', { passed: 0, reasons: { refused: expect.any(Number) } }],
  ])
  expect(parsed.vantages).toMatchObject([{ name: 'pod', port: agent.responderPort, responders: { http: {}, udp: {} } }])
})

test('probes the node of a peer at the addresses that the peer reports', { timeout }, async () => {
  const port = await listenTcp((socket) => socket.end(), '0.0.0.0')
  const node = loopback(9)
  const b = await startAgent({
    name: 'b',
    addresses: [addresses.b],
    hostAddresses: [node],
    responder: { host: addresses.b, port: 0 },
    checks: {},
  })
  const agent = await startAgent({
    addresses: [addresses.a],
    responder: { host: addresses.a, port: 0 },
    peers: [{ name: 'b', node: 'node-b', addresses: [addresses.b], port: b.responderPort }],
    checks: { kubelet: { probe: 'tcp', path: 'node', target: `{host}:${port}` } },
  })
  await agent.logged(isSuccess('kubelet'))
  const { series } = await agent.row()
  expect(series).toMatchObject([
    { check: 'kubelet', path: 'node', to: 'node-b', target: `${node}:${port}`, state: 'ok' },
  ])
})

test('runs each check at its own interval', { timeout }, async () => {
  const port = await listenTcp((socket) => socket.end(), '0.0.0.0')
  const agent = await startAgent({
    addresses: [addresses.a],
    responder: { host: addresses.a, port: 0 },
    peers: [{ name: 'b', addresses: [addresses.b], port }],
    checks: { often: { probe: 'tcp' }, rarely: { probe: 'tcp', interval: '1h' } },
  })
  await agent.logged(isSuccess('often'), 5)
  expect(agent.log.filter(isSuccess('rarely'))).toEqual([])
})

test('answers under the names of the setting console.names', { timeout }, async () => {
  const names = ['Scout.Corp.example.', 'status.example']
  const agent = await startAgent({
    addresses: [addresses.a],
    responder: { host: addresses.a, port: 0 },
    console: { host: '127.0.0.1', port: 0, names },
  })
  const statusFor = async (host: string) => {
    const asked = get(`${agent.url}/api/v1/snapshot`, { headers: { host }, agent: false })
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    response.resume()
    return response.statusCode
  }
  for (const host of ['scout.corp.example', 'scout.corp.example:8080', 'scout.corp.example.', 'status.example'])
    expect([host, await statusFor(host)]).toEqual([host, 200])
  for (const host of ['corp.example', 'attacker.example', 'x.status.example'])
    expect([host, await statusFor(host)]).toEqual([host, 421])
})

/** Starts a and b, which probe each other, and their name server. */
async function startPair() {
  const names = await startNames()
  const b = await startAgent(configOf('b', 'a', names))
  const a = await startAgent(configOf('a', 'b', names))
  return { a, b, names }
}

async function startNames(): Promise<string> {
  const dns = await startDnsResponder({ host: addresses.a, port: 0, addressesOf: () => [addresses.b] })
  onTestFinished(dns.close)
  return `${addresses.a}:${dns.port}`
}

function configOf(self: Name, peer: Name, names: string) {
  return {
    name: self,
    addresses: [addresses[self]],
    responder: { host: addresses[self], port: 8081 },
    peers: [{ name: peer, addresses: [addresses[peer]] }],
    checks: {
      http: { probe: 'http' },
      tcp: { probe: 'tcp' },
      udp: { probe: 'udp' },
      icmp: { probe: 'icmp' },
      dns: { probe: 'dns', target: `{name}.scout.local@${names}` },
      lone: { probe: 'dns', target: `scout.local@${names}` },
    },
  }
}

function isSuccess(check: string): (line: LogLine) => boolean {
  return (line) => line.msg.startsWith('probe ') && line.check === check && line.failure === undefined
}
