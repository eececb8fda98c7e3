import { internetChecksum } from './checksum.ts'

/** An ICMP echo message of either family (RFC 792 "Echo or Echo Reply Message", RFC 4443 §4.1–4.2). */
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

const headerBytes = 8

/** For IPv6 the checksum is left zero: it covers a pseudo-header, so the kernel fills it in (RFC 3542 §3.1). */
export function encodeEcho(version: Version, { kind, identifier, sequence, payload }: Echo): Uint8Array {
  // Without a DataView, which would move the bytes out of the heap and cost more than all the rest.
  const message = new Uint8Array(headerBytes + payload.length)
  message[0] = types[version][kind]
  putUint16(message, 4, identifier)
  putUint16(message, 6, sequence)
  message.set(payload, headerBytes)
  if (version === 'ipv4') putUint16(message, 2, internetChecksum(message))
  return message
}

/** Undefined when the bytes are not an intact echo message. */
export function decodeEcho(version: Version, message: Uint8Array): Echo | undefined {
  if (message.length < headerBytes) return undefined
  if (version === 'ipv4' && internetChecksum(message) !== 0) return undefined
  const [type, code] = message
  const kind = type === types[version].request ? 'request' : type === types[version].reply ? 'reply' : undefined
  if (kind === undefined || code !== 0) return undefined
  return { kind, identifier: uint16(message, 4), sequence: uint16(message, 6), payload: message.subarray(headerBytes) }
}

function putUint16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8
  bytes[offset + 1] = value
}

function uint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0)
}
