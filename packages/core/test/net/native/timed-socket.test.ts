import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { endianness } from 'node:os'
import { describe, expect, onTestFinished } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { openRaw } from '../../../../../test/support/raw.mjs'
import { capability, testWith } from '../../../../../test/support/requirements.ts'
import { openTimedSocket } from '../../../src/net/native/timed-socket.ts'
import { block, native, nativePresent, record } from './timed-sockets.ts'

const test = testWith(nativePresent)
const rawTest = testWith(nativePresent, capability('CAP_NET_RAW'))
const loopback = { kind: 'udp4', address: '127.0.0.1' } as const
const hello = Buffer.from('hello')

/** Returns the monotonic clock on the timeline of the native part. */
const nowNs = () => Number(process.hrtime.bigint() - native().baseNs)

describe('a packet', () => {
  for (const { kind, address } of [loopback, { kind: 'udp6', address: '::1' } as const]) {
    test(`of ${kind} leaves and arrives by the kernel's clock, between our own readings`, async () => {
      const { socket, arrivals } = record({ kind, address, ttl: 33, trafficClass: 0x48 })
      const beforeNs = nowNs()
      const ticket = socket.send(hello, address, socket.port)
      await eventually(() => arrivals.length > 0, 'an arrival')
      const departure = socket.departure(ticket)
      const [arrival] = arrivals
      expect(arrival).toMatchObject({
        bytes: new Uint8Array(hello),
        address,
        port: socket.port,
        ttl: 33,
        trafficClass: 0x48,
        isTruncated: false,
        isOutgoing: false,
      })
      expect([departure?.clock, arrival?.clock]).toEqual(['kernel', 'kernel'])
      // Two clocks are compared here, each read within less than a microsecond.
      const timesNs = [beforeNs - 1000, departure?.atNs, arrival?.atNs, nowNs()]
      expect(timesNs).toEqual(timesNs.toSorted((a, b) => Number(a) - Number(b)))
    })
  }

  test('arrives complete at the minimum and the maximum size', async () => {
    const { socket, arrivals } = record(loopback)
    const largest = Buffer.alloc(65_507, 'x')
    socket.send(Buffer.alloc(0), '127.0.0.1', socket.port)
    socket.send(largest, '127.0.0.1', socket.port)
    await eventually(() => arrivals.length === 2, 'all arrivals')
    expect(arrivals.map(({ bytes }) => bytes.length)).toEqual([0, 65_507])
    expect(Buffer.compare(arrivals[1]?.bytes ?? hello, largest)).toBe(0)
  })

  test('that exceeds the buffer is truncated and marked as such', async () => {
    const { socket, arrivals } = record({ ...loopback, packetBytes: 64 })
    for (const length of [64, 65]) socket.send(Buffer.alloc(length), '127.0.0.1', socket.port)
    await eventually(() => arrivals.length === 2, 'all arrivals')
    expect(arrivals.map(({ bytes, isTruncated }) => [bytes.length, isTruncated])).toEqual([
      [64, false],
      [64, true],
    ])
  })

  test('has the address of its sender', async () => {
    const { socket, arrivals } = record(loopback)
    const stranger = createSocket('udp4').bind(0, '127.0.0.2')
    onTestFinished(() => void stranger.close())
    await once(stranger, 'listening')
    stranger.send(hello, socket.port, '127.0.0.1')
    await eventually(() => arrivals.length > 0, 'an arrival')
    expect(arrivals[0]).toMatchObject({ address: '127.0.0.2', port: stranger.address().port })
  })

  test('has no departure any more once 8192 others have left', async () => {
    const { socket } = record(loopback)
    const sink = createSocket('udp4').bind(0, '127.0.0.1')
    onTestFinished(() => void sink.close())
    await once(sink, 'listening')
    const { port } = sink.address()
    const first = socket.send(hello, '127.0.0.1', port)
    for (let sent = 1; sent < 8_192; sent++) socket.send(hello, '127.0.0.1', port)
    expect(socket.departure(first)).toMatchObject({ clock: 'kernel' })
    const last = socket.send(hello, '127.0.0.1', port)
    expect(socket.departure(first)).toBeUndefined()
    expect(socket.departure(last)).toBeDefined()
    expect(socket.departure(last + 1)).toBeUndefined()
  })
})

