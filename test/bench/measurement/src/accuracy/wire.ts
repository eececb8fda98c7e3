import { ports } from '../stage/ports.ts'
import { type Packet, parsePacket } from './packet.ts'
import type { Capture } from './pcap.ts'
import type { Sample } from './sample.ts'

/** Which conversations a bench looks for on the wire. */
export type Conversation = 'icmp' | 'udp' | 'tcp'

/**
 * The truth: every conversation with the far side, in the order in which they began. Without the time that each was at its server, if
 * there is a capture of the device before that.
 */
export function conversationsOf(
  { startMs, frames }: Capture,
  kind: Conversation,
  atServer?: Capture,
): readonly Sample[] {
  const packets = packetsOf(frames, kind)
  if (kind === 'tcp') return connectionsOf(packets)
  const residencesNs = atServer === undefined ? undefined : residencesOf(packetsOf(atServer.frames, kind))
  return exchangesOf(packets).map(({ to, id, sentNs, answeredNs }) => {
    const residenceNs = residencesNs === undefined ? 0 : residencesNs.get(id)
    const isKnown = answeredNs !== undefined && residenceNs !== undefined
    return {
      to,
      sentNs,
      timesNs: isKnown ? { 'round trip': answeredNs - sentNs - residenceNs } : {},
      ...(answeredNs === undefined ? {} : { limitMs: startMs + answeredNs / 1e6 }),
    }
  })
}

function packetsOf(frames: Capture['frames'], kind: Conversation): readonly Packet[] {
  return frames.flatMap((frame) => parsePacket(frame) ?? []).filter(({ protocol }) => protocol === kind)
}

function residencesOf(packets: readonly Packet[]): ReadonlyMap<string, number> {
  return new Map(
    exchangesOf(packets).flatMap(({ id, sentNs, answeredNs }) =>
      answeredNs === undefined ? [] : [[id, answeredNs - sentNs] as const],
    ),
  )
}

interface Exchange {
  readonly to: string
  readonly id: string
  readonly sentNs: number
  answeredNs?: number
}

function exchangesOf(packets: readonly Packet[]): readonly Exchange[] {
  const exchanges: Exchange[] = []
  const waiting = new Map<string, Exchange>()
  for (const packet of packets) {
    const part = packet.protocol === 'icmp' ? echoPart(packet) : datagramPart(packet)
    if (part === undefined) continue
    const { id } = part
    if (part.isRequest) {
      const exchange: Exchange = { to: packet.destination, id, sentNs: packet.atNs }
      exchanges.push(exchange)
      waiting.set(`${packet.destination} ${part.client} ${id}`, exchange)
    } else {
      const exchange = waiting.get(`${packet.source} ${part.client} ${id}`)
      if (exchange !== undefined) exchange.answeredNs ??= packet.atNs
    }
  }
  return exchanges
}

interface Part {
  readonly isRequest: boolean
  /** Port of the client, 0 where there are none. */
  readonly client: number
  /** Equal in a request and its answer, and in no other of this client at the time. A relay leaves it as it is. */
  readonly id: string
}

/** RFC 792 "Echo or Echo Reply Message", RFC 4443 §4. */
function echoPart({ bytes }: Packet): Part | undefined {
  const type = bytes.readUInt8(0)
  if (![0, 8, 128, 129].includes(type)) return undefined
  return { isRequest: type === 8 || type === 128, client: 0, id: bytes.toString('hex', 4, 8) }
}

/**
 * Where the datagrams of a client carry what tells them apart, from the header of UDP on: the id of DNS (RFC 1035 §4.1.1), the start of an
 * echo, the number in the padding of STAMP (RFC 8762 §4.3.1, RFC 8972 §4.1), token and number of irtt, and the number of sockperf.
 */
const idPlaces: Readonly<Record<number, readonly [start: number, end: number]>> = {
  [ports.dns]: [8, 10],
  [ports.echo]: [16, 24],
  [ports.udp]: [56, 64],
  [ports.irtt]: [12, 24],
  [ports.sockperf]: [8, 16],
}

/** The flags of irtt that open and close a session. */
const irttSession = 0x01 | 0x04

function datagramPart({ bytes }: Packet): Part | undefined {
  const source = bytes.readUInt16BE(0)
  const destination = bytes.readUInt16BE(2)
  const isRequest = destination < 32_768
  const [client, server] = isRequest ? [source, destination] : [destination, source]
  const place = idPlaces[server]
  if (place === undefined) return undefined
  if (server === ports.irtt && (bytes.readUInt8(11) & irttSession) !== 0) return undefined
  return { isRequest, client, id: `${server} ${bytes.toString('hex', ...place)}` }
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
