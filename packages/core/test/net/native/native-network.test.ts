import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { describeWith } from '../../../../../test/support/requirements.ts'
import { encodeEcho } from '../../../src/wire/icmp.ts'
import { createNetwork, enter, farMtu, type Network, networkNeeds } from './network.ts'
import { block, native, record } from './timed-sockets.ts'

describeWith(
  ...networkNeeds,
  'nft',
  'tcpdump',
)('in a separate network', () => {
  let network: Network
  let leave = () => {}

  beforeAll(() => {
    network = createNetwork()
    network.near.run('sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647')
    leave = enter(network.near.path)
  })

  afterAll(() => {
    leave()
    network.remove()
  })

  const echo = (family: 'ipv4' | 'ipv6', sequence: number, payload = Buffer.alloc(56)) =>
    encodeEcho(family, { kind: 'request', identifier: 7, sequence, payload })

  for (const [kind, family] of [
    ['icmp4', 'ipv4'],
    ['icmp6', 'ipv6'],
    ['ping4', 'ipv4'],
    ['ping6', 'ipv6'],
  ] as const) {
    describe(kind, () => {
      test('times an echo by the kernel, and reports the TTL of the reply', async () => {
        const { socket, arrivals } = record({ kind })
        const ticket = socket.send(echo(family, 1), network.far[family], 0)
        await eventually(() => arrivals.length > 0, 'an arrival')
        const [reply] = arrivals
        expect(reply).toMatchObject({
          address: network.far[family],
          port: 0,
          ttl: 63,
          trafficClass: 0,
          clock: 'kernel',
        })
        expect(reply?.bytes[0]).toBe(family === 'ipv4' ? 0 : 129)
        expect(reply?.bytes).toHaveLength(64)
        const departure = socket.departure(ticket)
        expect(departure?.clock).toBe('kernel')
        expect((reply?.atNs ?? 0) - (departure?.atNs ?? 0)).toBeGreaterThan(0)
      })

      test('reports an expired TTL with its sender, time and packet', async () => {
        const { socket, arrivals, errors } = record({ kind, ttl: 1 })
        const ticket = socket.send(echo(family, 2), network.far[family], 0)
        await eventually(() => errors.length > 0, 'an error')
        expect(errors[0]).toMatchObject({
          code: 'EHOSTUNREACH',
          icmp: { type: family === 'ipv4' ? 11 : 3, code: 0 },
          offender: network.router[family],
          address: network.far[family],
          port: 0,
          clock: 'kernel',
        })
        expect(errors[0]?.bytes.subarray(6, 8)).toEqual(Uint8Array.of(0, 2))
        expect(errors[0]?.atNs).toBeGreaterThan(socket.departure(ticket)?.atNs ?? Number.NaN)
        socket.configure({ ttl: 64 })
        socket.send(echo(family, 3), network.far[family], 0)
        await eventually(() => arrivals.length > 0, 'an arrival')
      })

      test('reports that a packet is too big for the path, with the MTU', async () => {
        const { socket, errors } = record({ kind, mtuDiscovery: 3 })
        socket.send(echo(family, 4, Buffer.alloc(1400)), network.far[family], 0)
        await eventually(() => errors.length > 0, 'an error')
        expect(errors[0]).toMatchObject({
          code: 'EMSGSIZE',
          info: farMtu,
          offender: network.router[family],
          icmp: family === 'ipv4' ? { type: 3, code: 4 } : { type: 2, code: 0 },
        })
      })

      test('rejects a packet that is too big for the first hop, with the MTU', () => {
        const { socket, errors } = record({ kind, mtuDiscovery: 3 })
        const tooBig = expect.objectContaining({ code: 'EMSGSIZE', syscall: 'sendmsg', mtu: 1500 })
        expect(() => socket.send(echo(family, 5, Buffer.alloc(1500)), network.far[family], 0)).toThrow(tooBig)
        socket.drain()
        expect(errors).toEqual([])
      })
    })
  }

  test('a firewall that rejects packets does not mix up the departures of others', async () => {
    const { near, far } = network
    near.run('nft', 'add table inet scout; add chain inet scout out { type filter hook output priority 0; }')
    near.run('nft', `add rule inet scout out ip protocol icmp ip length 300 drop`)
    onTestFinished(() => void near.run('nft', 'delete table inet scout'))
    const { socket, arrivals } = record({ kind: 'icmp4' })
    const sent: { readonly ticket: number; readonly beforeNs: number; readonly afterNs: number }[] = []
    const nowNs = () => Number(process.hrtime.bigint() - native().baseNs)
    for (let round = 0; round < 100; round++) {
      if (round % 3 === 0) {
        expect(() => socket.send(echo('ipv4', 0, Buffer.alloc(272)), far.ipv4, 0)).toThrow(
          expect.objectContaining({ code: 'EPERM' }),
        )
      }
      const beforeNs = nowNs()
      const ticket = socket.send(echo('ipv4', round), far.ipv4, 0)
      sent.push({ ticket, beforeNs, afterNs: nowNs() })
    }
    await eventually(() => arrivals.length === 100, 'all arrivals')
    for (const { ticket, beforeNs, afterNs } of sent) {
      const departure = socket.departure(ticket)
      expect(departure?.clock).toBe('kernel')
      // Two clocks are compared here, each read within less than a microsecond.
      expect(departure?.atNs).toBeGreaterThan(beforeNs - 1000)
      expect(departure?.atNs).toBeLessThan(afterNs + 1000)
    }
  })

  test('without a route the kernel fails at once', () => {
    network.near.run('ip', 'route', 'add', 'unreachable', '192.0.2.0/24')
    const { socket } = record({ kind: 'udp4' })
    expect(() => socket.send(Buffer.from('hello'), '192.0.2.1', 9)).toThrow(
      expect.objectContaining({ code: 'EHOSTUNREACH', syscall: 'sendmsg' }),
    )
  })

  test('a socket bound to a device receives only packets of that device', async () => {
    const { socket, arrivals } = record({ kind: 'udp4', device: 'eth0' })
    const other = record({ kind: 'udp4', address: '127.0.0.1' })
    other.socket.send(Buffer.from('over lo'), '127.0.0.1', socket.port)
    await eventually(() => other.errors.length > 0, 'an error to the other socket')
    expect(arrivals).toEqual([])
  })

  describe('times match those on the wire', () => {
    for (const [load, blockedMs] of [
      ['idle', 0],
      ['with a busy event loop', 15],
    ] as const) {
      test(load, async () => {
        const wire = await capture(network.near.name, 'icmp')
        const { socket, arrivals } = record({ kind: 'icmp4' })
        const tickets: number[] = []
        for (let sequence = 0; sequence < 60; sequence++) {
          tickets.push(socket.send(echo('ipv4', sequence), network.far.ipv4, 0))
          block(blockedMs)
          await eventually(() => arrivals.length === tickets.length, 'all arrivals')
        }
        const { requestNs, replyNs } = await wire.stop()
        const errors = arrivals.map(({ bytes, atNs }) => {
          const sequence = Buffer.from(bytes).readUInt16BE(6)
          const tookNs = atNs - (socket.departure(tickets[sequence] ?? 0)?.atNs ?? 0)
          const wireNs = (replyNs.get(sequence) ?? 0) - (requestNs.get(sequence) ?? 0)
          return { errorNs: Math.abs(tookNs - wireNs), wireNs }
        })
        // The capture itself takes time between our timestamp and its own: here about a third of the round trip.
        expect(median(errors.map(({ errorNs }) => errorNs))).toBeLessThan(median(errors.map(({ wireNs }) => wireNs)))
      }, 20_000)
    }
  })
})

