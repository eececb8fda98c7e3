import { type IpPacket, ipPacket } from './ip.ts'
import { decodeTcpHeader, type TcpHeader } from './tcp-header.ts'

/** A TCP segment with the addresses of its IP packet. */
export interface TcpPacket extends TcpHeader, Pick<IpPacket, 'source' | 'destination'> {
  /** Payload size of the whole segment, from the lengths in the headers. */
  readonly payloadBytes: number
}

/** Decodes a TCP packet; undefined if it is not TCP, or truncated within the fixed part of its TCP header. */
export function decodeTcpPacket(packet: Uint8Array): TcpPacket | undefined {
  const ip = ipPacket(packet)
  if (ip?.protocol !== 6) return undefined
  const header = decodeTcpHeader(ip.payload)
  if (header === undefined) return undefined
  const { source, destination } = ip
  return { ...header, source, destination, payloadBytes: Math.max(0, ip.payloadBytes - header.headerBytes) }
}
