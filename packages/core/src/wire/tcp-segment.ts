/** What an IP packet says of the TCP segment it carries; `packet` may be cut anywhere behind the TCP header. */
export interface TcpSegment {
  /** Addresses as the packet has them: 4 or 16 bytes. */
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
  readonly isSyn: boolean
  readonly isAck: boolean
  /** By the lengths in the headers, so of the whole segment. */
  readonly payloadBytes: number
}

const tcpProtocol = 6
const flags = { syn: 0x02, ack: 0x10 } as const

/** Undefined when the packet is no TCP segment, or has no whole TCP header (RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1). */
export function decodeTcpSegment(packet: Uint8Array): TcpSegment | undefined {
  const ip = decodeIp(packet)
  if (ip === undefined || packet.length < ip.headerBytes + 20) return undefined
  const view = new DataView(packet.buffer, packet.byteOffset + ip.headerBytes)
  const tcpHeaderBytes = (view.getUint8(12) >>> 4) * 4
  const bits = view.getUint8(13)
  return {
    source: ip.source,
    destination: ip.destination,
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    isSyn: (bits & flags.syn) !== 0,
    isAck: (bits & flags.ack) !== 0,
    payloadBytes: Math.max(0, ip.packetBytes - ip.headerBytes - tcpHeaderBytes),
  }
}

interface IpHeader {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly headerBytes: number
  readonly packetBytes: number
}

function decodeIp(packet: Uint8Array): IpHeader | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  const version = packet.length < 20 ? 0 : view.getUint8(0) >>> 4
  if (version === 4 && view.getUint8(9) === tcpProtocol) {
    return {
      source: packet.subarray(12, 16),
      destination: packet.subarray(16, 20),
      headerBytes: (view.getUint8(0) & 0x0f) * 4,
      packetBytes: view.getUint16(2),
    }
  }
  if (version === 6 && packet.length >= 40 && view.getUint8(6) === tcpProtocol) {
    return {
      source: packet.subarray(8, 24),
      destination: packet.subarray(24, 40),
      headerBytes: 40,
      packetBytes: 40 + view.getUint16(4),
    }
  }
  return undefined
}
