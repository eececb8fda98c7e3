import type { Socket } from 'node:net'
import { describe, expect, onTestFinished } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { testWith } from '../../../../../test/support/requirements.ts'
import { desertedTcpPort, listenTcp } from '../../../../../test/support/servers.ts'
import { type StreamArrival, type StreamHandshake, timedStreams } from '../../../src/net/native/timed-streams.ts'
import { native, nativePresent } from './timed-sockets.ts'

const test = testWith(nativePresent)

/** Returns the monotonic clock on the timeline of the native part. */
const nowNs = () => Number(process.hrtime.bigint() - native().baseNs)

describe('a stream', () => {
  for (const { address, family } of [
    { address: '127.0.0.1', family: 'ipv4' },
    { address: '::1', family: 'ipv6' },
  ] as const) {
    test(`to ${address} has the kernel's times of the request and the response, between our own`, async () => {
      const port = await listenTcp((socket) => socket.on('data', () => socket.write('answer')), address)
      const { stream, events } = open(port, { address, family })
      await eventually(() => events.connected !== undefined, 'the connection')
      const beforeNs = nowNs()
      expect(stream.write(Buffer.from('request'))).toBe(7)
      await eventually(() => events.arrivals.length > 0, 'the answer')
      const [arrival] = events.arrivals
      expect(arrival).toMatchObject({ bytes: Buffer.from('answer'), isKernelTime: true })
      // Two clocks are compared here, each read within less than a microsecond.
      const timesNs = [(events.connectedNs ?? 0) - 1000, beforeNs, arrival?.leftNs, arrival?.atNs, nowNs() + 1000]
      expect(timesNs).toEqual(timesNs.toSorted((a, b) => Number(a) - Number(b)))
      expect(events.connected?.rttUs).toBeGreaterThan(0)
    })
  }

  test('writes as much as the kernel takes, and continues when it takes more', async () => {
    const bytes = Buffer.from(Array.from({ length: 8 << 20 }, (_, i) => i % 251))
    const received: Buffer[] = []
    const sockets: Socket[] = []
    const port = await listenTcp((socket) => {
      sockets.push(socket)
      socket.pause().on('data', (chunk) => received.push(chunk))
    })
    let written = 0
    const writeOn = () => {
      while (written < bytes.length) {
        const count = stream.write(bytes.subarray(written))
        written += count
        if (count === 0 || written < bytes.length) return
      }
    }
    const { stream, events } = open(port, { onDrained: writeOn })
    await eventually(() => events.connected !== undefined && sockets.length === 1, 'the connection')
    writeOn()
    expect(written).toBeGreaterThan(0)
    expect(written).toBeLessThan(bytes.length)
    sockets[0]?.resume()
    await eventually(() => Buffer.concat(received).length === bytes.length, 'all bytes')
    expect(Buffer.compare(Buffer.concat(received), bytes)).toBe(0)
  })

  test('delivers an answer of any length, and its end', async () => {
    const answer = Buffer.from(Array.from({ length: 3 << 20 }, (_, i) => i % 241))
    const port = await listenTcp((socket) => socket.end(answer))
    const { stream, events } = open(port)
    await eventually(() => events.connected !== undefined, 'the connection')
    stream.write(Buffer.from('request'))
    await eventually(() => events.ends > 0, 'the end')
    expect(Buffer.compare(Buffer.concat(events.arrivals.map(({ bytes }) => bytes)), answer)).toBe(0)
    await new Promise(setImmediate)
    expect(events.ends).toBe(1)
  })

  test('reports a refusal, with the number of its port', async () => {
    const { events } = open(await desertedTcpPort())
    await eventually(() => events.error !== undefined, 'the refusal')
    expect(events.error).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' })
    expect(events.failed?.port).toBeGreaterThan(0)
    expect(events.connected).toBeUndefined()
  })

  test('reports a reset after it was connected', async () => {
    const sockets: Socket[] = []
    const { stream, events } = open(await listenTcp((socket) => sockets.push(socket)))
    await eventually(() => events.connected !== undefined && sockets.length === 1, 'the connection')
    stream.write(Buffer.from('request'))
    sockets[0]?.resetAndDestroy()
    await eventually(() => events.error !== undefined, 'the reset')
    expect(events.error).toMatchObject({ code: 'ECONNRESET', syscall: 'read' })
    expect(events.failed).toBeUndefined()
  })

  test('that cannot begin throws, and leaves its descriptor closed', () => {
    const fd = native().openStreamSocket('ipv4')
    const to = { host: '0.0.0.0', address: '255.255.255.255', family: 'ipv4', port: 80 } as const
    expect(() => timedStreams(native())(to, { fd, isStamped: false, isUndelayed: false }, silent)).toThrow(/^connect E/)
    expect(() => native().tcpInfo(fd)).toThrow('EBADF')
  })

  test('says nothing after it is closed, even if another takes over its descriptor', async () => {
    const port = await listenTcp((socket) => socket.write('hello'))
    const first = open(port)
    first.stream.close()
    first.stream.close()
    const second = open(port)
    await eventually(() => second.events.connected !== undefined, 'the other connection')
    second.stream.write(Buffer.from('request'))
    await eventually(() => second.events.arrivals.length > 0, 'the other stream')
    expect(first.events).toEqual({ arrivals: [], ends: 0 })
    expect(first.stream.isOpen).toBe(false)
    expect(() => first.stream.write(Buffer.from('x'))).toThrow('EBADF')
  })

  test('can be closed by the listener of another that is told at the same time', async () => {
    const port = await listenTcp((socket) => socket.write('hello'))
    const streams = Array.from({ length: 20 }, () => open(port, { onArrived: () => closeAll() }))
    let told = 0
    const closeAll = () => {
      told++
      for (const { stream } of streams) stream.close()
    }
    await eventually(() => streams.every(({ events }) => events.connected !== undefined), 'all connections')
    for (const { stream } of streams) stream.write(Buffer.from('request'))
    await eventually(() => told > 0, 'the first answer')
    await new Promise(setImmediate)
    expect(told).toBe(1)
  })

  test('may be one of many', async () => {
    const port = await listenTcp((socket) => socket.on('data', (bytes) => socket.write(bytes)))
    const all = Array.from({ length: 300 }, () => open(port))
    await eventually(() => all.every(({ events }) => events.connected !== undefined), 'all connections')
    for (const [index, { stream }] of all.entries()) stream.write(Buffer.from(`stream ${index}`))
    await eventually(() => all.every(({ events }) => events.arrivals.length > 0), 'all answers')
    expect(all.map(({ events }) => events.arrivals.map(({ bytes }) => bytes.toString()).join(''))).toEqual(
      all.map((_, index) => `stream ${index}`),
    )
  })

  test('without timestamps has the times of this process', async () => {
    const { stream, events } = open(await listenTcp((socket) => socket.on('data', () => socket.write('answer'))), {
      isStamped: false,
    })
    await eventually(() => events.connected !== undefined, 'the connection')
    stream.write(Buffer.from('request'))
    await eventually(() => events.arrivals.length > 0, 'the answer')
    expect(events.arrivals[0]).toMatchObject({ isKernelTime: false, leftNs: undefined })
  })
})

