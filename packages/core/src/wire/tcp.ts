import { isIPv4 } from 'node:net'
import { internetChecksum } from './checksum.ts'

/** The part of a TCP header a half-open handshake is about (RFC 9293 §3.1). */
export interface TcpSegment {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly sequence: number
  readonly acknowledgment: number
  readonly isSyn: boolean
  readonly isAck: boolean
  readonly isReset: boolean
}

export interface Syn {
  readonly sourcePort: number
  readonly destinationPort: number
  /** Initial sequence number, 32 bits, random: what the answer is known by. */
  readonly sequence: number
  /** TSval of the timestamps option (RFC 7323 §3.2). */
  readonly timestamp: number
}

const flags = { syn: 0x02, reset: 0x04, ack: 0x10 } as const

const headerBytes = 20

/** As Linux sends them: a SYN without options looks like a port scan. Kinds are those of RFC 9293 §3.2, RFC 2018 §2, RFC 7323 §2–3. */
const mss = [2, 4, 1460 >> 8, 1460 & 0xff]
const sackPermitted = [4, 2]
const timestamps = [8, 10, 0, 0, 0, 0, 0, 0, 0, 0]
const windowScale = [1, 3, 3, 7]
const options = [...mss, ...sackPermitted, ...timestamps, ...windowScale]
const timestampOffset = headerBytes + mss.length + sackPermitted.length + 2

/** A SYN whose checksum is left zero; over IPv4 `sealSegment` puts it in, over IPv6 the kernel does (RFC 3542 §3.1). */
export function encodeSyn({ sourcePort, destinationPort, sequence, timestamp }: Syn): Uint8Array {
  const segment = new Uint8Array(headerBytes + options.length)
  segment.set(options, headerBytes)
  const view = new DataView(segment.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint32(4, sequence)
  view.setUint8(12, (segment.length / 4) << 4)
  view.setUint8(13, flags.syn)
  view.setUint16(14, 64_240)
  view.setUint32(timestampOffset, timestamp)
  return segment
}

/** Puts the checksum over pseudo-header and segment into place, for IPv4 addresses (RFC 9293 §3.1). */
export function sealSegment(segment: Uint8Array, source: string, destination: string): void {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength)
  view.setUint16(16, 0)
  const covered = new Uint8Array(12 + segment.length)
  covered.set([...octetsOf(source), ...octetsOf(destination), 0, 6, segment.length >> 8, segment.length & 0xff])
  covered.set(segment, 12)
  view.setUint16(16, internetChecksum(covered))
}

/** Undefined when the bytes are too short for a TCP header or say that theirs is longer than they are. */
export function decodeSegment(bytes: Uint8Array): TcpSegment | undefined {
  if (bytes.length < headerBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const lengthBytes = (view.getUint8(12) >>> 4) * 4
  if (lengthBytes < headerBytes || lengthBytes > bytes.length) return undefined
  const set = view.getUint8(13)
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    isSyn: (set & flags.syn) !== 0,
    isAck: (set & flags.ack) !== 0,
    isReset: (set & flags.reset) !== 0,
  }
}

function octetsOf(address: string): readonly number[] {
  return isIPv4(address) ? address.split('.').map(Number) : []
}