/** Runs tcpdump with nanosecond timestamps. Returns when each echo request and reply passed, by sequence. */
async function capture(namespace: string, filter: string) {
  // Its buffer holds as many packets as fit at this length.
  const options = ['-s', '128', '-i', 'eth0', '-U', '-w', '-', '--time-stamp-precision=nano', filter]
  const tcpdump = spawn('ip', ['netns', 'exec', namespace, 'tcpdump', ...options])
  const chunks: Buffer[] = []
  tcpdump.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  // Read until its end: tcpdump may print a note on its privileges later, and a closed pipe would end it.
  let said = ''
  tcpdump.stderr.on('data', (text: Buffer) => {
    said += text.toString()
  })
  await eventually(() => said.includes('listening on'), 'a capture')
  return {
    async stop() {
      await eventually(() => echoesOf(Buffer.concat(chunks)).replyNs.size === 60, 'the whole capture')
      tcpdump.kill('SIGINT')
      await once(tcpdump, 'close')
      return echoesOf(Buffer.concat(chunks))
    },
  }
}

function echoesOf(pcap: Buffer) {
  const requestNs = new Map<number, number>()
  const replyNs = new Map<number, number>()
  // pcap: 24 bytes of header, then 16 bytes before each frame: seconds, nanoseconds, captured length, length.
  for (let at = 24; at + 16 <= pcap.length; at += 16 + pcap.readUInt32LE(at + 8)) {
    const frame = pcap.subarray(at + 16, at + 16 + pcap.readUInt32LE(at + 8))
    if (frame.length < 42) break
    const stamps = frame[34] === 8 ? requestNs : replyNs
    // Keep only as many digits of the seconds as leave the nanoseconds exact.
    stamps.set(frame.readUInt16BE(40), (pcap.readUInt32LE(at) % 1_000_000) * 1e9 + pcap.readUInt32LE(at + 4))
  }
  return { requestNs, replyNs }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}
