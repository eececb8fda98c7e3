import { isIPv4 } from 'node:net'
import { internetChecksum } from './checksum.ts'
import { leastTcpHeaderBytes, tcpFlags } from './tcp-header.ts'

export interface Syn {
  readonly sourcePort: number
  readonly destinationPort: number
  /** Initial sequence number: 32 bits, random; identifies the answer. */
  readonly sequence: number
  /** Largest segment the other side may send: an Ethernet frame minus the headers (RFC 9293 §3.7.1). */
  readonly mss: number
  /** TSval of the timestamps option (RFC 7323 §3.2). */
  readonly timestamp: number
}

/** The options Linux sends, because a SYN without options looks like a port scan. Kinds: RFC 9293 §3.2, RFC 2018 §2, RFC 7323 §2–3. */
const maximumSegmentSize = [2, 4, 0, 0]
const sackPermitted = [4, 2]
const timestamps = [8, 10, 0, 0, 0, 0, 0, 0, 0, 0]
const windowScale = [1, 3, 3, 7]
const options = [...maximumSegmentSize, ...sackPermitted, ...timestamps, ...windowScale]
const mssOffset = leastTcpHeaderBytes + 2
const timestampOffset = leastTcpHeaderBytes + maximumSegmentSize.length + sackPermitted.length + 2

/** Encodes a SYN with a zero checksum. Over IPv4 `sealSegment` sets it, over IPv6 the kernel does (RFC 3542 §3.1). */
export function encodeSyn({ sourcePort, destinationPort, sequence, mss, timestamp }: Syn): Uint8Array {
  const segment = new Uint8Array(leastTcpHeaderBytes + options.length)
  segment.set(options, leastTcpHeaderBytes)
  const view = new DataView(segment.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint32(4, sequence)
  view.setUint8(12, (segment.length / 4) << 4)
  view.setUint8(13, tcpFlags.syn)
  view.setUint16(14, 64_240)
  view.setUint16(mssOffset, mss)
  view.setUint32(timestampOffset, timestamp)
  return segment
}

/** Sets the checksum over pseudo-header and segment, for IPv4 addresses (RFC 9293 §3.1). */
export function sealSegment(segment: Uint8Array, source: string, destination: string): void {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength)
  view.setUint16(16, 0)
  const covered = new Uint8Array(12 + segment.length)
  covered.set([...octetsOf(source), ...octetsOf(destination), 0, 6, segment.length >> 8, segment.length & 0xff])
  covered.set(segment, 12)
  view.setUint16(16, internetChecksum(covered))
}

function octetsOf(address: string): readonly number[] {
  return isIPv4(address) ? address.split('.').map(Number) : []
}
