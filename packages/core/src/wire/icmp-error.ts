import type { Family } from '../model/endpoint.ts'
import { readUint16, readUint32 } from './bytes.ts'
import { internetChecksum } from './checksum.ts'
import { type IpPacket, ipPacket } from './ip.ts'

/** An entry of an MPLS label stack (RFC 3032 §2.1). */
export interface MplsLabel {
  readonly label: number
  readonly trafficClass: number
  readonly ttl: number
  readonly isBottom: boolean
}

/** An ICMP error of either family (RFC 792, RFC 4443 §3). */
export interface IcmpErrorMessage {
  readonly type: number
  readonly code: number
  /** Next-hop MTU, if it says that a packet was too big. */
  readonly mtu?: number
  /** The packet it is about. Most routers truncate it, some after 8 bytes of its payload. */
  readonly quoted: IpPacket
  /** Label stack with which that packet arrived at the router, outermost first. */
  readonly labels: readonly MplsLabel[]
}

const headerBytes = 8

/** Returns an ICMP error that a raw socket received; undefined for anything else, and if its checksum is wrong. */
export function decodeIcmpError(family: Family, message: Uint8Array): IcmpErrorMessage | undefined {
  const [type = 0, code = 0] = message
  const kind = kinds[family][type]
  if (message.length < headerBytes || kind === undefined) return undefined
  // The kernel verifies the checksum of ICMPv6 only, which covers addresses (RFC 3542 §3.1).
  if (family === 'ipv4' && internetChecksum(message) !== 0) return undefined
  const body = message.subarray(headerBytes)
  const wordBytes = family === 'ipv4' ? 4 : 8
  const quotedBytes = kind === 'extensible' ? (message[family === 'ipv4' ? 5 : 4] ?? 0) * wordBytes : 0
  const quoted = ipPacket(quotedBytes === 0 ? body : body.subarray(0, quotedBytes))
  if (quoted === undefined) return undefined
  const mtu = mtuIn(family, message)
  return {
    type,
    code,
    ...(mtu === 0 ? {} : { mtu }),
    quoted,
    labels: kind === 'extensible' ? labelsBehind(body, quotedBytes) : [],
  }
}

/** Types of errors, and whether they may have extensions (RFC 4884 §4). */
const kinds: Readonly<Record<Family, Readonly<Record<number, 'plain' | 'extensible'>>>> = {
  ipv4: { 3: 'extensible', 11: 'extensible', 12: 'extensible' },
  ipv6: { 1: 'extensible', 2: 'plain', 3: 'extensible', 4: 'plain' },
}

/** RFC 1191 §4, RFC 4443 §3.2. Old routers leave it 0. */
function mtuIn(family: Family, message: Uint8Array): number {
  if (family === 'ipv6') return message[0] === 2 ? readUint32(message, 4) : 0
  return message[0] === 3 && message[1] === 4 ? readUint16(message, 6) : 0
}

/** RFC 4884 §3: the quoted packet is padded to at least this length if extensions follow it. */
const leastQuotedBytes = 128

/**
 * Returns the label stack of the extensions behind the quoted packet. Older routers leave its length 0; then what follows 128 bytes
 * is taken for extensions only if its checksum is right (RFC 4884 §5.5).
 */
function labelsBehind(body: Uint8Array, quotedBytes: number): readonly MplsLabel[] {
  const isDeclared = quotedBytes > 0
  if (isDeclared && quotedBytes < leastQuotedBytes) return []
  const structure = body.subarray(isDeclared ? quotedBytes : leastQuotedBytes)
  return isExtensionStructure(structure, isDeclared) ? labelsIn(structure) : []
}

const extension = { version: 2, headerBytes: 4, checksum: 2, objectHeaderBytes: 4 } as const

/** RFC 4884 §7: a checksum of 0 means that none was computed. */
function isExtensionStructure(structure: Uint8Array, isDeclared: boolean): boolean {
  if (structure.length < extension.headerBytes || (structure[0] ?? 0) >>> 4 !== extension.version) return false
  if (readUint16(structure, extension.checksum) === 0) return isDeclared
  return internetChecksum(structure) === 0
}

/** Class and type of the object with the label stack of the packet as it arrived (RFC 4950 §3). */
const labelStack = { class: 1, type: 1, entryBytes: 4 } as const

/** RFC 4884 §8: each object begins with its length, including this header. Whatever lies behind an impossible length is ignored. */
function labelsIn(structure: Uint8Array): readonly MplsLabel[] {
  const labels: MplsLabel[] = []
  let at: number = extension.headerBytes
  while (at + extension.objectHeaderBytes <= structure.length) {
    const end = at + readUint16(structure, at)
    if (end < at + extension.objectHeaderBytes || end > structure.length) break
    if (structure[at + 2] === labelStack.class && structure[at + 3] === labelStack.type) {
      const start = at + extension.objectHeaderBytes
      for (let entry = start; entry + labelStack.entryBytes <= end; entry += labelStack.entryBytes)
        labels.push(labelOf(readUint32(structure, entry)))
    }
    at = end
  }
  return labels
}

function labelOf(entry: number): MplsLabel {
  return {
    label: Math.floor(entry / 0x1000),
    trafficClass: (entry >>> 9) & 0x7,
    ttl: entry & 0xff,
    isBottom: (entry & 0x100) !== 0,
  }
}
