import { internetChecksum } from '../../packages/core/src/wire/checksum.ts'
import { dnsResponseId, encodeDnsQuestion } from '../../packages/core/src/wire/dns.ts'
import { readDnsAnswer } from '../../packages/core/src/wire/dns-answer.ts'
import { FrameReader, framed } from '../../packages/core/src/wire/dns-frames.ts'
import { endOfName, NameReader } from '../../packages/core/src/wire/dns-name.ts'
import { encodeDnsReply, readDnsQuery } from '../../packages/core/src/wire/dns-reply.ts'
import {
  decodeEchoDatagram,
  encodeEchoDatagram,
  isGenuineEcho,
  turnIntoReply,
} from '../../packages/core/src/wire/echo-datagram.ts'
import { fillerOf, whereAltered } from '../../packages/core/src/wire/filler.ts'
import { echoKindOf, encodeEcho, isIntact } from '../../packages/core/src/wire/icmp.ts'
import { ipPacket } from '../../packages/core/src/wire/ip.ts'
import { decodeTcpHeader } from '../../packages/core/src/wire/tcp-header.ts'
import { decodeTcpPacket } from '../../packages/core/src/wire/tcp-packet.ts'

/*
 * Every decoder of bytes from the network. A test bounds the work of each, and `npm run fuzz` looks for what it cannot stand. This file
 * is bundled and instrumented, so it imports only what it exercises.
 */

/** A decoder, and bytes of the kind that it reads. */
export interface Decoder {
  /** What it is exported as. */
  readonly of: readonly string[]
  /** Returns a value, whatever the bytes. Throws only for a defect. */
  readonly decode: (bytes: Uint8Array) => unknown
  readonly sample: Uint8Array
}

const query = encodeDnsQuestion({
  id: 0x5343,
  name: 'a.example',
  type: 'A',
  isRecursive: true,
  ednsBytes: 0,
  hasRandomCase: false,
})
const parsed = readDnsQuery(query)
if (parsed === undefined) throw new Error('a query of ours is a query')
const reply = { rcode: 'NOERROR', addresses: ['10.0.0.1', '10.0.0.2'], ttlSeconds: 5, mostBytes: 512 } as const
const datagram = encodeEchoDatagram({ kind: 'request', number: 1n }, 64, 'key')
const echo = encodeEcho('ipv4', { kind: 'reply', identifier: 1, sequence: 2, payload: new Uint8Array(56) })
const synAck = Uint8Array.of(0, 80, 160, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 0xfa, 0xf0, 0, 0, 0, 0)

function inIpv4(protocol: number, payload: Uint8Array): Uint8Array {
  const header = [0x45, 0, 0, 20 + payload.length, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
  return Uint8Array.of(...header, ...payload)
}

export const decoders: Readonly<Record<string, Decoder>> = {
  'dns-answer': {
    of: ['dnsResponseId', 'readDnsAnswer'],
    decode: (bytes) => [dnsResponseId(bytes), readDnsAnswer(bytes, query, true)],
    sample: encodeDnsReply(parsed, reply),
  },
  'dns-query': {
    of: ['readDnsQuery'],
    decode(bytes) {
      const read = readDnsQuery(bytes)
      return read === undefined ? undefined : encodeDnsReply(read, { ...reply, addresses: [] })
    },
    sample: query,
  },
  'dns-name': {
    of: ['endOfName', 'NameReader'],
    decode: (bytes) => [endOfName(bytes, 12), new NameReader(bytes).nameAt(12)],
    sample: query,
  },
  'dns-frames': {
    of: ['FrameReader'],
    // The first byte says in how large pieces the stream arrives.
    decode(bytes) {
      const reader = new FrameReader()
      const pieceBytes = 1 + (bytes[0] ?? 0)
      const messages: number[] = []
      for (let at = 1; at < bytes.length; ) {
        const { taken, message } = reader.take(bytes.subarray(at, at + pieceBytes))
        at += taken
        if (message !== undefined) messages.push(message.length)
      }
      return messages
    },
    sample: Uint8Array.of(3, ...framed(query), ...framed(query)),
  },
  'echo-datagram': {
    of: ['decodeEchoDatagram', 'isGenuineEcho', 'turnIntoReply'],
    decode(bytes) {
      if (decodeEchoDatagram(bytes) === undefined || !isGenuineEcho(bytes, 'key')) return false
      turnIntoReply(bytes, 'key')
      return true
    },
    sample: datagram,
  },
  icmp: {
    of: ['echoKindOf', 'isIntact'],
    decode: (bytes) => [echoKindOf('ipv4', bytes), echoKindOf('ipv6', bytes), isIntact('ipv4', bytes)],
    sample: echo,
  },
  checksum: { of: ['internetChecksum'], decode: internetChecksum, sample: echo },
  filler: {
    of: ['whereAltered'],
    decode: (bytes) => whereAltered(Buffer.from(bytes), 3),
    sample: fillerOf(64).subarray(3),
  },
  ip: { of: ['ipPacket'], decode: ipPacket, sample: inIpv4(1, echo) },
  'tcp-header': { of: ['decodeTcpHeader'], decode: decodeTcpHeader, sample: synAck },
  'tcp-packet': { of: ['decodeTcpPacket'], decode: decodeTcpPacket, sample: inIpv4(6, synAck) },
}
