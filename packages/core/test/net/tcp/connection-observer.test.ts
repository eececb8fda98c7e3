import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished } from 'vitest'
import { capability, testWith } from '../../../../../test/support/requirements.ts'
import { tcpInfoOf } from '../../../src/net/native/native.ts'
import { createSockets } from '../../../src/net/sockets.ts'
import { observeConnections } from '../../../src/net/tcp/connection-observer.ts'
import { block, native, nativePresent } from '../native/timed-sockets.ts'

const test = testWith(nativePresent, capability('CAP_NET_RAW'))

/** Answers each request with one byte after 20 ms, and with another after 20 ms more. */
async function startServer(address: string): Promise<number> {
  const answer = (socket: Socket) => {
    socket.write('a')
    setTimeout(() => void socket.end('b'), 20)
  }
  const server = createServer((socket) => socket.on('data', () => setTimeout(answer, 20, socket))).listen(0, address)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const bound = server.address()
  return typeof bound === 'object' ? (bound?.port ?? 0) : 0
}

async function request(address: string, port: number): Promise<Socket> {
  const socket = connect(port, address)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

function nameOf({ localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 }: Socket) {
  return { localAddress, localPort, remoteAddress, remotePort }
}

describe('the times of a connection', () => {
  for (const address of ['127.0.0.1', '::1']) {
    test(`to ${address} are those of its segments, even when the event loop is blocked`, async () => {
      const port = await startServer(address)
      const observer = observeConnections([port])
      onTestFinished(() => observer.close())
      const socket = await request(address, port)
      const rttUs = tcpInfoOf(native(), socket)?.rttUs ?? Number.NaN
      const name = nameOf(socket)
      block(30)
      socket.write('request')
      socket.resume()
      await once(socket, 'end')
      const times = observer.take(name)
      const { synAtNs = 0, synAckAtNs = 0, sentAtNs = 0, answeredAtNs = 0, receivedAtNs = 0 } = times ?? {}
      // The kernel's own measurement of the handshake starts earlier and ends later.
      expect(synAckAtNs - synAtNs).toBeGreaterThan(0)
      expect(synAckAtNs - synAtNs).toBeLessThan(rttUs * 1000 + 1000)
      expect(sentAtNs - synAckAtNs).toBeGreaterThan(30_000_000)
      // A timer may fire a millisecond early.
      expect(answeredAtNs - sentAtNs).toBeGreaterThan(19_000_000)
      expect(receivedAtNs - answeredAtNs).toBeGreaterThan(19_000_000)
      expect(observer.take(name)).toBeUndefined()
    })
  }

  test('do not mix with those of other connections to the same port', async () => {
    const port = await startServer('127.0.0.1')
    const observer = observeConnections([port, 1])
    onTestFinished(() => observer.close())
    const [idle, busy] = await Promise.all([request('127.0.0.1', port), request('127.0.0.1', port)])
    busy.write('request')
    busy.resume()
    await once(busy, 'end')
    expect(observer.take(nameOf(idle))).toEqual({ synAtNs: expect.any(Number), synAckAtNs: expect.any(Number) })
    expect(observer.take({ ...nameOf(busy), remoteAddress: '127.0.0.2' })).toBeUndefined()
    expect(observer.take(nameOf(busy))).toMatchObject({ receivedAtNs: expect.any(Number) })
  })

  test('are not recorded for other ports', async () => {
    const port = await startServer('127.0.0.1')
    const observer = observeConnections([port === 1 ? 2 : 1])
    onTestFinished(() => observer.close())
    expect(observer.take(nameOf(await request('127.0.0.1', port)))).toBeUndefined()
  })
})

test('observers of many ports do not stay open, and a closed one has seen nothing', () => {
  const sockets = createSockets({ onStray: () => {} })
  onTestFinished(() => sockets.close())
  const open = () => readdirSync('/proc/self/fd').length
  const first = sockets.observer(20_000)
  const before = open()
  for (let port = 20_001; port < 20_100; port++) sockets.observer(port)
  expect(open() - before).toBeLessThan(32)
  const name = { localAddress: '127.0.0.1', localPort: 1, remoteAddress: '127.0.0.1', remotePort: 20_000 }
  expect(first.take(name)).toBeUndefined()
  expect(sockets.observer(20_099)).toBe(sockets.observer(20_099))
})
