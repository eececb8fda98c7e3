import { SocketAddress } from 'node:net'
import type { Frame } from './pcap.ts'

/** The parts of a frame that a bench needs. */
export interface Packet {
  readonly atNs: number
  readonly protocol: 'icmp' | 'udp' | 'tcp'
  readonly source: string
  readonly destination: string
  /** From the header of `protocol` on. */
  readonly bytes: Buffer
  /** Length before the capture cut it. */
  readonly wholeBytes: number
}

const protocols: Readonly<Record<number, Packet['protocol']>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp' }

/** Undefined for what is none of the three: ARP, and what IPv6 does for itself without being asked. */
export function parsePacket({ atNs, bytes }: Frame): Packet | undefined {
  const etherType = bytes.readUInt16BE(12)
  const ip = bytes.subarray(14)
  if (etherType === 0x0800) {
    const headerBytes = (ip.readUInt8(0) & 0x0f) * 4
    const protocol = protocols[ip.readUInt8(9)]
    if (protocol === undefined) return undefined
    return {
      atNs,
      protocol,
      source: ip.subarray(12, 16).join('.'),
      destination: ip.subarray(16, 20).join('.'),
      bytes: ip.subarray(headerBytes),
      wholeBytes: ip.readUInt16BE(2) - headerBytes,
    }
  }
  if (etherType !== 0x86dd) return undefined
  const protocol = protocols[ip.readUInt8(6)]
  if (protocol === undefined) return undefined
  return {
    atNs,
    protocol,
    source: formatIpv6(ip.subarray(8, 24)),
    destination: formatIpv6(ip.subarray(24, 40)),
    bytes: ip.subarray(40),
    wholeBytes: ip.readUInt16BE(4),
  }
}

function formatIpv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16))
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address
}
