import { createProber, startHttpResponder } from '@scout/core'
import { expect, onTestFinished, test } from 'vitest'
import { sayGoodbye } from '../../src/peers/goodbye.ts'
import { peer } from '../support/peers.ts'

const self = { name: 'me', node: 'node-1', addresses: ['127.0.0.1'], nodeAddresses: [], version: '1', startedAtMs: 7 }

test('a goodbye reaches every peer even if another is unreachable', async () => {
  const received: string[] = []
  const responder = await startHttpResponder({
    host: '127.0.0.1',
    port: 0,
    document: () => ({}),
    routes: { '/goodbye': async ({ url }) => (received.push(url), {}) },
  })
  onTestFinished(() => responder.close())
  const prober = createProber()
  onTestFinished(() => prober.close())
  const peers = [
    peer('nowhere', { addresses: ['0.0.0.0'] }),
    peer('without-address', { addresses: [] }),
    peer('behind-a-proxy', { proxy: `http://127.0.0.1:${responder.port}` }),
    peer('there', { addresses: ['127.0.0.1'], port: responder.port }),
  ]
  expect(await sayGoodbye(prober, self, peers)).toBe(1)
  expect(received).toEqual(['/goodbye?name=me&startedAtMs=7'])
})