describe('a burst', () => {
  test('of 500 loses no packet while the event loop is blocked, and no time includes the block', async () => {
    const { socket, arrivals } = record(loopback)
    const tickets = Array.from({ length: 500 }, (_, i) =>
      socket.send(Buffer.from([i >> 8, i]), '127.0.0.1', socket.port),
    )
    block(200)
    await eventually(() => arrivals.length === 500, 'all arrivals')
    const tookNs = arrivals.map(
      ({ bytes, atNs }) => atNs - (socket.departure(tickets[Buffer.from(bytes).readUInt16BE()] ?? 0)?.atNs ?? 0),
    )
    expect(new Set(arrivals.map(({ clock }) => clock))).toEqual(new Set(['kernel']))
    expect(Math.min(...tookNs)).toBeGreaterThan(0)
    expect(Math.max(...tookNs)).toBeLessThan(100_000_000)
  })

  test('sent at once yields one ticket per packet, or the error it was refused with', async () => {
    const { socket, arrivals } = record({ ...loopback, mtuDiscovery: 2 })
    const packets = Array.from({ length: 200 }, (_, i) => (i % 50 === 7 ? Buffer.alloc(70_000) : Buffer.from([i])))
    const outcomes = socket.sendMany(
      packets,
      packets.map(() => '127.0.0.1'),
      packets.map(() => socket.port),
    )
    expect(outcomes.map((outcome) => (typeof outcome === 'number' ? 'sent' : 'refused'))).toEqual(
      packets.map(({ length }) => (length === 1 ? 'sent' : 'refused')),
    )
    expect(outcomes[7]).toMatchObject({ code: 'EMSGSIZE', syscall: 'sendmsg' })
    await eventually(() => arrivals.length === 196, 'all arrivals')
    for (const { bytes, atNs } of arrivals) {
      const departure = socket.departure(Number(outcomes[bytes[0] ?? 7]))
      expect(departure?.clock).toBe('kernel')
      expect(departure?.atNs).toBeLessThan(atNs)
    }
  })

  test('too large for the receive buffer reports how many packets were dropped', async () => {
    const recorder = record({ ...loopback, bufferBytes: 4096 })
    const { socket, arrivals } = recorder
    expect(socket.bufferBytes).toBeLessThan(10_000)
    for (let sent = 0; sent < 300; sent++) socket.send(hello, '127.0.0.1', socket.port)
    await eventually(() => arrivals.length + recorder.overflowed === 300, 'each packet arrived or lost')
    expect(recorder.overflowed).toBeGreaterThan(200)
  })
})

rawTest('a packet with a wrong checksum is no packet that this host had no room for', async () => {
  const recorder = record(loopback)
  const { socket, arrivals } = recorder
  const before = udpChecksumErrors()
  const raw = openRaw('UDP')
  onTestFinished(() => raw.close())
  // Long enough that the kernel verifies the checksum only on read (linux/skbuff.h, CHECKSUM_BREAK).
  const datagram = Buffer.alloc(8 + 200)
  datagram.writeUInt16BE(9, 0)
  datagram.writeUInt16BE(socket.port, 2)
  datagram.writeUInt16BE(datagram.length, 4)
  datagram.writeUInt16BE(0xbad, 6)
  for (let sent = 0; sent < 10; sent++) raw.send(datagram, '127.0.0.1')
  await eventually(() => udpChecksumErrors() >= before + 10, 'ten broken datagrams')
  socket.send(hello, '127.0.0.1', socket.port)
  await eventually(() => arrivals.length === 1, 'one that is whole')
  expect(recorder.overflowed).toBe(0)
})

