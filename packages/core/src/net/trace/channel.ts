import { splitZone } from '../../model/address.ts'
import type { Endpoint, Family } from '../../model/endpoint.ts'
import { FailureError } from '../../model/failure.ts'
import { decodeIcmpError } from '../../wire/icmp-error.ts'
import { type Native, type NativeSocketKind, nativePart } from '../native/native.ts'
import { type NativeArrival, type NativeError, openTimedSocket, type TimedSocket } from '../native/timed-socket.ts'
import { icmpErrorOf } from '../packets/fate.ts'
import { packetQuoted, type Reply, type TracePacket, type TraceTransport } from './packet.ts'
import { type OpenSender, openSender, type Sender, type Shape } from './senders.ts'

/** Sends the packets of one trace and recognises what comes back for each. */
export interface Channel {
  readonly transport: TraceTransport
  /** Returns the local port of a flow; undefined for ICMP. */
  sourcePort(flow: number): number | undefined
  /** Sends a packet. Throws the system's error if the kernel refuses it. */
  send(shape: Shape): TracePacket
  /** Delivers everything that has arrived, before it returns. */
  drain(): void
  close(): void
}

export interface ChannelRequest {
  /** With `any`: TCP to an endpoint with a port and ICMP to one without, or UDP where this process is permitted neither. */
  readonly transport: TraceTransport | 'any'
  readonly to: Endpoint
  readonly flows: number
  readonly onReply: (packet: TracePacket, reply: Reply) => void
}

/** Largest packet that is traced with, and the largest error that is read whole. */
const packetBytes = 10_240
const bufferBytes = 1 << 20

/**
 * Opens the sockets of a trace. A raw ICMP socket receives errors whole. Without the privilege, the error queues of the sending sockets
 * have them, without extensions (ip(7), IP_RECVERR).
 * @throws {FailureError} not-permitted, not-supported
 */
export function openChannel(request: ChannelRequest): Channel {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  const { transport, to } = request
  if (transport !== 'any') return openOver(transport, part.native, request)
  try {
    return openOver(to.port === undefined ? 'icmp' : 'tcp', part.native, request)
  } catch (error) {
    if (!(error instanceof FailureError) || error.reason !== 'not-permitted') throw error
    return openOver('udp', part.native, request)
  }
}

function openOver(transport: TraceTransport, native: Native, { to, flows, onReply }: ChannelRequest): Channel {
  const { family } = to
  const target = splitZone(to.address).bare
  const waiting = new Set<TracePacket>()
  const sockets: TimedSocket[] = []
  let answered: Sender['answered'] = () => undefined
  let receivesWholeErrors = false

  const settle = (packet: TracePacket | undefined, reply: Reply) => {
    if (packet === undefined || !waiting.delete(packet)) return
    packet.reply = reply
    onReply(packet, reply)
  }

  const sentBy = (by: TimedSocket) => [...waiting].filter(({ socket }) => socket === by)

  /** Reads an error as a raw ICMP socket receives it. Returns whether it is one. */
  const readError = ({ bytes, address, atNs, clock, ttl }: NativeArrival): boolean => {
    const error = decodeIcmpError(family, bytes)
    if (error === undefined) return false
    const { type, code, mtu, quoted, labels } = error
    if (quoted.protocol !== protocolNumbers[family][transport] || quoted.payload.length < leastQuotedBytes) return true
    const icmp = { type, code, ...(mtu === undefined ? {} : { mtu }) }
    const reply = { from: address, atNs, clock, icmp, labels, ttl, quotedTtl: quoted.ttl }
    settle(packetQuoted(waiting, quoted.payload, { transport }), reply)
    return true
  }

  /** Reads an error from the queue of the socket that sent its packet. Of a datagram, it quotes the payload only. */
  const readQueued = ({ bytes, offender, atNs, clock, info, ...error }: NativeError, by: TimedSocket) => {
    if (receivesWholeErrors) return
    const { from, ...icmp } = icmpErrorOf(family, { ...error.icmp, from: offender, info })
    settle(packetQuoted(sentBy(by), bytes, { transport, start: transport === 'udp' ? 8 : 0 }), {
      from,
      atNs,
      clock,
      icmp,
    })
  }

  const open: OpenSender['open'] = (kind, options = {}) => {
    const socket = openTimedSocket(
      native,
      { kind, packetBytes, bufferBytes, mtuDiscovery: 3, ...options },
      {
        arrived(arrival) {
          if (isRawIcmp(kind) && readError(arrival)) return
          const { address: from, atNs, clock, ttl } = arrival
          if (splitZone(from).bare === target) settle(answered(arrival, sentBy(socket)), { from, atNs, clock, ttl })
        },
        failed: (error) => readQueued(error, socket),
        overflowed() {},
      },
    )
    sockets.push(socket)
    if (options.passesErrors === true && isRawIcmp(kind)) receivesWholeErrors = true
    return socket
  }

  const close = () => {
    for (const socket of sockets) socket.close()
  }
  try {
    const sender = openSender(transport, { native, to, flows, open })
    answered = sender.answered
    return {
      transport,
      sourcePort: sender.sourcePort,
      send(shape) {
        const packet: TracePacket = { flow: shape.flow, ttl: shape.ttl, ...sender.send(shape) }
        waiting.add(packet)
        return packet
      },
      drain() {
        for (const socket of sockets) socket.drain()
      },
      close() {
        sender.release()
        close()
      },
    }
  } catch (error) {
    close()
    throw error
  }
}

function isRawIcmp(kind: NativeSocketKind): boolean {
  return kind === 'icmp4' || kind === 'icmp6'
}

/** RFC 792: a router quotes at least so much behind the IP header. */
const leastQuotedBytes = 8

/** IANA protocol-numbers. */
const protocolNumbers: Readonly<Record<Family, Readonly<Record<TraceTransport, number>>>> = {
  ipv4: { icmp: 1, udp: 17, tcp: 6 },
  ipv6: { icmp: 58, udp: 17, tcp: 6 },
}
