import { randomBytes } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { dnsLabels } from '../model/dns-name.ts'
import { readUint16, writeUint16 } from './bytes.ts'
import { dnsHeaderBytes, encodeName } from './dns-name.ts'

/** Types that can be queried, with their numbers. */
export const recordTypes = { A: 1, AAAA: 28, SRV: 33, PTR: 12, TXT: 16 } as const

/** Response codes with their IANA names. Those above 15 need EDNS (RFC 6895 §2.3). */
export const responseCodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const

export type RecordType = keyof typeof recordTypes

/** The names of both tables, in their order. */
export const recordTypeNames = Object.keys(recordTypes) as RecordType[]
export const responseCodeNames = Object.keys(responseCodes) as (keyof typeof responseCodes)[]

/** Bits of the third byte, and the response code in the fourth (RFC 1035 §4.1.1). */
export const dnsFlags = {
  response: 0x80,
  opcode: 0x78,
  authoritative: 0x04,
  truncated: 0x02,
  recursionDesired: 0x01,
} as const
export const rcodeMask = 0x0f

/** Class IN (RFC 1035 §3.2.4) and type OPT (RFC 6891 §6.1.1). */
export const internetClass = 1
export const optType = 41

/** Largest answer over UDP without EDNS (RFC 1035 §2.3.4). */
export const mostPlainBytes = 512

export interface DnsQuestion {
  /** 16 bits. */
  readonly id: number
  readonly name: string
  readonly type: RecordType
  readonly isRecursive: boolean
  /** Largest accepted UDP answer, announced with EDNS (RFC 6891 §6.2.3); 0 disables EDNS. */
  readonly ednsBytes: number
  /** Writes each letter of the name in random case, which an answer must repeat and a forger cannot know. */
  readonly hasRandomCase: boolean
}

/** Encodes a query. Its name must be one that `dnsLabels` accepts. */
export function encodeDnsQuestion({ id, name, type, isRecursive, ednsBytes, hasRandomCase }: DnsQuestion): Uint8Array {
  const labels = dnsLabels(name) ?? []
  const question = encodeName(hasRandomCase ? labels.map(inRandomCase) : labels)
  const bytes = new Uint8Array(dnsHeaderBytes + question.length + 4 + (ednsBytes === 0 ? 0 : optRecordBytes))
  writeUint16(bytes, 0, id)
  bytes[2] = isRecursive ? dnsFlags.recursionDesired : 0
  writeUint16(bytes, 4, 1)
  bytes.set(question, dnsHeaderBytes)
  const end = dnsHeaderBytes + question.length
  writeUint16(bytes, end, recordTypes[type])
  writeUint16(bytes, end + 2, internetClass)
  if (ednsBytes === 0) return bytes
  writeUint16(bytes, 10, 1)
  // The root as name, then type and class. The remaining bytes are zero: extended code, version, flags, no options.
  writeUint16(bytes, end + 5, optType)
  writeUint16(bytes, end + 7, ednsBytes)
  return bytes
}

const optRecordBytes = 11

/** Letters have bit 5 for their case (draft-vixie-dnsext-dns0x20). */
function inRandomCase(label: Uint8Array): Uint8Array {
  const random = randomBytes(label.length)
  return label.map((byte, index) => (isLetter(byte) ? byte ^ ((random[index] ?? 0) & 0x20) : byte))
}

export function isLetter(byte: number): boolean {
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

/** Returns the ID of a response (RFC 1035 §4.1.1: bit QR); undefined for anything else. */
export function dnsResponseId(bytes: Uint8Array): number | undefined {
  return bytes.length < 3 || ((bytes[2] ?? 0) & dnsFlags.response) === 0 ? undefined : readUint16(bytes, 0)
}

/** Returns the reverse name of an address (RFC 1035 §3.5, RFC 3596 §2.5); returns any other name unchanged. */
export function reverseName(name: string): string {
  if (isIPv4(name)) return `${name.split('.').toReversed().join('.')}.in-addr.arpa`
  if (isIPv6(name)) return `${[...expandIpv6(name)].toReversed().join('.')}.ip6.arpa`
  return name
}

/** Returns the 32 hexadecimal digits of an address, without its zone. */
export function expandIpv6(address: string): string {
  const [withoutZone] = address.split('%', 1)
  const { hostname } = new URL(`http://[${withoutZone}]`)
  const [head = '', tail] = hostname.slice(1, -1).split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right]
  return groups.map((group) => group.padStart(4, '0')).join('')
}