describe('a port unreachable error', () => {
  test('reports its sender, and the packet with its destination', async () => {
    const { socket, errors } = record(loopback)
    const port = await unusedPort()
    const ticket = socket.send(hello, '127.0.0.1', port)
    await eventually(() => errors.length > 0, 'an error')
    expect(errors[0]).toMatchObject({
      code: 'ECONNREFUSED',
      icmp: { type: 3, code: 3 },
      offender: '127.0.0.1',
      address: '127.0.0.1',
      port,
      bytes: new Uint8Array(hello),
      clock: 'kernel',
    })
    expect(errors[0]?.atNs).toBeGreaterThan(socket.departure(ticket)?.atNs ?? Number.NaN)
  })

  test('over IPv6 is type 1, code 4', async () => {
    const { socket, errors } = record({ kind: 'udp6', address: '::1' })
    socket.send(hello, '::1', await unusedPort())
    await eventually(() => errors.length > 0, 'an error')
    expect(errors[0]).toMatchObject({
      code: 'ECONNREFUSED',
      icmp: { type: 1, code: 4 },
      offender: '::1',
      address: '::1',
    })
  })

  test('does not fail packets to another address or mix up departures', async () => {
    const { socket, arrivals, errors } = record(loopback)
    const port = await unusedPort()
    const tickets: number[] = []
    for (let round = 0; round < 50; round++) {
      socket.send(hello, '127.0.0.1', port)
      tickets.push(socket.send(Buffer.from([round]), '127.0.0.1', socket.port))
    }
    await eventually(() => arrivals.length === 50 && errors.length === 50, 'all answers')
    for (const { bytes, atNs } of arrivals) {
      const departure = socket.departure(tickets[bytes[0] ?? 0] ?? 0)
      expect(departure?.clock).toBe('kernel')
      const tookNs = atNs - (departure?.atNs ?? 0)
      expect(tookNs).toBeGreaterThan(0)
      expect(tookNs).toBeLessThan(50_000_000)
    }
  })
})

describe('draining', () => {
  test('delivers before it returns', () => {
    const { socket, arrivals } = record(loopback)
    for (let sent = 0; sent < 200; sent++) socket.send(hello, '127.0.0.1', socket.port)
    expect(arrivals).toHaveLength(0)
    socket.drain()
    expect(arrivals).toHaveLength(200)
  })

  test('throws the error of the listener', () => {
    const socket = openTimedSocket(
      native(),
      { ...loopback, packetBytes: 2048, bufferBytes: 65_536 },
      {
        arrived() {
          throw new Error('from the listener')
        },
        failed: () => {},
        overflowed: () => {},
      },
    )
    onTestFinished(() => socket.close())
    socket.send(hello, '127.0.0.1', socket.port)
    expect(() => socket.drain()).toThrow('from the listener')
  })
})

