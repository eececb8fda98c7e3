import { isIPv4 } from 'node:net'
import { readUint16, writeUint16 } from './bytes.ts'
import { dnsFlags, expandIpv6, internetClass, responseCodes } from './dns.ts'
import { dnsHeaderBytes, endOfName, NameReader } from './dns-name.ts'

/** A query as a responder reads it. */
export interface DnsQuery {
  readonly id: number
  readonly name: string
  /** Number of the record type. */
  readonly type: number
  readonly isRecursive: boolean
  /** The question as it was written, which the reply repeats. */
  readonly question: Uint8Array
}

/** Reads a query with one question of class IN; undefined for anything else. Reads no records. */
export function readDnsQuery(bytes: Uint8Array): DnsQuery | undefined {
  const flags = bytes[2] ?? 0
  if (bytes.length < dnsHeaderBytes || (flags & (dnsFlags.response | dnsFlags.opcode)) !== 0) return undefined
  const end = readUint16(bytes, 4) === 1 ? endOfName(bytes, dnsHeaderBytes) : undefined
  const name = end === undefined ? undefined : new NameReader(bytes).nameAt(dnsHeaderBytes)
  if (end === undefined || name === undefined || end + 4 > bytes.length) return undefined
  if (readUint16(bytes, end + 2) !== internetClass) return undefined
  return {
    id: readUint16(bytes, 0),
    name,
    type: readUint16(bytes, end),
    isRecursive: (flags & dnsFlags.recursionDesired) !== 0,
    question: bytes.slice(dnsHeaderBytes, end + 4),
  }
}

/** How to answer a query. */
export interface DnsReply {
  readonly rcode: keyof Pick<typeof responseCodes, 'NOERROR' | 'NXDOMAIN'>
  /** All of the type asked for, of 4 or 16 bytes. */
  readonly addresses: readonly string[]
  readonly ttlSeconds: number
  /** Size that the reply must not exceed: a longer one is sent truncated, without records (RFC 2181 §9). */
  readonly mostBytes: number
}

/** Encodes an authoritative reply. */
export function encodeDnsReply({ id, type, isRecursive, question }: DnsQuery, reply: DnsReply): Uint8Array {
  const records = reply.addresses.map((address) => recordOf(addressBytes(address), type, reply.ttlSeconds))
  const start = dnsHeaderBytes + question.length
  const wholeBytes = records.reduce((sum, { length }) => sum + length, start)
  const isTruncated = wholeBytes > reply.mostBytes
  const bytes = new Uint8Array(isTruncated ? start : wholeBytes)
  writeUint16(bytes, 0, id)
  bytes[2] =
    dnsFlags.response |
    dnsFlags.authoritative |
    (isTruncated ? dnsFlags.truncated : 0) |
    (isRecursive ? dnsFlags.recursionDesired : 0)
  bytes[3] = responseCodes[reply.rcode]
  writeUint16(bytes, 4, 1)
  bytes.set(question, dnsHeaderBytes)
  if (isTruncated) return bytes
  writeUint16(bytes, 6, records.length)
  bytes.set(Buffer.concat(records), start)
  return bytes
}

/** A record of the name asked for: a pointer to the question stands for it. */
function recordOf(data: Uint8Array, type: number, ttlSeconds: number): Uint8Array {
  const bytes = new Uint8Array(12 + data.length)
  writeUint16(bytes, 0, 0xc000 | dnsHeaderBytes)
  writeUint16(bytes, 2, type)
  writeUint16(bytes, 4, internetClass)
  writeUint16(bytes, 8, ttlSeconds)
  writeUint16(bytes, 10, data.length)
  bytes.set(data, 12)
  return bytes
}

function addressBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number)
  return Buffer.from(expandIpv6(address), 'hex')
}
