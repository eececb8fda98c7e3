import type { Clock } from '../../time/clock.ts'
import type { MplsLabel } from '../../wire/icmp-error.ts'
import type { TimedSocket } from '../native/timed-socket.ts'

export const traceTransports = ['icmp', 'udp', 'tcp'] as const

/** What the packets of a trace are: echo requests, datagrams or SYNs. */
export type TraceTransport = (typeof traceTransports)[number]

/** A packet of a trace, and its reply. */
export interface TracePacket {
  /** From 0. */
  readonly flow: number
  readonly ttl: number
  /** The packet from its ICMP, UDP or TCP header on, as a router quotes it. */
  readonly image: Uint8Array
  readonly socket: TimedSocket
  readonly ticket: number
  /** The first that arrived. */
  reply?: Reply
}

/** An answer to a packet: of the target if it has no `icmp`, otherwise the ICMP error of a router or of the target. */
export interface Reply {
  readonly from: string
  /** On the timeline of all sockets of this thread. */
  readonly atNs: number
  readonly clock: Clock
  readonly icmp?: { readonly type: number; readonly code: number; readonly mtu?: number }
  /** MPLS labels with which the packet arrived there; absent if the kernel withholds them. */
  readonly labels?: readonly MplsLabel[]
  /** TTL or hop limit of the answer. */
  readonly ttl?: number | undefined
  /** TTL or hop limit with which the packet arrived there. */
  readonly quotedTtl?: number
}

/** Bytes of a packet that the kernel, a NAT or the path may change: its checksum, and of a SYN everything behind the sequence number. */
const changing: Readonly<Record<TraceTransport, { readonly checksum: number; readonly firmBytes: number }>> = {
  icmp: { checksum: 2, firmBytes: Number.POSITIVE_INFINITY },
  udp: { checksum: 6, firmBytes: Number.POSITIVE_INFINITY },
  tcp: { checksum: 16, firmBytes: 8 },
}

/**
 * Returns the packet that a router quotes from its byte `start` on; undefined if that is none of these, or not clear. A router may quote
 * only 8 bytes (RFC 792), which several packets of a TTL may have in common: then it is the one that was sent first.
 */
export function packetQuoted(
  packets: Iterable<TracePacket>,
  quoted: Uint8Array,
  { transport, start = 0 }: { readonly transport: TraceTransport; readonly start?: number },
): TracePacket | undefined {
  const { checksum, firmBytes } = changing[transport]
  let first: TracePacket | undefined
  for (const packet of packets) {
    const end = Math.min(start + quoted.length, packet.image.length, firmBytes)
    if (!agree(packet.image, quoted, { start, end, checksum })) continue
    if (first !== undefined && first.ttl !== packet.ttl) return undefined
    first ??= packet
  }
  return first
}

function agree(
  image: Uint8Array,
  quoted: Uint8Array,
  { start, end, checksum }: { readonly start: number; readonly end: number; readonly checksum: number },
): boolean {
  for (let at = start; at < end; at++) {
    const isChecksum = at === checksum || at === checksum + 1
    if (!isChecksum && image[at] !== quoted[at - start]) return false
  }
  return true
}
