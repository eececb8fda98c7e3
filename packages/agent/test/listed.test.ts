import { randomUUID } from 'node:crypto'
import { makeCheck } from '@scout/core'
import { describe, expect, onTestFinished } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { testWith } from '../../../test/support/requirements.ts'
import { desertedTcpPort } from '../../../test/support/servers.ts'
import { type AgentParts, createAgent } from '../src/agent.ts'
import { createListDiscovery } from '../src/discovery/static.ts'
import { startLocalVantage } from '../src/vantage/local.ts'

// On other systems only 127.0.0.1 is an address of the host.
const test = testWith({
  isMet: process.platform === 'linux',
  reason: 'needs all of 127.0.0.0/8 on loopback, as on Linux',
})

const addresses = { a: '127.0.0.21', b: '127.0.0.22' } as const
type Name = keyof typeof addresses

interface Options {
  readonly port: number
  readonly key?: string
  readonly spans?: AgentParts['spans']
  /** Address of a service that all agents probe. */
  readonly service?: string
}

/** Creates agents a and b, each with a list of the other. */
function createListed(self: Name, { port, key = '', spans, service }: Options) {
  const other = self === 'a' ? 'b' : 'a'
  const attempts: string[] = []
  const agent = createAgent({
    self: {
      name: self,
      node: self,
      zone: `zone-of-${self}`,
      addresses: [addresses[self]],
      nodeAddresses: [],
      version: '1',
    },
    process: randomUUID(),
    startedAtMs: Date.now(),
    key,
    families: new Set(['ipv4']),
    discovery: createListDiscovery([{ name: other, node: other, addresses: [addresses[other]], port }]),
    config: {
      checks: [
        makeCheck(
          { name: 'tcp', protocol: 'tcp', target: service ?? '{host}:{port}', options: { timeoutMs: 500 } },
          { intervalMs: 10 },
        ),
      ],
      probedNodes: 64,
      maxInFlight: 8,
      settleMs: 0,
      graceMs: 50,
    },
    startVantage: (options) => startLocalVantage({ ...options, responder: { host: addresses[self], port, key } }),
    events: {
      answering() {},
      rosterChanged() {},
      greeted() {},
      incidentChanged() {},
      discoveryTroubled() {},
      historyTroubled() {},
      attempted: (_, { ok }, { change }) => attempts.push(ok ? 'ok' : change),
      defect(error) {
        throw error
      },
    },
    ...(spans === undefined ? {} : { spans }),
  })
  onTestFinished(() => agent.stop())
  return { agent, attempts, state: () => agent.row().peers[0]?.state, series: () => agent.row().series[0] }
}

describe('an agent with a list of peers', () => {
  test('probes one that starts later from when it listens, with the zone that it greets with, and sees no failure', async () => {
    const port = await desertedTcpPort(addresses.b)
    const a = createListed('a', { port })
    await a.agent.start()
    await eventually(() => a.agent.row().greetings.unreached > 0, 'b is looked for in vain')
    expect(a.state()).toBe('starting')
    const b = createListed('b', { port })
    await b.agent.start()
    for (const { attempts } of [a, b]) await eventually(() => attempts.length > 5, 'attempts')
    expect(new Set([...a.attempts, ...b.attempts])).toEqual(new Set(['ok']))
    expect([a.series()?.toZone, b.series()?.toZone]).toEqual(['zone-of-b', 'zone-of-a'])
  })

  test('probes a service in front of one that starts later from when it listens', async () => {
    const port = await desertedTcpPort(addresses.b)
    const service = `${addresses.b}:${port}`
    const a = createListed('a', { port, service })
    await a.agent.start()
    await eventually(() => a.agent.row().greetings.unreached > 0, 'b is looked for in vain')
    expect(a.series()?.state).toBe('waiting')
    await createListed('b', { port }).agent.start()
    await eventually(() => a.attempts.length > 5, 'attempts')
    expect(new Set(a.attempts)).toEqual(new Set(['ok']))
  })

  test('counts the failures of a service in front of one that never listens, after a bounded time', async () => {
    const port = await desertedTcpPort(addresses.b)
    const { agent, attempts } = createListed('a', {
      port,
      spans: { awaitedMs: 300 },
      service: `${addresses.b}:${port}`,
    })
    await agent.start()
    await eventually(() => attempts.length > 2, 'attempts')
    expect(attempts.slice(0, 3)).toEqual(['began-failing', 'steady', 'steady'])
  })

  test('counts the failures of one that never listens, after a bounded time', async () => {
    const port = await desertedTcpPort(addresses.b)
    const { agent, attempts, state, series } = createListed('a', { port, spans: { awaitedMs: 300 } })
    await agent.start()
    await eventually(() => agent.row().greetings.unreached > 0, 'it is looked for in vain')
    expect([state(), attempts]).toEqual(['starting', []])
    await eventually(() => attempts.length > 2, 'attempts')
    expect(attempts.slice(0, 3)).toEqual(['began-failing', 'steady', 'steady'])
    expect([state(), series()?.state]).toEqual(['ready', 'failing'])
  })

  test.each([{ key: '' }, { key: 'a secret' }])(
    'counts no failure of one that said goodbye (key: "$key"), for a bounded time',
    async ({ key }) => {
      const port = await desertedTcpPort(addresses.b)
      const a = createListed('a', { port, key, spans: { readyMs: 1_000 } })
      const b = createListed('b', { port, key })
      await Promise.all([a.agent.start(), b.agent.start()])
      for (const { attempts } of [a, b]) await eventually(() => attempts.length > 2, 'attempts')
      await b.agent.stop()
      expect(a.state()).toBe('leaving')
      expect(a.attempts).not.toContain('began-failing')
      await eventually(() => a.attempts.includes('began-failing'), 'it fails')
      expect([a.state(), a.series()?.state]).toEqual(['ready', 'failing'])
      const successor = createListed('b', { port, key })
      await successor.agent.start()
      await eventually(() => a.series()?.state === 'ok', 'it is ok')
    },
  )

  test('probes the next process of one that said goodbye at once, whatever its clock says', async () => {
    const port = await desertedTcpPort(addresses.b)
    const a = createListed('a', { port })
    const b = createListed('b', { port })
    await Promise.all([a.agent.start(), b.agent.start()])
    await eventually(() => a.attempts.length > 2, 'attempts')
    await b.agent.stop()
    expect(a.state()).toBe('leaving')
    const before = a.attempts.length
    const successor = createListed('b', { port })
    await successor.agent.start()
    await eventually(() => a.attempts.length > before + 3, 'further attempts')
    expect(a.attempts).not.toContain('began-failing')
  })
})
