import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** What this file uses of the raw-socket package, which ships no types. */
interface RawSocketModule {
  readonly Protocol: { readonly ICMP: number }
  readonly SocketLevel: { readonly SOL_SOCKET: number; readonly IPPROTO_IP: number }
  readonly SocketOption: { readonly IP_HDRINCL: number; readonly SO_RCVBUF: number }
  createSocket(options: { protocol: number }): RawSocket
  writeChecksum(bytes: Buffer, offset: number, checksum: number): void
  createChecksum(bytes: Buffer): number
}

interface RawSocket {
  on(event: 'message', listener: (packet: Buffer, source: string) => void): void
  on(event: 'error', listener: () => void): void
  setOption(level: number, option: number, value: number): void
  send(bytes: Buffer, offset: number, length: number, address: string, after: () => void): void
}

const open: RawSocket[] = []

/** Answers IPv4 echo requests to any address of this host in place of the kernel, `delayMs` after they arrive. */
export function answerEchoesAfter(delayMs: number): void {
  const raw = createRequire(import.meta.url)('raw-socket') as RawSocketModule
  const { SOL_SOCKET, IPPROTO_IP } = raw.SocketLevel
  const { IP_HDRINCL, SO_RCVBUF } = raw.SocketOption
  writeFileSync('/proc/sys/net/ipv4/icmp_echo_ignore_all', '1')
  const socket = raw.createSocket({ protocol: raw.Protocol.ICMP })
  open.push(socket) // unreferenced it would be closed as garbage
  socket.setOption(IPPROTO_IP, IP_HDRINCL, 1)
  socket.setOption(SOL_SOCKET, SO_RCVBUF, 4 << 20)
  socket.on('error', () => {}) // the package calls this for a wake-up without a packet
  socket.on('message', (packet, source) => {
    const reply = replyTo(Buffer.from(packet))
    if (reply === undefined) return
    const { icmp } = reply
    raw.writeChecksum(icmp, 2, raw.createChecksum(icmp))
    setTimeout(() => socket.send(reply.packet, 0, reply.packet.length, source, () => {}), delayMs)
  })
}

/** The request with its addresses exchanged and its type changed (RFC 792, "Echo or Echo Reply Message"); undefined if it is none. */
function replyTo(packet: Buffer): { readonly packet: Buffer; readonly icmp: Buffer } | undefined {
  const headerBytes = (packet.readUInt8(0) & 0x0f) * 4
  const icmp = packet.subarray(headerBytes)
  if (icmp.length < 8 || icmp[0] !== 8) return undefined
  const source = packet.readUInt32BE(12)
  packet.writeUInt32BE(packet.readUInt32BE(16), 12)
  packet.writeUInt32BE(source, 16)
  icmp[0] = 0
  icmp.writeUInt16BE(0, 2)
  return { packet, icmp }
}
