import { createRequire } from 'node:module'

/**
 * @typedef {object} RawSocket
 * @property {(event: 'message', listener: (packet: Buffer, from: string) => void) => void} on
 * @property {(bytes: Uint8Array, offset: number, length: number, to: string, sent: () => void) => void} send
 * @property {() => void} close
 */

/**
 * The raw-socket package, which ships no types, as far as tests use it to send what no other socket would.
 *
 * @type {{
 *   readonly Protocol: Readonly<Record<'ICMP' | 'TCP' | 'UDP', number>>,
 *   createSocket(options: { readonly protocol: number, readonly bufferSize: number }): RawSocket,
 *   createChecksum(bytes: Buffer): number,
 *   writeChecksum(bytes: Buffer, offset: number, checksum: number): Buffer,
 * }}
 */
const raw = createRequire(import.meta.url)('raw-socket')

// A raw socket that nothing reaches from a root is garbage to the collector, even while it is in use.
/** @type {Set<RawSocket>} */
const inUse = new Set()

/**
 * Opens a raw IPv4 socket. Needs CAP_NET_RAW.
 *
 * @param {'ICMP' | 'TCP' | 'UDP'} protocol
 */
export function openRaw(protocol) {
  const socket = raw.createSocket({ protocol: raw.Protocol[protocol], bufferSize: 65_536 })
  inUse.add(socket)
  return {
    /** @param {(packet: Buffer, from: string) => void} listener takes whole packets, with their IP header */
    onPacket: (listener) => socket.on('message', listener),
    /**
     * @param {Uint8Array} bytes
     * @param {string} to
     */
    send: (bytes, to) => socket.send(bytes, 0, bytes.length, to, () => {}),
    close() {
      inUse.delete(socket)
      socket.close()
    },
  }
}

/**
 * An ICMP message with its checksum put in.
 *
 * @param {Buffer} message
 */
export function withChecksum(message) {
  const bytes = Buffer.from(message)
  bytes.writeUInt16BE(0, 2)
  return raw.writeChecksum(bytes, 2, raw.createChecksum(bytes))
}
