import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { describeWith } from '../../../../../test/support/requirements.ts'
import { probe } from '../../../src/attempt/prober.ts'
import type { Family } from '../../../src/model/endpoint.ts'
import { formatHostPort } from '../../../src/model/target.ts'
import { nativeSockets } from '../../../src/net/packets/native-packet-socket.ts'
import type {
  Arrival,
  OpeningOptions,
  OpenPacketSocket,
  PacketListener,
  PacketSocket,
  SendError,
} from '../../../src/net/packets/packet-socket.ts'
import { readUint16 } from '../../../src/wire/bytes.ts'
import { echoHeaderBytes, echoKindOf, encodeEcho } from '../../../src/wire/icmp.ts'
import { createNetwork, enter, farMtu, type Network, networkNeeds } from '../native/network.ts'
import { nativeFolder } from '../native/timed-sockets.ts'

const root = { isMet: process.getuid?.() === 0, reason: 'needs root, to drop its privileges and regain them' }
const families = ['ipv4', 'ipv6'] as const

const openIcmp = nativeSockets('icmp')
const openUdp = nativeSockets('udp')
const openTcp = nativeSockets('tcp')

interface Opened {
  readonly socket: PacketSocket
  readonly arrivals: Arrival[]
  readonly errors: SendError[]
}

function open(openSocket: OpenPacketSocket, family: Family, options: OpeningOptions = {}): Opened {
  const arrivals: Arrival[] = []
  const errors: SendError[] = []
  const listener: PacketListener = {
    arrived: (arrival) => arrivals.push({ ...arrival, bytes: arrival.bytes.slice() }),
    failed: (error) => errors.push({ ...error, ...(error.bytes && { bytes: error.bytes.slice() }) }),
    overflowed: () => {},
  }
  const socket = openSocket(family, listener, options)
  onTestFinished(() => socket.close())
  return { socket, arrivals, errors }
}

/** Runs without capabilities: switching the effective user drops them, and switching back restores them (capabilities(7)). */
function unprivileged<Value>(work: () => Value): Value {
  process.seteuid?.(65_534)
  try {
    return work()
  } finally {
    process.seteuid?.(0)
  }
}

