import type { Socket } from 'node:net'
import type { Clocks } from '../../time/clock.ts'
import { nativePart, type TcpInfo, tcpInfoOf } from '../native/native.ts'

/** Clocks of a handshake that the kernel has timed. */
export const handshakeClocks: Clocks = { tx: 'tcp-info', rx: 'tcp-info' }

/** The kernel's data about a handshake. */
export interface Handshake {
  /** Retransmitted SYNs; absent if there were none. */
  readonly synRetransmits?: number
  /** Size of the largest segment this connection sends, in bytes. */
  readonly segmentBytes?: number
  /** Duration by the kernel's clock. Absent after a retransmission, which leaves no clean sample (RFC 6298 §3, Karn's algorithm). */
  readonly time?: { readonly tookNs: number; readonly clocks: Clocks }
}

/**
 * Returns the kernel's data about a handshake. Call it right after 'connect', before any write: `tcpi_rtt` is then exactly the time
 * from SYN to SYN-ACK. Undefined if the native part is absent or the connection is closed.
 */
export function handshakeOf(socket: Socket): Handshake | undefined {
  const part = nativePart()
  const info = part.isPresent ? tcpInfoOf(part.native, socket) : undefined
  return info === undefined ? undefined : handshakeFrom(info)
}

/** Reads the kernel's data about a handshake. */
export function handshakeFrom({
  retransmits = 0,
  rttUs,
  sendMss,
}: Pick<TcpInfo, 'retransmits' | 'rttUs' | 'sendMss'>): Handshake {
  return {
    ...(retransmits > 0 ? { synRetransmits: retransmits } : {}),
    ...(sendMss === undefined ? {} : { segmentBytes: sendMss }),
    ...(retransmits > 0 || rttUs === undefined || rttUs === 0
      ? {}
      : { time: { tookNs: rttUs * 1000, clocks: handshakeClocks } }),
  }
}
