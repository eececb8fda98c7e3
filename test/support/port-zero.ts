import { onTestFinished } from 'vitest'
import { openRaw } from './raw.mjs'

/**
 * Sends a datagram from port 0 to a port of 127.0.0.1. A socket always has a port, so the UDP header is made by hand
 * (RFC 768; a checksum of 0 is none). Needs CAP_NET_RAW.
 */
export function sendFromPortZero(payload: Uint8Array, port: number): void {
  const socket = openRaw('UDP')
  onTestFinished(() => socket.close())
  const datagram = Buffer.alloc(8 + payload.length)
  datagram.writeUInt16BE(port, 2)
  datagram.writeUInt16BE(datagram.length, 4)
  datagram.set(payload, 8)
  socket.send(datagram, '127.0.0.1')
}
