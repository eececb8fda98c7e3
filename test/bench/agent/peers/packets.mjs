import { createRequire } from 'node:module'
import { createAsking } from './probes.mjs'

/**
 * The used part of the raw-socket package, which ships no types.
 *
 * @typedef {object} RawSocketModule
 * @property {{ ICMP: number, TCP: number }} Protocol
 * @property {{ IPPROTO_IP: number }} SocketLevel
 * @property {{ IP_HDRINCL: number }} SocketOption
 * @property {(options: { protocol: number }) => RawSocket} createSocket
 *
 * @typedef {object} RawSocket
 * @property {(event: 'message' | 'error', listener: (packet: Buffer) => void) => void} on
 * @property {(level: number, option: number, value: number) => void} setOption
 * @property {() => void} pauseRecv
 * @property {(bytes: Buffer, offset: number, length: number, address: string, after: (error: Error | null) => void) => void} send
 */

const ipBytes = 20
const [icmp, tcp] = [1, 6]
/** Ports below those that this kernel gives to sockets: it answers a SYN-ACK to them with RST. */
const synPorts = { first: 10_000, count: 20_000 }

/** Sends packets from any address of this host. */
export function createPackets(/** @type {string} */ agent) {
  const raw = /** @type {RawSocketModule} */ (createRequire(import.meta.url)('raw-socket'))
  const open = (/** @type {number} */ protocol) => {
    const socket = raw.createSocket({ protocol })
    socket.setOption(raw.SocketLevel.IPPROTO_IP, raw.SocketOption.IP_HDRINCL, 1)
    socket.on('error', () => {}) // the package reports a wake-up without a packet
    return socket
  }
  const echoes = open(raw.Protocol.ICMP)
  const segments = open(raw.Protocol.TCP)
  segments.pauseRecv()
  const asking = createAsking()
  let sequence = 0
  echoes.on('message', (packet) => {
    // Identifier and sequence number of an echo reply (RFC 792).
    if (packet[ipBytes] === 0) asking.answered(packet.readUInt32BE(ipBytes + 4))
  })

  return {
    /**
     * Sends an echo request and waits for the reply.
     *
     * @param {string} address
     * @param {number} payloadBytes
     */
    askEcho(address, payloadBytes) {
      const key = ++sequence
      const message = Buffer.alloc(8 + payloadBytes)
      message[0] = 8
      message.writeUInt32BE(key, 4)
      message.writeUInt16BE(checksumOf([message]), 2)
      send(echoes, packetOf({ protocol: icmp, from: address, to: agent }, message), agent)
      return asking.wait(key)
    },
    /**
     * Sends a SYN. Its answer meets no socket, so it is not counted.
     *
     * @param {string} address
     * @param {number} port
     */
    async sendSyn(address, port) {
      const segment = Buffer.alloc(24)
      segment.writeUInt16BE(synPorts.first + Math.floor(Math.random() * synPorts.count), 0)
      segment.writeUInt16BE(port, 2)
      segment.writeUInt32BE(Math.floor(Math.random() * 2 ** 32), 4)
      segment.writeUInt16BE(0x6002, 12) // six words of header, SYN
      segment.writeUInt16BE(0xffff, 14)
      segment.writeUInt32BE(0x020405b4, 20) // maximum segment size 1460
      const pseudo = Buffer.from([...bytesOf(address), ...bytesOf(agent), 0, tcp, 0, segment.length])
      segment.writeUInt16BE(checksumOf([pseudo, segment]), 16)
      send(segments, packetOf({ protocol: tcp, from: address, to: agent }, segment), agent)
    },
  }
}

/**
 * @param {RawSocket} socket
 * @param {Buffer} packet
 * @param {string} to
 */
function send(socket, packet, to) {
  socket.send(packet, 0, packet.length, to, () => {})
}

/**
 * Returns a packet whose length, identification and checksum the kernel fills in (raw(7)).
 *
 * @param {{ protocol: number, from: string, to: string }} ends
 * @param {Buffer} content
 */
function packetOf({ protocol, from, to }, content) {
  const head = Buffer.from([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0, ...bytesOf(from), ...bytesOf(to)])
  return Buffer.concat([head, content])
}

/** @param {string} address */
function bytesOf(address) {
  return address.split('.').map(Number)
}

/** Returns the checksum of bytes of even lengths (RFC 1071). */
function checksumOf(/** @type {readonly Buffer[]} */ parts) {
  let sum = 0
  for (const part of parts) for (let at = 0; at < part.length; at += 2) sum += part.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
