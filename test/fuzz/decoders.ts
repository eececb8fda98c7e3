import { internetChecksum } from '../../packages/core/src/wire/checksum.ts'
import { dnsResponseId, encodeDnsQuestion } from '../../packages/core/src/wire/dns.ts'
import { readDnsAnswer } from '../../packages/core/src/wire/dns-answer.ts'
import { FrameReader, framed } from '../../packages/core/src/wire/dns-frames.ts'
import { endOfName, NameReader } from '../../packages/core/src/wire/dns-name.ts'
import { encodeDnsReply, readDnsQuery } from '../../packages/core/src/wire/dns-reply.ts'
import { fillerOf, whereAltered } from '../../packages/core/src/wire/filler.ts'
import { echoKindOf, encodeEcho, isIntact } from '../../packages/core/src/wire/icmp.ts'
import { decodeIcmpError } from '../../packages/core/src/wire/icmp-error.ts'
import { ipPacket } from '../../packages/core/src/wire/ip.ts'
import {
  decodeStampAnswer,
  decodeStampRequest,
  encodeStampRequest,
  isGenuineStamp,
  stampBytes,
  stampTag,
  turnIntoStampAnswer,
} from '../../packages/core/src/wire/stamp.ts'
import {
  bringsBackQuestion,
  encodeQuestion,
  numberOfAnswer,
  readFilledIn,
} from '../../packages/core/src/wire/stamp-question.ts'
import {
  nsBetween,
  readErrorEstimate,
  readTimestamp,
  timestampOf,
  writeErrorEstimate,
  writeTimestamp,
} from '../../packages/core/src/wire/stamp-time.ts'
import { areIntact, encodeHmacTlv, encodeTlv, readTlvs, reflectTlvs } from '../../packages/core/src/wire/stamp-tlv.ts'
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
const estimate = { format: 'ntp', isSynchronized: true, errorNs: 1e6 } as const
const moment = timestampOf(1_698_685_789_500_000_000n, 'ntp')
const tlvs = [
  encodeTlv(4, new Uint8Array(4)),
  encodeTlv(3, new Uint8Array(4)),
  encodeTlv(7, new Uint8Array(16)),
].flatMap((tlv) => [...tlv])
const padding = encodeTlv(1, new Uint8Array(8))
const stamped = { sequence: 2 ** 32 - 1, sent: moment, estimate, ssid: 0xabcd }
const asked = { key: '', dscp: 46, asksStamps: true }
const reflection = {
  trafficClass: 0xb8,
  clockSource: 5,
  receivedBy: 2,
  sentBy: 3,
  previous: { sequence: 1, sent: moment, sentBy: 2 },
}

/** Reads bytes in both roles of STAMP, and answers them. */
function answerStamp(bytes: Uint8Array, key: string): unknown {
  const answered = decodeStampAnswer(bytes, key)
  const request = decodeStampRequest(bytes, key)
  if (request === undefined || !isGenuineStamp(bytes, key)) return answered
  const trafficClass = reflectTlvs(bytes, { from: stampBytes(key), key }, reflection)
  const { format } = request.estimate
  const residenceNs = nsBetween(request.sent, moment, format)
  turnIntoStampAnswer(bytes, { sequence: 1, sent: moment, received: moment, estimate, senderTtl: 64 }, key)
  return [answered, request, trafficClass, residenceNs, readTlvs(bytes, stampBytes(key)).length]
}

const echo = encodeEcho('ipv4', { kind: 'reply', identifier: 1, sequence: 2, payload: new Uint8Array(56) })
const synAck = Uint8Array.of(0, 80, 160, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 0xfa, 0xf0, 0, 0, 0, 0)