describe('a socket', () => {
  test('that its own listener closes delivers nothing more', async () => {
    const arrivals: string[] = []
    const socket = openTimedSocket(
      native(),
      { ...loopback, packetBytes: 2048, bufferBytes: 65_536 },
      {
        arrived({ address }) {
          arrivals.push(address)
          socket.close()
          socket.close()
        },
        failed: () => {},
        overflowed: () => {},
      },
    )
    for (let sent = 0; sent < 10; sent++) socket.send(hello, '127.0.0.1', socket.port)
    await eventually(() => arrivals.length > 0, 'an arrival')
    expect(arrivals).toEqual(['127.0.0.1'])
    expect(() => socket.send(hello, '127.0.0.1', 9)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    expect(() => socket.drain()).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  test('releases its port when it is closed', async () => {
    const { socket } = record(loopback)
    socket.close()
    const next = record({ ...loopback, port: socket.port })
    expect(next.socket.port).toBe(socket.port)
  })

  test('that cannot be opened throws the system error', () => {
    const { socket } = record(loopback)
    for (const [options, code, syscall] of [
      [{ ...loopback, port: socket.port }, 'EADDRINUSE', 'bind'],
      [{ ...loopback, address: '203.0.113.1' }, 'EADDRNOTAVAIL', 'bind'],
      [{ ...loopback, device: 'none0' }, 'ENODEV', 'setsockopt SO_BINDTODEVICE'],
      [{ ...loopback, filter: new Uint8Array(8).fill(255) }, 'EINVAL', 'setsockopt SO_ATTACH_FILTER'],
    ] as const) {
      expect(() => record(options)).toThrow(expect.objectContaining({ code, syscall }))
    }
  })

  test('receives only what its filter accepts', async () => {
    const { socket, arrivals } = record({ ...loopback, filter: acceptUdpPayloadBytes(5) })
    for (const text of ['no', 'hello', 'not this']) socket.send(Buffer.from(text), '127.0.0.1', socket.port)
    await eventually(() => arrivals.length > 0, 'an arrival')
    socket.drain()
    expect(arrivals.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['hello'])
  })

  testWith(nativePresent, capability('CAP_NET_ADMIN'))('gets a larger receive buffer than the system limit', () => {
    expect(record({ ...loopback, bufferBytes: 16 << 20 }).socket.bufferBytes).toBeGreaterThanOrEqual(16 << 20)
  })
})

describe('misuse', () => {
  const valid = { ...loopback, packetBytes: 2048, bufferBytes: 65_536 }
  const anything = (value: unknown) => value as never

  test('of an option is rejected with its name', () => {
    for (const [changed, message] of [
      [{ kind: 'udp5' }, 'kind'],
      [{ packetBytes: 65_537 }, 'packetBytes must be an integer from 64 to 65536'],
      [{ packetBytes: 1.5 }, 'packetBytes'],
      [{ bufferBytes: Number.NaN }, 'bufferBytes'],
      [{ address: '::1' }, 'address must be an IPv4 address'],
      [{ address: `127.0.0.1\0.evil` }, 'address must be without NUL'],
      [{ address: '1'.repeat(5000) }, 'address must be shorter'],
      [{ port: -1 }, 'port must be an integer from 0 to 65535'],
      [{ ttl: 0 }, 'ttl must be an integer from 1 to 255'],
      [{ trafficClass: 256 }, 'trafficClass'],
      [{ mtuDiscovery: 4 }, 'mtuDiscovery'],
      [{ filter: new Uint8Array(9) }, 'filter must be 1 to 4096 instructions of 8 bytes'],
      [{ filter: new Uint16Array(8) }, 'filter must be a Uint8Array'],
      [{ device: 7 }, 'device must be a string'],
    ] as const) {
      expect(() => native().openPacketSocket(anything({ ...valid, ...changed }), () => {})).toThrow(message)
    }
    expect(() => native().openPacketSocket(valid, anything(undefined))).toThrow('the callback must be a function')
    expect(() => native().openPacketSocket(anything(undefined), () => {})).toThrow()
  })

  test('of a method is rejected, and the socket keeps working', async () => {
    const { socket, arrivals } = record(loopback)
    for (const [bytes, address, port] of [
      ['hello', '127.0.0.1', 9],
      [new Uint16Array(4), '127.0.0.1', 9],
      [hello, 'localhost', 9],
      [hello, undefined, 9],
      [hello, '127.0.0.1', 65_536],
      [hello, '127.0.0.1', undefined],
    ]) {
      expect(() => socket.send(anything(bytes), anything(address), anything(port))).toThrow(TypeError)
      expect(() => socket.sendMany([anything(bytes)], [anything(address)], [anything(port)])).toThrow(TypeError)
    }
    expect(() => socket.sendMany([hello], [], [])).toThrow(TypeError)
    expect(() => socket.configure({ ttl: 256 })).toThrow(TypeError)
    socket.send(hello, '127.0.0.1', socket.port)
    await eventually(() => arrivals.length > 0, 'an arrival')
  })

  test('of sendMany is harmless, even if elements close the socket or detach the bytes', () => {
    const { socket } = record(loopback)
    const bytes = Buffer.from(new ArrayBuffer(64))
    const detaching = Object.defineProperty([bytes, bytes], 1, {
      get: () => structuredClone(bytes, { transfer: [bytes.buffer] }),
    })
    expect(socket.sendMany(detaching, ['127.0.0.1', '127.0.0.1'], [9, 9])).toHaveLength(2)
    const closing = Object.defineProperty([hello], 0, {
      get() {
        socket.close()
        return hello
      },
    })
    expect(() => socket.sendMany(closing, ['127.0.0.1'], [9])).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  test('of the shared memory cannot detach it from the socket', () => {
    let memory = new ArrayBuffer(0)
    const socket = openTimedSocket(native(), valid, {
      arrived({ bytes }) {
        if (bytes.buffer instanceof ArrayBuffer) memory = bytes.buffer
      },
      failed: () => {},
      overflowed: () => {},
    })
    onTestFinished(() => socket.close())
    socket.send(hello, '127.0.0.1', socket.port)
    socket.drain()
    expect(memory.byteLength).toBeGreaterThan(0)
    try {
      structuredClone(memory, { transfer: [memory] })
    } catch (error) {
      // Node 20 copies memory that must not be transferred; newer versions refuse.
      expect(error).toMatchObject({ name: 'DataCloneError' })
    }
    expect(memory.byteLength).toBeGreaterThan(0)
  })
})

describe('options of one packet', () => {
  test.for([
    ['udp4', '127.0.0.1'],
    ['udp6', '::1'],
  ] as const)('apply only to that packet: %s', async ([kind, address]) => {
    const { socket, arrivals } = record({ kind })
    const to = { address, port: socket.port }
    socket.sendWith(hello, to, { ttl: 7, trafficClass: 0x28 })
    socket.send(hello, address, socket.port)
    await eventually(() => arrivals.length === 2, 'both arrivals')
    expect(arrivals).toMatchObject([
      { ttl: 7, trafficClass: 0x28, localAddress: undefined },
      { ttl: 64, trafficClass: 0 },
    ])
  })

  test('select its source address, and the receiver sees which address it was sent to', async () => {
    const { socket, arrivals } = record({ kind: 'udp4', reportsLocal: true })
    socket.sendWith(hello, { address: '127.0.0.2', port: socket.port }, { source: '127.0.0.3' })
    await eventually(() => arrivals.length === 1, 'an arrival')
    expect(arrivals[0]).toMatchObject({ address: '127.0.0.3', localAddress: '127.0.0.2' })
    expect(() => socket.sendWith(hello, { address: '127.0.0.2', port: 9 }, { source: '192.0.2.1' })).toThrow(
      /EINVAL|ENETUNREACH/,
    )
  })

  test('select its source address over IPv6, too', async () => {
    const { socket, arrivals } = record({ kind: 'udp6', reportsLocal: true })
    socket.sendWith(hello, { address: '::1', port: socket.port }, { source: '::1' })
    await eventually(() => arrivals.length === 1, 'an arrival')
    expect(arrivals[0]).toMatchObject({ address: '::1', localAddress: '::1' })
  })

  test('are rejected if they are invalid, and may close the socket in the meantime', () => {
    const { socket } = record({ kind: 'udp4' })
    const to = { address: '127.0.0.1', port: 9 }
    for (const options of [{ ttl: 0 }, { ttl: 256 }, { trafficClass: -1 }, { source: '::1' }])
      expect(() => socket.sendWith(hello, to, options)).toThrow(TypeError)
    const closing = {
      get ttl() {
        socket.close()
        return 1
      },
    }
    expect(() => socket.sendWith(hello, to, closing)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })
})

/** Returns the kernel's counter since boot (RFC 4113 has only udpInErrors; Linux counts it separately: net/ipv4/proc.c, InCsumErrors). */
function udpChecksumErrors(): number {
  const [names = [], values = []] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Udp: '))
    .map((line) => line.split(' '))
  return Number(values[names.indexOf('InCsumErrors')])
}

async function unusedPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port }: AddressInfo = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** Accepts UDP packets whose length field is for this payload size. On UDP sockets, a program starts at the UDP header. */
function acceptUdpPayloadBytes(bytes: number): Uint8Array {
  const program = [
    [0x28, 0, 0, 4],
    [0x15, 0, 1, 8 + bytes],
    [0x06, 0, 0, 0xffff],
    [0x06, 0, 0, 0],
  ] as const
  const buffer = Buffer.alloc(program.length * 8)
  const isLittleEndian = endianness() === 'LE'
  program.forEach(([code, ifTrue, ifFalse, operand], index) => {
    const view = new DataView(buffer.buffer, buffer.byteOffset + index * 8, 8)
    view.setUint16(0, code, isLittleEndian)
    view.setUint8(2, ifTrue)
    view.setUint8(3, ifFalse)
    view.setUint32(4, operand, isLittleEndian)
  })
  return buffer
}
