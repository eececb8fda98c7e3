import { randomInt } from 'node:crypto'
import type { Endpoint } from '../../model/endpoint.ts'
import { FailureError } from '../../model/failure.ts'
import { readUint32 } from '../../wire/bytes.ts'
import { echoKindOf } from '../../wire/icmp.ts'
import { decodeTcpHeader } from '../../wire/tcp-header.ts'
import {
  encodeTraceDatagram,
  encodeTraceEcho,
  encodeTraceSyn,
  leastTracePayloadBytes,
} from '../../wire/trace-packet.ts'
import type { Native, NativeSocketKind, NativeSocketOptions } from '../native/native.ts'
import { tcpReplyFilter } from '../native/socket-filter.ts'
import type { NativeArrival, TimedSocket } from '../native/timed-socket.ts'
import { nativeKinds, openPermitted } from '../packets/native-packet-socket.ts'
import { packetQuoted, type TracePacket, type TraceTransport } from './packet.ts'

/** A packet to be sent. */
export interface Shape {
  readonly flow: number
  readonly ttl: number
  /** Bytes behind the header of ICMP or UDP (default: as few as tell packets apart). */
  readonly payloadBytes?: number | undefined
}

/** Sends the packets of one transport. */
export interface Sender {
  sourcePort(flow: number): number | undefined
  send(shape: Shape): Pick<TracePacket, 'image' | 'socket' | 'ticket'>
  /** Returns which of the packets of its socket this is the target's answer to; undefined if it is none. */
  answered(arrival: NativeArrival, sent: readonly TracePacket[]): TracePacket | undefined
  /** Releases what its sockets do not. */
  release(): void
}

/** What a sender is opened with. */
export interface OpenSender {
  readonly native: Native
  readonly to: Endpoint
  readonly flows: number
  open(kind: NativeSocketKind, options?: Partial<NativeSocketOptions>): TimedSocket
}

/** @throws {FailureError} not-permitted, not-supported */
export function openSender(transport: TraceTransport, request: OpenSender): Sender {
  switch (transport) {
    case 'icmp':
      return openEchoSender(request)
    case 'udp':
      return openDatagramSender(request)
    case 'tcp':
      return openSynSender(request)
  }
}

const icmpHeaderBytes = 8
const udpHeaderBytes = 8

/** First port of traceroute, where hardly anything listens. */
const unlikelyPort = 33_434

/** A flow is an identifier and a checksum: of a raw socket at random, of ping sockets as the kernel chooses, one a flow. */
function openEchoSender({ to: { address, family }, flows, open }: OpenSender): Sender {
  const { kind, opened } = openPermitted(nativeKinds.icmp[family], (each) => open(each, { passesErrors: true }))
  const isRaw = kind === 'icmp4' || kind === 'icmp6'
  const ways = Array.from({ length: flows }, (_, flow) => {
    const socket = isRaw || flow === 0 ? opened : open(kind)
    return { socket, identifier: isRaw ? randomInt(1, 0x1_0000) : socket.port, checksum: randomInt(1, 0xffff) }
  })
  let sequence = randomInt(0x1_0000)
  return {
    sourcePort: () => undefined,
    send({ flow, ttl, payloadBytes = leastTracePayloadBytes }) {
      const { socket, identifier, checksum } = wayOf(ways, flow)
      sequence = (sequence + 1) & 0xffff
      const image = encodeTraceEcho(family, { identifier, sequence, checksum }, payloadBytes)
      return { image, socket, ticket: socket.sendWith(image, { address, port: 0 }, { ttl }) }
    },
    answered({ bytes }, sent) {
      if (echoKindOf(family, bytes) !== 'reply' || bytes.length < icmpHeaderBytes + leastTracePayloadBytes)
        return undefined
      // All but type and checksum come back.
      return sent.find(({ image }) => Buffer.compare(image.subarray(4), bytes.subarray(4)) === 0)
    },
    release() {},
  }
}

