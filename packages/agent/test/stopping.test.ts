import { expect, onTestFinished, test } from 'vitest'
import { createAgent } from '../src/agent.ts'
import type { Discovery } from '../src/peers/knowledge.ts'
import { startLocalVantage } from '../src/vantage/local.ts'
import type { Vantage } from '../src/vantage/vantage.ts'

test('an agent that is stopped while its vantage starts closes it, and starts no discovery', async () => {
  let begin = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  let vantage: Vantage | undefined
  const started: string[] = []
  const agent = agentOf({
    discovery: { start: async () => void started.push('discovery'), stop() {} },
    async startVantage(options) {
      await begun
      vantage = await startLocalVantage({ ...options, responder: { host: '127.0.0.1', port: 0, key: '' } })
      return vantage
    },
    onAnswering: () => started.push('answering'),
  })
  const starting = agent.start()
  const stopping = agent.stop()
  begin()
  const { port } = await starting
  await stopping
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed')
  await expect(vantage?.prober.probe('tcp', '127.0.0.1:9')).rejects.toThrow('closed')
  expect(started).toEqual([])
})

test('an agent whose start fails stops without another error', async () => {
  const agent = agentOf({ startVantage: () => Promise.reject(new Error('the port is taken')) })
  await expect(agent.start()).rejects.toThrow('the port is taken')
  await agent.stop()
})

interface Parts {
  readonly discovery?: Discovery
  readonly startVantage: Parameters<typeof createAgent>[0]['startVantage']
  readonly onAnswering?: (port: number) => void
}

/** An agent without peers. */
function agentOf({ discovery, startVantage, onAnswering = () => {} }: Parts) {
  const agent = createAgent({
    self: { name: 'a', node: 'node', addresses: ['127.0.0.1'], nodeAddresses: [], version: '1' },
    process: 'of-a',
    startedAtMs: Date.now(),
    key: '',
    families: new Set(['ipv4']),
    discovery: discovery ?? { start: async () => {}, stop() {} },
    config: { checks: [], probedNodes: 64, maxInFlight: 1, settleMs: 0, graceMs: 0 },
    startVantage,
    events: {
      answering: onAnswering,
      rosterChanged() {},
      greeted() {},
      incidentChanged() {},
      discoveryTroubled() {},
      historyTroubled() {},
      attempted() {},
      defect(error) {
        throw error
      },
    },
  })
  onTestFinished(() => agent.stop())
  return agent
}
