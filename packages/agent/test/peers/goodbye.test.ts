import { createProber, startHttpResponder } from '@scout/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sayGoodbye } from '../../src/peers/goodbye.ts'
import { createRequestHandler, peerPaths } from '../../src/peers/requests.ts'
import { createRoster } from '../../src/peers/roster.ts'
import { startResponders } from '../../src/vantage/vantage.ts'
import { greeting } from '../support/greetings.ts'
import { knowledge, peer } from '../support/peers.ts'

const identity = { process: 'mine', startedAtMs: 7 }
const self = { name: 'me', node: 'node-1', addresses: ['127.0.0.1'], nodeAddresses: [], version: '1', ...identity }

function startProber() {
  const prober = createProber()
  onTestFinished(() => prober.close())
  return prober
}

test('a goodbye reaches every peer even if another is unreachable', async () => {
  const received: string[] = []
  const responder = await startHttpResponder({
    host: '127.0.0.1',
    port: 0,
    document: () => ({}),
    routes: { '/goodbye': async ({ method, url }) => (received.push(`${method} ${url}`), {}) },
  })
  onTestFinished(() => responder.close())
  const peers = [
    // A port that no probe accepts as a target, so that the prober throws.
    peer('invalid', { addresses: ['127.0.0.1'], port: 70_000 }),
    peer('nowhere', { addresses: ['0.0.0.0'] }),
    peer('without-address', { addresses: [] }),
    peer('behind-a-proxy', { proxy: `http://127.0.0.1:${responder.port}` }),
    peer('there', { addresses: ['127.0.0.1'], port: responder.port }),
  ]
  expect(await sayGoodbye({ prober: startProber(), self, key: '' }, peers)).toBe(1)
  // An older agent, which knows no process ids, needs the start.
  expect(received).toEqual(['POST /goodbye?name=me&process=mine&startedAtMs=7'])
})

describe('the responder of an agent', () => {
  /** Starts the responder of an agent that knows one peer, with this key. */
  async function startAgentWith(key: string) {
    const roster = createRoster({ isSelf: () => false, onChange() {} })
    onTestFinished(() => roster.stop())
    roster.update(knowledge([peer('me', { addresses: ['127.0.0.1'] })]))
    const onRequest = createRequestHandler({
      roster,
      ownGreeting: () => greeting('them'),
      key,
      onHello() {},
      onEvidence: async () => ({}),
      onAsked: async () => undefined,
    })
    const responders = await startResponders(
      { host: '127.0.0.1', port: 0, key },
      async (path, request) => onRequest(path, request),
      { paths: peerPaths, bodies: {} },
    )
    onTestFinished(() => responders.close())
    const request = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`http://127.0.0.1:${responders.port}${path}`, init)
      await response.arrayBuffer()
      return response
    }
    const say = (sayersKey: string, sayer = self) =>
      sayGoodbye({ prober: startProber(), self: sayer, key: sayersKey }, [
        peer('them', { addresses: ['127.0.0.1'], port: responders.port }),
      ])
    return { request, say, state: () => [...roster.peers.values()][0]?.state }
  }

  const query = 'name=me&process=mine&startedAtMs=7'

  test.each(['GET', 'HEAD', 'PUT', 'DELETE'])(
    'refuses a goodbye by %s with 405, and it changes nothing',
    async (method) => {
      const { request, state } = await startAgentWith('')
      const response = await request(`/goodbye?${query}`, { method })
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
      expect(state()).toBe('ready')
      expect((await request(`/goodbye?${query}`, { method: 'POST' })).status).toBe(200)
      expect(state()).toBe('leaving')
    },
  )

  test('answers greetings by GET', async () => {
    const { request } = await startAgentWith('')
    expect((await request(`/greeting?${query}`)).status).toBe(200)
    expect((await request(`/greeting?${query}`, { method: 'POST' })).status).toBe(405)
  })

  test.each([
    { from: 'with the same key', sayersKey: 'secret', isAccepted: true },
    { from: 'with another key', sayersKey: 'other', isAccepted: false },
    { from: 'without a key', sayersKey: '', isAccepted: false },
  ])('with a key, accepts a goodbye of an agent $from: $isAccepted', async ({ sayersKey, isAccepted }) => {
    const { say, state } = await startAgentWith('secret')
    expect(await say(sayersKey)).toBe(isAccepted ? 1 : 0)
    expect(state()).toBe(isAccepted ? 'leaving' : 'ready')
  })

  test('without a key, accepts a signed goodbye, as during a rollout of the key', async () => {
    const { say, state } = await startAgentWith('')
    expect(await say('secret')).toBe(1)
    expect(state()).toBe('leaving')
  })

  test('does not accept the signature of one process for another', async () => {
    const signed: string[] = []
    const listener = await startHttpResponder({
      host: '127.0.0.1',
      port: 0,
      document: () => ({}),
      routes: { '/goodbye': async ({ url }) => (signed.push(url), {}) },
    })
    onTestFinished(() => listener.close())
    await sayGoodbye({ prober: startProber(), self, key: 'secret' }, [
      peer('listener', { addresses: ['127.0.0.1'], port: listener.port }),
    ])
    const { request, state } = await startAgentWith('secret')
    const forged = (signed[0] ?? '').replace('process=mine', 'process=another')
    expect((await request(forged, { method: 'POST' })).status).toBe(404)
    expect(state()).toBe('ready')
    expect((await request(signed[0] ?? '', { method: 'POST' })).status).toBe(200)
  })
})
