import type { Socket } from 'node:net'
import type { Clocks } from '../../time/clock.ts'
import { nativePart, tcpInfoOf } from '../native/native.ts'

/** Of a handshake the kernel has timed. */
export const handshakeClocks: Clocks = { tx: 'tcp-info', rx: 'tcp-info' }

/** What the kernel knows of a handshake that has just been completed. */
export interface Handshake {
  /** SYNs sent again before one was answered; absent when the first was. */
  readonly synRetransmits?: number
  /** Largest segment this connection sends, in bytes. */
  readonly segmentBytes?: number
  /** The kernel's time for it; absent after a retransmission, when no clean sample exists (RFC 6298 §3, Karn's algorithm). */
  readonly time?: { readonly tookNs: number; readonly clocks: Clocks }
}

/**
 * Asks the kernel at once after 'connect', before anything is written: `tcpi_rtt` is then the time from SYN to SYN-ACK and nothing
 * else. Undefined where the native part is absent, or the connection gone.
 */
export function handshakeOf(socket: Socket): Handshake | undefined {
  const part = nativePart()
  const info = part.isPresent ? tcpInfoOf(part.native, socket) : undefined
  if (info === undefined) return undefined
  const { retransmits = 0, rttUs, sendMss } = info
  return {
    ...(retransmits > 0 ? { synRetransmits: retransmits } : {}),
    ...(sendMss === undefined ? {} : { segmentBytes: sendMss }),
    ...(retransmits > 0 || rttUs === undefined || rttUs === 0
      ? {}
      : { time: { tookNs: rttUs * 1000, clocks: handshakeClocks } }),
  }
}
