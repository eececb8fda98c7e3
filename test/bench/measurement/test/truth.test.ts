import { expect, test } from 'vitest'
import { compare } from '../src/accuracy/errors.ts'
import type { Frame } from '../src/accuracy/pcap.ts'
import { conversationsOf } from '../src/accuracy/wire.ts'
import { ports } from '../src/stage/ports.ts'

const us = 1_000

test('a tool that leaves out its first and last probes is compared with those of the same times', () => {
  const to = '10.2.0.2'
  // No two distances between departures are equal.
  const truths = Array.from({ length: 60 }, (_, i) => ({
    to,
    sentNs: i ** 2 * us,
    timesNs: { 'round trip': (100 + i) * us },
  }))
  const clockNs = 7e9
  const readings = truths.slice(9, 50).map(({ sentNs, timesNs }) => ({
    to,
    sentNs: sentNs + clockNs,
    timesNs: { 'round trip': timesNs['round trip'] + 3 * us },
  }))
  const { errors } = compare(readings, truths)
  expect(errors['round trip']).toMatchObject({ n: 21, medianUs: 3, maxUs: 3 })
})

test('the truth of a round trip is without the time at the server', () => {
  const [near, far] = [
    [40_000, '10.2.0.1', '10.2.0.2'],
    [50_000, '127.0.0.1', '127.0.0.1'],
  ] as const
  const capture = (...frames: readonly Frame[]) => ({ startMs: 0, frames })
  const wire = capture(asked(near, 0), answered(near, 900 * us))
  const atServer = capture(asked(far, 300 * us), answered(far, 450 * us))
  expect(conversationsOf(wire, 'udp')).toMatchObject([{ timesNs: { 'round trip': 900 * us } }])
  expect(conversationsOf(wire, 'udp', atServer)).toMatchObject([{ timesNs: { 'round trip': 750 * us } }])
  // Not known, rather than none.
  expect(conversationsOf(wire, 'udp', capture(asked(far, 300 * us)))).toMatchObject([{ timesNs: {} }])
})

type Ends = readonly [clientPort: number, client: string, server: string]

function asked([port, client, server]: Ends, atNs: number): Frame {
  return { atNs, bytes: datagram([client, port], [server, ports.sockperf]) }
}

function answered([port, client, server]: Ends, atNs: number): Frame {
  return { atNs, bytes: datagram([server, ports.sockperf], [client, port]) }
}

/** Of sockperf, with number 1, in IPv4 and Ethernet. */
function datagram(...ends: readonly (readonly [address: string, port: number])[]): Buffer {
  const [headers, ip] = [14 + 20, 14]
  const frame = Buffer.alloc(headers + 8 + 14)
  frame.writeUInt16BE(0x0800, 12)
  frame.writeUInt8(0x45, ip)
  frame.writeUInt16BE(frame.length - ip, ip + 2)
  frame.writeUInt8(17, ip + 9)
  for (const [end, [address, port]] of ends.entries()) {
    frame.set(address.split('.').map(Number), ip + 12 + end * 4)
    frame.writeUInt16BE(port, headers + end * 2)
  }
  frame.writeUInt8(1, headers + 8 + 7)
  return frame
}