interface Events {
  connected?: StreamHandshake
  connectedNs?: number
  readonly arrivals: StreamArrival[]
  ends: number
  error?: Error
  failed?: StreamHandshake
}

interface Opening {
  readonly address?: string
  readonly family?: 'ipv4' | 'ipv6'
  readonly isStamped?: boolean
  readonly onArrived?: () => void
  readonly onDrained?: () => void
}

const silent = { connected() {}, arrived() {}, drained() {}, ended() {}, failed() {} }

function open(
  port: number,
  { address = '127.0.0.1', family = 'ipv4', isStamped = true, onArrived, onDrained }: Opening = {},
) {
  const events: Events = { arrivals: [], ends: 0 }
  const fd = native().openStreamSocket(family)
  const endpoint = { host: address, address, family, port }
  const stream = timedStreams(native())(
    endpoint,
    { fd, isStamped, isUndelayed: false },
    {
      connected(handshake, atNs) {
        events.connected = handshake
        events.connectedNs = atNs
      },
      arrived(arrival) {
        events.arrivals.push(arrival)
        onArrived?.()
      },
      drained: () => onDrained?.(),
      ended: () => void events.ends++,
      failed(error, handshake) {
        events.error = error
        if (handshake !== undefined) events.failed = handshake
      },
    },
  )
  onTestFinished(() => stream.close())
  return { stream, events }
}
