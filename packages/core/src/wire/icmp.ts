import { writeUint16, writeUint32 } from './bytes.ts'
import { internetChecksum } from './checksum.ts'

/** ICMP echo message of either family (RFC 792 "Echo or Echo Reply Message", RFC 4443 §4.1–4.2). */
export interface Echo {
  readonly kind: 'request' | 'reply'
  /** 16 bits. */
  readonly identifier: number
  /** 16 bits. */
  readonly sequence: number
  readonly payload: Uint8Array
}

type Version = 'ipv4' | 'ipv6'

const types = { ipv4: { request: 8, reply: 0 }, ipv6: { request: 128, reply: 129 } } as const

/** Size of the header before the payload. */
export const echoHeaderBytes = 8

/** Encodes an echo message. For IPv6 the checksum stays zero: it covers a pseudo-header, so the kernel sets it (RFC 3542 §3.1). */
export function encodeEcho(version: Version, { kind, identifier, sequence, payload }: Echo): Uint8Array {
  // From Buffer's pool: the native part needs the bytes outside the heap, and those of a small array would have to be moved there first.
  const message = Buffer.allocUnsafe(echoHeaderBytes + payload.length)
  writeUint32(message, 0, types[version][kind] * 0x100_0000)
  writeUint16(message, 4, identifier)
  writeUint16(message, 6, sequence)
  message.set(payload, echoHeaderBytes)
  if (version === 'ipv4') writeUint16(message, 2, internetChecksum(message))
  return message
}

/** Returns the kind of an echo message, which may have been altered; undefined for anything else. */
export function echoKindOf(version: Version, message: Uint8Array): Echo['kind'] | undefined {
  if (message.length < echoHeaderBytes || message[1] !== 0) return undefined
  return message[0] === types[version].reply ? 'reply' : message[0] === types[version].request ? 'request' : undefined
}

/** Returns whether a message has its checksum. For IPv6 the kernel has verified it. */
export function isIntact(version: Version, message: Uint8Array): boolean {
  return version === 'ipv6' || internetChecksum(message) === 0
}