function inIpv4(protocol: number, payload: Uint8Array): Uint8Array {
  const header = [0x45, 0, 0, 20 + payload.length, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
  return Uint8Array.of(...header, ...payload)
}

/** A time exceeded about a packet of 128 bytes, with two MPLS labels; its checksum is right. */
const timeExceeded = Buffer.concat([
  Uint8Array.of(11, 0, 0, 0, 0, 32, 0, 0),
  inIpv4(17, new Uint8Array(108)),
  Buffer.from('20006a2c000c010103e8100105dc5b01', 'hex'),
])
timeExceeded.writeUInt16BE(internetChecksum(timeExceeded), 2)

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
  icmp: {
    of: ['echoKindOf', 'isIntact'],
    decode: (bytes) => [echoKindOf('ipv4', bytes), echoKindOf('ipv6', bytes), isIntact('ipv4', bytes)],
    sample: echo,
  },
  'icmp-error': {
    of: ['decodeIcmpError'],
    // Changed bytes have a wrong checksum over IPv4, so the same body is also that of an ICMPv6 error, which has none here.
    decode(bytes) {
      const asIpv6 = Uint8Array.from(bytes)
      asIpv6.set([3, 0, 0, 0, (bytes[5] ?? 0) >> 1].slice(0, bytes.length))
      return [decodeIcmpError('ipv4', bytes), decodeIcmpError('ipv6', bytes), decodeIcmpError('ipv6', asIpv6)]
    },
    sample: timeExceeded,
  },
  checksum: { of: ['internetChecksum'], decode: internetChecksum, sample: echo },
  filler: {
    of: ['whereAltered'],
    decode: (bytes) => whereAltered(Buffer.from(bytes), 3),
    sample: fillerOf(64).subarray(3),
  },
  ip: { of: ['ipPacket'], decode: ipPacket, sample: inIpv4(1, echo) },
  stamp: {
    of: ['decodeStampAnswer', 'decodeStampRequest', 'isGenuineStamp', 'turnIntoStampAnswer', 'stampTag', 'stampBytes'],
    decode: (bytes) => answerStamp(bytes, ''),
    sample: encodeStampRequest(stamped, Uint8Array.of(...tlvs, ...padding), ''),
  },
  'stamp-authenticated': {
    of: ['areIntact', 'isStampAnswer', 'numberOfAnswer', 'readTlvs', 'reflectTlvs'],
    decode: (bytes) => [
      String(numberOfAnswer(bytes)),
      areIntact(bytes, readTlvs(bytes, stampBytes('key')), 'key'),
      answerStamp(bytes, 'key'),
      stampTag(bytes, 'key').length,
    ],
    sample: encodeStampRequest(
      stamped,
      Uint8Array.of(...tlvs, ...encodeHmacTlv(Uint8Array.from(tlvs), 'key'), ...padding),
      'key',
    ),
  },
  'stamp-question': {
    of: ['bringsBackQuestion', 'readFilledIn'],
    // With all that may be asked, without a key and with one.
    decode: (bytes) =>
      ['', 'key'].flatMap((key) => [
        bringsBackQuestion(bytes, { ...asked, key }),
        readFilledIn(bytes, { ...asked, key }),
      ]),
    sample: encodeStampRequest(stamped, encodeQuestion(2n, 96, asked), ''),
  },
  'stamp-time': {
    of: ['nsBetween', 'readErrorEstimate', 'readTimestamp', 'timestampOf', 'writeErrorEstimate', 'writeTimestamp'],
    decode(bytes) {
      const [from, to] = [readTimestamp(bytes, 0), readTimestamp(bytes, 8)]
      const read = readErrorEstimate(bytes, 16)
      writeErrorEstimate(bytes, 0, read)
      writeTimestamp(bytes, 0, to)
      return [nsBetween(from, to, read.format), read]
    },
    sample: Uint8Array.of(0xe8, 0xea, 0x61, 0xdd, 128, 0, 0, 0, 0xe8, 0xea, 0x61, 0xdd, 192, 0, 0, 0, 0x85, 0x80),
  },
  'tcp-header': { of: ['decodeTcpHeader'], decode: decodeTcpHeader, sample: synAck },
  'tcp-packet': { of: ['decodeTcpPacket'], decode: decodeTcpPacket, sample: inIpv4(6, synAck) },
}
