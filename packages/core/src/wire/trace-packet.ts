import { randomFillSync } from 'node:crypto'
import type { Family } from '../model/endpoint.ts'
import { writeUint16, writeUint32 } from './bytes.ts'
import { internetChecksum } from './checksum.ts'

/*
 * Packets of a trace. Routers choose between equal-cost ways by a hash of addresses, protocol and ports, and some also by the first
 * bytes behind the IP header, which in ICMP include the checksum. All packets of a flow have the same ports and the same checksum, so
 * that they all take the same way (Augustin et al., "Avoiding traceroute anomalies with Paris traceroute", IMC 2006): a word without
 * meaning balances those that differ.
 */

/** Layout of a payload: a number that nobody can guess, then the word that balances it. */
const payload = { token: 0, tokenBytes: 8, balance: 8 } as const

/** Smallest payload of a packet of a trace. */
export const leastTracePayloadBytes = 12

/** An echo request whose message has the checksum `checksum` (of ICMPv6 the kernel adds the pseudo-header, which is the same for all). */
export function encodeTraceEcho(
  family: Family,
  {
    identifier,
    sequence,
    checksum,
  }: { readonly identifier: number; readonly sequence: number; readonly checksum: number },
  payloadBytes: number,
): Uint8Array {
  const headerBytes = 8
  const message = Buffer.alloc(headerBytes + payloadBytes)
  message[0] = family === 'ipv4' ? 8 : 128
  // The kernel sets the checksum of ICMPv6, which covers the length as well.
  if (family === 'ipv4') writeUint16(message, 2, checksum)
  writeUint16(message, 4, identifier)
  writeUint16(message, 6, sequence)
  randomFillSync(message, headerBytes + payload.token, payload.tokenBytes)
  const sum = family === 'ipv4' ? 0xffff : sumOf(~checksum & 0xffff, ~message.length & 0xffff)
  balance(message, headerBytes + payload.balance, sum)
  return message
}

/** The payload of a datagram, which has the same checksum as every other for this `checksum`, whatever its length. */
export function encodeTraceDatagram(payloadBytes: number, checksum: number): Uint8Array {
  const bytes = Buffer.alloc(payloadBytes)
  randomFillSync(bytes, payload.token, payload.tokenBytes)
  // The checksum of UDP covers the length twice: in its header and in the pseudo-header (RFC 768).
  const length = ~(payloadBytes + 8) & 0xffff
  balance(bytes, payload.balance, sumOf(checksum, sumOf(length, length)))
  return bytes
}

/** A SYN of a trace. Its sequence number is `high` and a word that balances it. */
export interface TraceSyn {
  readonly sourcePort: number
  readonly port: number
  /** 16 bits, different for each packet. */
  readonly high: number
  /** 16 bits, the same for all packets of a flow. */
  readonly checksum: number
  /** Addresses of both ends over IPv4, which its checksum covers. Over IPv6 the kernel sets the checksum (RFC 3542 §3.1). */
  readonly ends?: { readonly source: string; readonly destination: string }
}

const syn = { bytes: 40, flag: 0x02, window: 64_240, segmentBytes: { ipv4: 1460, ipv6: 1440 } } as const

/** Options that Linux sends (native/formats.c): segment size, SACK permitted, timestamps, no operation, window scale. */
const synOptions = [2, 4, 0, 0, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7] as const

export function encodeTraceSyn({ sourcePort, port, high, checksum, ends }: TraceSyn): Uint8Array {
  const segment = Buffer.alloc(syn.bytes)
  writeUint16(segment, 0, sourcePort)
  writeUint16(segment, 2, port)
  writeUint32(segment, 4, high * 0x1_0000 + sumOf(checksum, ~high & 0xffff))
  segment[12] = (syn.bytes / 4) << 4
  segment[13] = syn.flag
  writeUint16(segment, 14, syn.window)
  segment.set(synOptions, 20)
  writeUint16(segment, 22, ends === undefined ? syn.segmentBytes.ipv6 : syn.segmentBytes.ipv4)
  if (ends !== undefined) {
    const pseudoHeader = Buffer.alloc(12)
    pseudoHeader.set(ipv4Bytes(ends.source), 0)
    pseudoHeader.set(ipv4Bytes(ends.destination), 4)
    writeUint16(pseudoHeader, 8, 6)
    writeUint16(pseudoHeader, 10, segment.length)
    writeUint16(
      segment,
      16,
      ~sumOf(~internetChecksum(pseudoHeader) & 0xffff, ~internetChecksum(segment) & 0xffff) & 0xffff,
    )
  }
  return segment
}

function ipv4Bytes(address: string): readonly number[] {
  return address.split('.').map(Number)
}

/** Sets the word at `at`, which must be 0, so that the one's complement sum of all words is `sum`. */
function balance(bytes: Uint8Array, at: number, sum: number): void {
  writeUint16(bytes, at, sumOf(sum, internetChecksum(bytes)))
}

/** One's complement sum of two words (RFC 1071 §1). */
function sumOf(one: number, other: number): number {
  const sum = one + other
  return (sum & 0xffff) + (sum >>> 16)
}
