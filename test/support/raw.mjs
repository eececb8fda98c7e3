import { createRequire } from 'node:module'

/**
 * @typedef {object} RawSocket
 * @property {(event: 'message', listener: (packet: Buffer, from: string) => void) => void} on
 * @property {(bytes: Uint8Array, offset: number, length: number, to: string, sent: () => void) => void} send
 * @property {() => void} close
 */

/**
 * The raw-socket package, which ships no types, as far as tests use it to play what no socket would send.
 *
 * @type {{
 *   readonly Protocol: { readonly ICMP: number, readonly UDP: number },
 *   createSocket(options: { readonly protocol: number, readonly bufferSize?: number }): RawSocket,
 *   createChecksum(bytes: Buffer): number,
 *   writeChecksum(bytes: Buffer, offset: number, checksum: number): Buffer,
 * }}
 */
export const raw = createRequire(import.meta.url)('raw-socket')
