import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { sendFromPortZero } from '../../../../test/support/port-zero.ts'
import { capability, describeWith, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { listenUdp } from '../../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../../test/support/stamp.ts'
import { probe } from '../../src/attempt/prober.ts'
import { formatHostPort } from '../../src/model/target.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'
import { unixNowNs } from '../../src/time/clock.ts'
import { maxUdpPayloadBytes } from '../../src/wire/ip.ts'
import { encodeStampRequest } from '../../src/wire/stamp.ts'
import { encodeNumber } from '../../src/wire/stamp-question.ts'
import { timestampOf } from '../../src/wire/stamp-time.ts'

function request(size = 64, key = ''): Uint8Array {
  const estimate = { format: 'ntp', isSynchronized: false, errorNs: 1e9 } as const
  const sent = timestampOf(unixNowNs(), 'ntp')
  return encodeStampRequest({ sequence: 2, sent, estimate, ssid: 7 }, encodeNumber(2n, size, key), key)
}

test.for([56, 64, 1472, maxUdpPayloadBytes])(
  'answers a request of %i bytes with an answer of the same size',
  async (size) => {
    const { responder, client, received } = await setUp()
    client.send(request(size), responder.port, '127.0.0.1')
    await eventually(() => received.length === 1, 'the answer has come')
    expect(received[0]?.length).toBe(size)
    expect(responder.counters).toMatchObject({ answered: 1, rejected: 0, unsent: 0 })
  },
)

describe('counts and never answers', () => {
  test.for<[what: string, bytes: Uint8Array]>([
    ['nothing at all', new Uint8Array()],
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['garbage as long as a datagram can be', new Uint8Array(maxUdpPayloadBytes)],
    ['a request truncated within its header', request(200, 'secret').subarray(0, 111)],
    ['a request that is not authenticated', request(200)],
    ['a request made with another key', request(200, 'other')],
    ['an answer', stampAnswerTo(request(200, 'secret'), 'secret')],
  ])('%s', async ([, bytes]) => {
    const { responder, client, received } = await setUp('secret')
    client.send(bytes, responder.port, '127.0.0.1')
    await eventually(() => responder.counters.rejected === 1, 'it was counted')
    // An answer to the earlier datagram would have arrived before the answer to this one.
    client.send(request(200, 'secret'), responder.port, '127.0.0.1')
    await eventually(() => received.length > 0, 'a request is answered')
    expect(responder.counters).toMatchObject({ answered: 1, rejected: 1, unsent: 0 })
    expect(received.length).toBe(1)
  })

  test('random bytes', async () => {
    const { responder, client, received } = await setUp('secret')
    let sent = 0
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        sent++
        client.send(bytes, responder.port, '127.0.0.1')
        await eventually(() => responder.counters.rejected === sent, 'it was counted')
      }),
    )
    expect(responder.counters).toMatchObject({ answered: 0, rejected: sent, unsent: 0 })
    expect(received).toEqual([])
  })

  testWith(capability('CAP_NET_RAW'))('a datagram from port 0, to which nothing can be sent', async () => {
    const { responder } = await setUp()
    sendFromPortZero(request(), responder.port)
    await eventually(() => responder.counters.rejected === 1, 'it was counted')
  })
})

describeWith(nativePart)('a responder on the wildcard address', () => {
  test.for([
    ['0.0.0.0', '127.0.0.2'],
    ['::', '127.0.0.2'],
    ['::', '::1'],
  ] as const)('at %s answers from the requested address: %s', async ([host, asked]) => {
    const responder = await startUdpResponder({ host, port: 0 })
    onTestFinished(() => responder.close())
    const client = createSocket(isIPv6(asked) ? 'udp6' : 'udp4')
    onTestFinished(() => void client.close())
    const from: string[] = []
    client.on('message', (_, { address }) => from.push(address))
    client.send(request(), responder.port, asked)
    await eventually(() => from.length === 1, 'the answer')
    expect(from).toEqual([asked])
    expect(await probe('udp', formatHostPort(asked, responder.port))).toMatchObject({ ok: true })
  })
})

test('two responders do not keep answering each other after a forged packet', async () => {
  const one = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  const other = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => {}))
  // A relay has the effect of a forged source address: it forwards each answer to the other responder as if that had sent the request.
  const relay = await listenUdp((bytes, from, socket) => {
    socket.send(bytes, from.port === one.port ? other.port : one.port, '127.0.0.1')
  })
  relay.send(request(), one.port, '127.0.0.1')
  await eventually(() => other.counters.rejected === 1, 'the answer of one has reached the other')
  expect(one.counters).toMatchObject({ answered: 1, rejected: 0, unsent: 0 })
  expect(other.counters).toMatchObject({ answered: 0, rejected: 1, unsent: 0 })
})

test('closing leaves nothing open', async () => {
  const allClosed = await watchHandles()
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  await responder.close()
  await allClosed()
})

test('a port in use is an error, and leaves nothing open', async () => {
  const taken = await listenUdp(() => {})
  const allClosed = await watchHandles()
  await expect(startUdpResponder({ host: '127.0.0.1', port: taken.address().port })).rejects.toThrow('EADDRINUSE')
  await allClosed()
})

async function setUp(key = '') {
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0, key })
  onTestFinished(() => responder.close())
  const received: Buffer[] = []
  const client = createSocket({ type: 'udp4', sendBufferSize: 1 << 20 })
  client.on('message', (bytes) => received.push(bytes))
  client.bind(0, '127.0.0.1')
  await once(client, 'listening')
  onTestFinished(() => {
    client.close()
  })
  return { responder, client, received }
}
