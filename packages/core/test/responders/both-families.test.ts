import { expect, onTestFinished, test } from 'vitest'
import { probe } from '../../src/attempt/prober.ts'
import { startDnsResponder } from '../../src/responders/dns.ts'
import { startHttpResponder } from '../../src/responders/http.ts'
import type { Responder } from '../../src/responders/responder.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'

const everywhere = { host: '::', port: 0 }

test.for<[protocol: 'http' | 'udp' | 'dns', start: () => Promise<Responder>, targetAt: (place: string) => string]>([
  ['http', () => startHttpResponder({ ...everywhere, document: () => ({}) }), (place) => place],
  ['udp', () => startUdpResponder(everywhere), (place) => place],
  ['dns', () => startDnsResponder({ ...everywhere, addressesOf: () => ['10.0.0.1'] }), (place) => `scout@${place}`],
])('a responder at :: answers %s over both families', async ([protocol, start, targetAt]) => {
  const responder = await start()
  onTestFinished(() => responder.close())
  for (const place of [`127.0.0.1:${responder.port}`, `[::1]:${responder.port}`])
    expect(await probe(protocol, targetAt(place))).toMatchObject({ ok: true })
})