/** A flow is a socket of its own. */
function openDatagramSender({ to, flows, open }: OpenSender): Sender {
  const { address, family, port = unlikelyPort } = to
  openErrorReceiver({ to, open })
  const ways = Array.from({ length: flows }, () => ({
    socket: open(family === 'ipv4' ? 'udp4' : 'udp6'),
    checksum: randomInt(0xffff),
  }))
  return {
    sourcePort: (flow) => wayOf(ways, flow).socket.port,
    send({ flow, ttl, payloadBytes = leastTracePayloadBytes + ttl }) {
      const { socket, checksum } = wayOf(ways, flow)
      const payload = encodeTraceDatagram(payloadBytes, checksum)
      const header = Buffer.alloc(udpHeaderBytes)
      header.writeUInt16BE(socket.port, 0)
      header.writeUInt16BE(port, 2)
      // Of an error that quotes nothing else, the length tells the TTL.
      header.writeUInt16BE(udpHeaderBytes + payloadBytes, 4)
      const ticket = socket.sendWith(payload, { address, port }, { ttl })
      return { image: Buffer.concat([header, payload]), socket, ticket }
    },
    answered({ bytes, port: from }, sent) {
      if (from !== port) return undefined
      // A service answers as it likes. Unless it echoes, its answer is taken for that to the packet most likely to have reached it.
      const echoed = packetQuoted(sent, bytes, { transport: 'udp', start: udpHeaderBytes })
      return echoed ?? sent.toSorted((one, other) => other.ttl - one.ttl)[0]
    },
    release() {},
  }
}

/** Opens a raw ICMP socket for errors about packets of other sockets, if this process is permitted to. */
function openErrorReceiver({ to: { family }, open }: Pick<OpenSender, 'to' | 'open'>): void {
  try {
    openPermitted([family === 'ipv4' ? 'icmp4' : 'icmp6'], (kind) => open(kind, { passesErrors: true }))
  } catch (error) {
    if (!(error instanceof FailureError) || error.reason !== 'not-permitted') throw error
  }
}

/** A flow is a reserved port. The kernel answers a SYN-ACK with RST, which ends the handshake (native/formats.c). */
function openSynSender({ native, to, flows, open }: OpenSender): Sender {
  const { address, family, port = 80 } = to
  const reservation = native.reservePorts(family, family === 'ipv4' ? '0.0.0.0' : '::', flows)
  const { ports, release } = reservation
  try {
    const { opened: socket } = openPermitted(nativeKinds.tcp[family], (kind) =>
      open(kind, { filter: tcpReplyFilter(family, ports) }),
    )
    openErrorReceiver({ to, open })
    const ends =
      family === 'ipv4' ? { ends: { source: native.sourceAddress(family, address), destination: address } } : {}
    const ways = ports.map((sourcePort) => ({ sourcePort, checksum: randomInt(0xffff), high: randomInt(0x1_0000) }))
    return {
      sourcePort: (flow) => wayOf(ways, flow).sourcePort,
      send({ flow, ttl }) {
        const way = wayOf(ways, flow)
        way.high = (way.high + 1) & 0xffff
        const image = encodeTraceSyn({ ...way, port, ...ends })
        return { image, socket, ticket: socket.sendWith(image, { address, port: 0 }, { ttl }) }
      },
      answered({ bytes }, sent) {
        const header = decodeTcpHeader(bytes)
        // RFC 9293 §3.10.7.3: both answers to a SYN acknowledge it.
        if (header?.isAck !== true || !(header.isSyn || header.isReset) || header.sourcePort !== port) return undefined
        const sequence = (header.acknowledgment - 1) >>> 0
        return sent.find(
          ({ flow, image }) =>
            wayOf(ways, flow).sourcePort === header.destinationPort && readUint32(image, 4) === sequence,
        )
      },
      release,
    }
  } catch (error) {
    release()
    throw error
  }
}

function wayOf<Way>(ways: readonly Way[], flow: number): Way {
  const way = ways[flow]
  if (way === undefined) throw new RangeError(`there is no flow ${flow}`)
  return way
}
