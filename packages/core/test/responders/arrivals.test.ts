import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { afterEach, describe, expect, onTestFinished, vi } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { nativePart, testWith } from '../../../../test/support/requirements.ts'
import { nowNs, unixNowNs } from '../../src/time/clock.ts'
import { encodeStampRequest } from '../../src/wire/stamp.ts'
import { encodeNumber } from '../../src/wire/stamp-question.ts'
import { timestampOf } from '../../src/wire/stamp-time.ts'
import { nativeFolder } from '../net/native/timed-sockets.ts'

function request({ ssid = 7, key = '' } = {}): Uint8Array {
  const estimate = { format: 'ntp', isSynchronized: false, errorNs: 1e9 } as const
  const sent = timestampOf(unixNowNs(), 'ntp')
  return encodeStampRequest({ sequence: 2, sent, estimate, ssid }, encodeNumber(2n, 200, key), key)
}

/** Starts the responder of one implementation. */
async function start(native: string, { host = '127.0.0.1', key = '' } = {}) {
  vi.stubEnv('SCOUT_NATIVE', native)
  const { startUdpResponder } = await import('../../src/responders/udp.ts')
  const responder = await startUdpResponder({ host, port: 0, key })
  let closing: Promise<void> | undefined
  const close = () => (closing ??= responder.close())
  onTestFinished(close)
  let received = 0
  const send = async (from: string, bytes: Uint8Array) => {
    const client = createSocket(isIPv6(from) ? 'udp6' : 'udp4')
    onTestFinished(() => void client.close())
    client.bind(0, from)
    await once(client, 'listening')
    client.send(bytes, responder.port, isIPv6(from) ? '::1' : '127.0.0.1')
    received++
    const read = () => responder.counters.answered + responder.counters.rejected
    await eventually(() => read() === received, 'it was read')
  }
  return { responder, send, close }
}

afterEach(() => {
  vi.unstubAllEnvs()
  vi.resetModules()
})

describe.each([
  { name: 'native', native: nativeFolder, it: testWith(nativePart) },
  { name: 'JavaScript', native: '0', it: testWith() },
])('a $name responder', ({ native, it }) => {
  it('reports when the last request of each address arrived', async () => {
    const { responder, send } = await start(native, { host: '::' })
    expect([...responder.arrivals()]).toEqual([])
    const startedNs = nowNs()
    for (const from of ['127.0.0.2', '127.0.0.3', '::1']) await send(from, request())
    const first = responder.arrivals()
    expect([...first.keys()].toSorted()).toEqual(['127.0.0.2', '127.0.0.3', '::1'])
    for (const atNs of first.values()) {
      expect(atNs).toBeGreaterThan(startedNs)
      expect(atNs).toBeLessThan(nowNs())
    }
    await send('127.0.0.2', request())
    const second = responder.arrivals()
    expect(second.get('127.0.0.2')).toBeGreaterThan(first.get('127.0.0.2') ?? Number.POSITIVE_INFINITY)
    expect(second.get('127.0.0.3')).toBe(first.get('127.0.0.3'))
  })

  it('reports one time for all sessions of an address, the last', async () => {
    const { responder, send } = await start(native)
    for (const ssid of [1, 2, 3]) await send('127.0.0.2', request({ ssid }))
    const beforeNs = nowNs()
    await send('127.0.0.2', request({ ssid: 2 }))
    const [arrival, ...others] = responder.arrivals()
    expect(others).toEqual([])
    expect(arrival).toEqual(['127.0.0.2', expect.any(Number)])
    expect(arrival?.[1]).toBeGreaterThan(beforeNs)
  })

  it('with a key reports nothing that another key made', async () => {
    const { responder, send } = await start(native, { key: 'secret' })
    await send('127.0.0.2', request())
    await send('127.0.0.3', request({ key: 'other' }))
    await send('127.0.0.4', request({ key: 'secret' }))
    expect([...responder.arrivals().keys()]).toEqual(['127.0.0.4'])
  })

  it('remembers a bounded number of addresses', async () => {
    const { responder, send } = await start(native)
    for (let ssid = 1; ssid <= 3_000; ssid++)
      await send(ssid <= 20 ? `127.0.1.${ssid}` : '127.0.0.2', request({ ssid }))
    expect(responder.arrivals().size).toBeLessThan(20)
    expect(responder.arrivals().has('127.0.0.2')).toBe(true)
  })

  it('that begins where another ended has seen nothing', async () => {
    // Another responder keeps the engine of both running.
    await start(native)
    const { responder, send, close } = await start(native)
    await send('127.0.0.2', request())
    expect(responder.arrivals().size).toBe(1)
    await close()
    const { responder: next } = await start(native)
    expect([...next.arrivals()]).toEqual([])
  })
})
