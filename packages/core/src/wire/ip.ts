import type { Family } from '../model/endpoint.ts'

/** Largest payload of one UDP datagram over IPv4 (RFC 768: 65,535 minus IP and UDP headers). */
export const maxUdpPayloadBytes = 65_507

/** Size of the headers of IP and UDP, or IP and ICMP echo. */
export const datagramHeaderBytes: Readonly<Record<Family, number>> = { ipv4: 28, ipv6: 48 }

/** An IP packet, which may be truncated anywhere after its header. */
export interface IpPacket {
  /** Raw address: 4 or 16 bytes. */
  readonly source: Uint8Array
  readonly destination: Uint8Array
  /** Protocol number; for IPv6 that of the first header after the fixed one. */
  readonly protocol: number
  /** TTL or hop limit. */
  readonly ttl: number
  /** The captured part of the payload. */
  readonly payload: Uint8Array
  /** Payload size of the whole packet, from its length field. */
  readonly payloadBytes: number
}

/** Decodes an IP packet; undefined if the bytes do not start with a complete IP header (RFC 791 §3.1, RFC 8200 §3). */
export function ipPacket(packet: Uint8Array): IpPacket | undefined {
  const [first] = packet
  if (first === undefined) return undefined
  return first >>> 4 === 4 ? ipv4Packet(packet, (first & 0x0f) * 4) : first >>> 4 === 6 ? ipv6Packet(packet) : undefined
}

function ipv4Packet(packet: Uint8Array, headerBytes: number): IpPacket | undefined {
  if (headerBytes < 20 || packet.length < headerBytes) return undefined
  const view = new DataView(packet.buffer, packet.byteOffset, headerBytes)
  return {
    source: packet.subarray(12, 16),
    destination: packet.subarray(16, 20),
    protocol: view.getUint8(9),
    ttl: view.getUint8(8),
    payload: packet.subarray(headerBytes),
    payloadBytes: Math.max(0, view.getUint16(2) - headerBytes),
  }
}

const ipv6HeaderBytes = 40

function ipv6Packet(packet: Uint8Array): IpPacket | undefined {
  if (packet.length < ipv6HeaderBytes) return undefined
  const view = new DataView(packet.buffer, packet.byteOffset, ipv6HeaderBytes)
  return {
    source: packet.subarray(8, 24),
    destination: packet.subarray(24, 40),
    protocol: view.getUint8(6),
    ttl: view.getUint8(7),
    payload: packet.subarray(ipv6HeaderBytes),
    payloadBytes: view.getUint16(4),
  }
}