describeWith(...networkNeeds, root)('packet sockets of the native part', () => {
  let network: Network
  let leave = () => {}

  beforeAll(() => {
    network = createNetwork()
    leave = enter(network.near.path)
  })

  afterAll(() => {
    leave()
    network.remove()
  })

  for (const family of families) {
    test(`send each packet with its own TTL and DF: ${family}`, async () => {
      const { socket, errors, arrivals } = open(openIcmp, family)
      const to = { address: network.far[family], family, port: 0 }
      const echo = (sequence: number, payloadBytes: number) =>
        encodeEcho(family, { kind: 'request', identifier: 5, sequence, payload: new Uint8Array(payloadBytes) })
      socket.send(echo(1, 1400), to, { mtuDiscovery: 3 })
      socket.send(echo(2, 56), to, { ttl: 1 })
      socket.send(echo(3, 56), to)
      await eventually(() => errors.length === 2 && arrivals.length >= 1, 'two errors and an answer')
      expect(errors.map(({ icmp }) => icmp)).toEqual([
        family === 'ipv4'
          ? { type: 3, code: 4, from: network.router.ipv4, mtu: farMtu }
          : { type: 2, code: 0, from: network.router.ipv6, mtu: farMtu },
        { type: family === 'ipv4' ? 11 : 3, code: 0, from: network.router[family] },
      ])
      expect(arrivals.map(({ bytes }) => readUint16(bytes, 6))).toContain(3)
    })
  }

  test('of UDP are bound as their options require', async () => {
    const { socket } = open(openUdp, 'ipv4', { address: network.near.ipv4 })
    const other = open(openUdp, 'ipv4', { device: 'eth0' })
    expect(socket.port).toBeGreaterThan(0)
    const to = { address: network.near.ipv4, family: 'ipv4', port: other.socket.port } as const
    socket.send(Buffer.from('hello'), to)
    await eventually(() => other.arrivals.length === 1, 'an arrival')
    expect(other.arrivals[0]).toMatchObject({ address: network.near.ipv4, port: socket.port })
    expect(() => open(openUdp, 'ipv4', { port: socket.port, address: network.near.ipv4 })).toThrow('EADDRINUSE')
  })

  const allowPing = (range: string) => void network.near.run('sysctl', '-qw', `net.ipv4.ping_group_range=${range}`)
  const openPing: OpenPacketSocket = (family, listener) => {
    allowPing('0 2147483647')
    return unprivileged(() => openIcmp(family, listener))
  }
  const farAddress = (family: Family, port = 0) => ({ address: network.far[family], family, port })

  for (const family of families) {
    for (const [name, openSocket] of [
      ['a raw socket', openIcmp],
      ['a ping socket, which has its own identifier', openPing],
    ] as const) {
      const request = (sequence: number, payload = Buffer.from('what is in it')) =>
        encodeEcho(family, { kind: 'request', identifier: 0x1234, sequence, payload })

      describe(`ICMP over ${family} by ${name}`, () => {
        test('receives the reply to a request', async () => {
          const { socket, arrivals } = open(openSocket, family)
          const ticket = socket.send(request(7), farAddress(family))
          await eventually(() => arrivals.length > 0, 'an arrival')
          const [arrival] = arrivals
          const { address, port } = farAddress(family)
          expect(arrival).toMatchObject({ address, port, ttl: 63, clock: 'kernel' })
          // For IPv4 this requires an intact checksum.
          const reply = arrival?.bytes ?? new Uint8Array()
          expect(echoKindOf(family, reply)).toBe('reply')
          expect([readUint16(reply, 4), readUint16(reply, 6)]).toEqual([0x1234, 7])
          expect(Buffer.from(reply.subarray(echoHeaderBytes)).toString()).toBe('what is in it')
          const departure = socket.departure(ticket)
          expect(departure?.clock).toBe('kernel')
          expect(arrival?.atNs).toBeGreaterThan(departure?.atNs ?? Number.NaN)
        })

        test('quotes the sent request in an error', async () => {
          const address = family === 'ipv4' ? '198.51.100.1' : '2001:db8::1'
          const { router } = network
          router.run('ip', 'route', 'replace', 'prohibit', address)
          const { socket, errors } = open(openSocket, family)
          const sent = request(8)
          socket.send(sent, { address, family, port: 0 })
          await eventually(() => errors.length > 0, 'an error')
          const [error] = errors
          expect(error).toMatchObject({
            to: { address, family, port: 0 },
            code: family === 'ipv4' ? 'EHOSTUNREACH' : 'EACCES',
            clock: 'kernel',
            icmp: { ...(family === 'ipv4' ? { type: 3, code: 13 } : { type: 1, code: 1 }), from: router[family] },
          })
          expect(error?.bytes).toEqual(Uint8Array.from(sent).slice(0, error?.bytes?.length))
          expect(error?.bytes?.length).toBeGreaterThanOrEqual(8)
        })
      })
    }
  }

  test('ICMP is not permitted without capability or group, and the message names what to add', () => {
    allowPing('1 0')
    const listener = { arrived: () => {}, failed: () => {}, overflowed: () => {} }
    expect(() => unprivileged(() => openIcmp('ipv4', listener))).toThrowErrorMatchingInlineSnapshot(
      `[FailureError: cannot open an ICMP socket: this process lacks CAP_NET_RAW (in a pod: securityContext.capabilities.add: ["NET_RAW"]; on a host: run as root), and net.ipv4.ping_group_range does not include the group of this process (in a pod: securityContext.sysctls; on a host: sysctl -w net.ipv4.ping_group_range="0 2147483647")]`,
    )
    expect(() => unprivileged(() => openTcp('ipv4', listener))).toThrowErrorMatchingInlineSnapshot(
      `[FailureError: cannot open a raw socket (tcp4): this process lacks CAP_NET_RAW (in a pod: securityContext.capabilities.add: ["NET_RAW"]; on a host: run as root)]`,
    )
  })

  describe('UDP', () => {
    test('needs no privilege for kernel timestamps', async () => {
      const { socket, arrivals, errors } = unprivileged(() => open(openUdp, 'ipv4'))
      const ticket = socket.send(Buffer.from('anyone?'), farAddress('ipv4', 9))
      await eventually(() => errors.length > 0, 'an error')
      expect(errors[0]).toMatchObject({
        to: farAddress('ipv4', 9),
        code: 'ECONNREFUSED',
        clock: 'kernel',
        icmp: { type: 3, code: 3, from: network.far.ipv4 },
        bytes: new Uint8Array(Buffer.from('anyone?')),
      })
      expect(socket.departure(ticket)?.clock).toBe('kernel')
      expect(arrivals).toEqual([])
    })
  })

  for (const family of families) {
    test(`a half-open handshake over ${family} distinguishes open from closed ports, and no server sees it`, async () => {
      const server = await startServer()
      const probeAt = (port: number) => probe('syn', formatHostPort(network.far[family], port))
      expect(await probeAt(server.port)).toMatchObject({ ok: true, clock: { tx: 'kernel', rx: 'kernel' } })
      expect(await probeAt(1)).toMatchObject({ ok: false, failure: { reason: 'refused', code: 'RST' } })
      expect(await server.connections()).toBe(0)
    })
  }

  /** Starts a server on the far side. On request it connects to itself and reports the number of other connections so far. */
  async function startServer() {
    const worker = new Worker(
      `
      const native = require(${JSON.stringify(nativeFolder)} + '/build/Release/scout.node')
      native.enterNetworkNamespace(${JSON.stringify(network.far.path)})
      const { parentPort } = require('node:worker_threads')
      const net = require('node:net')
      let connections = 0
      const server = net.createServer((socket) => { connections++; socket.destroy() }).listen(0, '::')
      server.on('listening', () => parentPort.postMessage(server.address().port))
      parentPort.on('message', () => {
        net.connect(server.address().port, '::1').on('close', () => parentPort.postMessage(connections - 1)).resume()
      })
      `,
      { eval: true },
    )
    onTestFinished(async () => void (await worker.terminate()))
    const next = async () => {
      const [message]: unknown[] = await once(worker, 'message')
      return Number(message)
    }
    return {
      port: await next(),
      connections() {
        worker.postMessage('how many?', [])
        return next()
      },
    }
  }
})
