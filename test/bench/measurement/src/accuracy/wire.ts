import { type Packet, parsePacket } from './packet.ts'
import type { Capture } from './pcap.ts'
import type { Sample } from './sample.ts'

/** Which conversations a bench looks for on the wire. */
export type Conversation = 'icmp' | 'udp' | 'tcp'

/** The truth: every conversation with the far side, in the order in which they began. */
export function conversationsOf({ startMs, frames }: Capture, kind: Conversation): readonly Sample[] {
  const packets = frames.flatMap((frame) => parsePacket(frame) ?? []).filter(({ protocol }) => protocol === kind)
  return kind === 'tcp' ? connectionsOf(packets) : exchangesOf(packets, startMs)
}

interface Exchange {
  readonly to: string
  readonly sentNs: number
  answeredNs?: number
}

function exchangesOf(packets: readonly Packet[], startMs: number): readonly Sample[] {
  const exchanges: Exchange[] = []
  const waiting = new Map<string, Exchange>()
  for (const packet of packets) {
    const part = packet.protocol === 'icmp' ? echoPart(packet) : datagramPart(packet)
    if (part === undefined) continue
    if (part.isRequest) {
      const exchange: Exchange = { to: packet.destination, sentNs: packet.atNs }
      exchanges.push(exchange)
      waiting.set(`${packet.destination} ${part.key}`, exchange)
    } else {
      const exchange = waiting.get(`${packet.source} ${part.key}`)
      if (exchange !== undefined) exchange.answeredNs ??= packet.atNs
    }
  }
  return exchanges.map(({ to, sentNs, answeredNs }) => {
    if (answeredNs === undefined) return { to, timesNs: {} }
    return { to, timesNs: { 'round trip': answeredNs - sentNs }, limitMs: startMs + answeredNs / 1e6 }
  })
}

interface Part {
  readonly isRequest: boolean
  /** Equal in a request and its answer, and in no other of the same time. */
  readonly key: string
}

/** RFC 792 "Echo or Echo Reply Message", RFC 4443 §4. */
function echoPart({ bytes }: Packet): Part | undefined {
  const type = bytes.readUInt8(0)
  if (![0, 8, 128, 129].includes(type)) return undefined
  return { isRequest: type === 8 || type === 128, key: bytes.toString('hex', 4, 8) }
}

/** Identifies the datagrams of one client socket: the id of DNS (RFC 1035 §4.1.1), session and sequence of Scout's echo. */
function datagramPart({ bytes }: Packet): Part {
  const source = bytes.readUInt16BE(0)
  const destination = bytes.readUInt16BE(2)
  const isRequest = destination < 32_768
  const [client, server] = isRequest ? [source, destination] : [destination, source]
  const token = server === 53 ? bytes.subarray(8, 10) : bytes.subarray(16, 24)
  return { isRequest, key: `${client} ${server} ${token.toString('hex')}` }
}

interface Connection {
  readonly to: string
  readonly sequence: number
  readonly synNs: number
  acceptedNs?: number
  requestNs?: number
  responseNs?: number
  lastNs?: number
}

const flags = { syn: 0x02, rst: 0x04, ack: 0x10 } as const

function connectionsOf(packets: readonly Packet[]): readonly Sample[] {
  const connections: Connection[] = []
  const byEnds = new Map<string, Connection>()
  for (const { atNs, bytes, source, destination, wholeBytes } of packets) {
    const [from, to, sequence] = [bytes.readUInt16BE(0), bytes.readUInt16BE(2), bytes.readUInt32BE(4)]
    const flagged = bytes.readUInt8(13)
    const isOutgoing = to < 32_768
    const ends = isOutgoing ? `${from} ${to} ${destination}` : `${to} ${from} ${source}`
    const known = byEnds.get(ends)
    if (isOutgoing && (flagged & (flags.syn | flags.ack)) === flags.syn) {
      if (known?.sequence === sequence) continue // sent again
      const connection: Connection = { to: destination, sequence, synNs: atNs }
      connections.push(connection)
      byEnds.set(ends, connection)
      continue
    }
    if (known === undefined) continue
    const hasPayload = wholeBytes > (bytes.readUInt8(12) >> 4) * 4
    if (isOutgoing) {
      if (hasPayload && known.responseNs === undefined) known.requestNs = atNs
    } else if ((flagged & (flags.syn | flags.rst)) !== 0) {
      known.acceptedNs ??= atNs
    } else if (hasPayload) {
      known.responseNs ??= atNs
      known.lastNs = atNs
    }
  }
  return connections.map(({ to, synNs, acceptedNs, requestNs, responseNs, lastNs }) => ({
    to,
    timesNs: {
      ...(acceptedNs === undefined ? {} : { connect: acceptedNs - synNs }),
      ...(requestNs === undefined || responseNs === undefined || lastNs === undefined
        ? {}
        : { 'first byte': responseNs - requestNs, transfer: lastNs - responseNs, total: lastNs - synNs }),
    },
  }))
}
