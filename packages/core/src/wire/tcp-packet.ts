import { type IpPacket, ipPacket } from './ip.ts'
import { decodeTcpHeader, type TcpHeader } from './tcp-header.ts'

/** A TCP segment with the IP packet it came in. */
export interface TcpPacket extends TcpHeader, Pick<IpPacket, 'source' | 'destination'> {
  /** By the lengths in the headers, so of the whole segment. */
  readonly payloadBytes: number
}

/** Undefined when the packet is no TCP segment, or cut before the end of its TCP header's fixed part. */
export function decodeTcpPacket(packet: Uint8Array): TcpPacket | undefined {
  const ip = ipPacket(packet)
  if (ip?.protocol !== 6) return undefined
  const header = decodeTcpHeader(ip.payload)
  if (header === undefined) return undefined
  const { source, destination } = ip
  return { ...header, source, destination, payloadBytes: Math.max(0, ip.payloadBytes - header.headerBytes) }
}
