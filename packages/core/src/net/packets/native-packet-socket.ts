import type { Family } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf, isSystemError } from '../../model/failure.ts'
import { kernelClocks } from '../../time/clock.ts'
import { type NativeSocketKind, nativePart } from '../native/native.ts'
import { pingSocketRemedy, rawSocketRemedy } from '../native/remedies.ts'
import { type NativeError, type NativeListener, openTimedSocket } from '../native/timed-socket.ts'
import { icmpErrorOf } from './fate.ts'
import type { OpeningOptions, OpenPacketSocket, PacketListener, PacketSocket, SendError } from './packet-socket.ts'
import type { Transport } from './providers.ts'

/** Size of the largest IP packet, so that nothing is truncated. Memory is used only as packets arrive. */
export const packetBytes = 65_536

/** Buffer size for the answers and timestamps of some thousand packets while the event loop is busy. */
export const bufferBytes = 4 << 20

/** Kinds of socket for each transport, in order of preference. */
export const nativeKinds: Readonly<Record<Transport, Readonly<Record<Family, readonly NativeSocketKind[]>>>> = {
  // An unconnected socket, which still receives ICMP errors (ip(7), IP_RECVERR).
  udp: { ipv4: ['udp4'], ipv6: ['udp6'] },
  // A raw socket if this process is permitted to, otherwise a ping socket.
  icmp: { ipv4: ['icmp4', 'ping4'], ipv6: ['icmp6', 'ping6'] },
  // Receives what its filter lets pass: answers to hand-built segments.
  tcp: { ipv4: ['tcp4'], ipv6: ['tcp6'] },
}

/** Opens packet sockets of a transport by the native part. */
export function nativeSockets(transport: Transport): OpenPacketSocket {
  return (family, listener, options) =>
    openPacketSocket({ family, listener, options, kinds: nativeKinds[transport][family] })
}

type MtuDiscovery = NonNullable<OpeningOptions['mtuDiscovery']>

/** The kernel's default mode, unless net.ipv4.ip_no_pmtu_disc changes it (ip(7), IP_MTU_DISCOVER). */
const defaultMode: MtuDiscovery = 1

interface PacketSocketRequest {
  readonly family: Family
  readonly listener: PacketListener
  readonly options: OpeningOptions | undefined
  /** Candidates in order of preference; the first permitted kind is used. */
  readonly kinds: readonly NativeSocketKind[]
}

function openPacketSocket(request: PacketSocketRequest): PacketSocket {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  const { family, listener } = request
  const nativeListener: NativeListener = {
    arrived(arrival) {
      if (isPing(kind)) setIdentifier(arrival.bytes, { identifier, family })
      listener.arrived(arrival)
    },
    failed(error) {
      if (isPing(kind)) setIdentifier(error.bytes, { identifier, family })
      if (kind === 'ping6' || kind === 'icmp6') clearChecksum(error.bytes)
      // Ports and sequence number identify a segment. The checksum after them was set by the kernel or changed on the path.
      const quoted = isTcp(kind) ? error.bytes.subarray(0, 8) : error.bytes
      listener.failed(sendErrorOf({ ...error, bytes: quoted }, family))
    },
    overflowed: (packets) => listener.overflowed(packets),
  }
  const { kind, opened: socket } = openPermitted(request.kinds, (candidate) =>
    openTimedSocket(part.native, { ...request.options, kind: candidate, packetBytes, bufferBytes }, nativeListener),
  )
  let identifier = 0
  // DF is a socket option; IPv4 has no control message for it. A packet with another mode switches the socket for that packet only.
  const ownMode = request.options?.mtuDiscovery ?? defaultMode
  let mode = ownMode
  const changeMode = (wanted: MtuDiscovery) => {
    if (wanted === mode) return
    socket.configure({ mtuDiscovery: wanted })
    mode = wanted
  }
  return {
    kind: isPing(kind) ? 'ping' : isUdp(kind) ? 'datagram' : 'raw',
    clocks: kernelClocks,
    port: isUdp(kind) ? socket.port : 0,
    send(bytes, to, sending) {
      if (isPing(kind)) identifier = readIdentifier(bytes)
      changeMode(sending?.mtuDiscovery ?? ownMode)
      if (sending === undefined) return socket.send(bytes, to.address, to.port)
      return socket.sendWith(bytes, to, sending)
    },
    sendMany(packets) {
      changeMode(ownMode)
      const [first] = packets
      if (isPing(kind) && first !== undefined) identifier = readIdentifier(first.bytes)
      return socket.sendMany(
        packets.map(({ bytes }) => bytes),
        packets.map(({ to }) => to.address),
        packets.map(({ to }) => to.port),
      )
    },
    departure: (ticket) => socket.departure(ticket),
    // Departures are stored in a ring and overwritten in turn.
    forget: () => {},
    drain: () => socket.drain(),
    close: () => socket.close(),
  }
}

/** Opens the first kind of socket that this process is permitted to. Throws `FailureError` if it may open none. */
export function openPermitted<T>(
  kinds: readonly NativeSocketKind[],
  open: (kind: NativeSocketKind) => T,
): { readonly kind: NativeSocketKind; readonly opened: T } {
  let denied: unknown
  for (const kind of kinds) {
    try {
      return { kind, opened: open(kind) }
    } catch (error) {
      if (!isSystemError(error)) throw error
      if (error.syscall === 'bind' || error.syscall === 'setsockopt SO_BINDTODEVICE') throw error
      if (exhausted.has(error.code)) throw failureErrorOf(error, `opening a socket of kind ${kind}`)
      if (error.code !== 'EPERM' && error.code !== 'EACCES') throw unsupported(kind, error)
      denied = error
    }
  }
  throw new FailureError('not-permitted', whyDenied(kinds), { cause: denied, code: 'EPERM' })
}

/** Errors that mean a temporary shortage of resources. */
const exhausted: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

function whyDenied(kinds: readonly NativeSocketKind[]): string {
  if (kinds.every(isUdp)) return 'cannot open a UDP socket: a seccomp filter forbids it'
  if (!kinds.some(isPing)) return `cannot open a raw socket (${kinds.join(', ')}): ${rawSocketRemedy}`
  return `cannot open an ICMP socket: ${rawSocketRemedy}, and ${pingSocketRemedy}`
}

function unsupported(kind: NativeSocketKind, cause: Error & { readonly code: string }): FailureError {
  return new FailureError(
    'not-supported',
    `this kernel cannot open a timestamping socket of kind ${kind}: ${cause.message}`,
    {
      cause,
      code: cause.code,
    },
  )
}

function sendErrorOf(error: NativeError, family: Family): SendError {
  const { code, icmp, info, offender, address, port, atNs, clock, bytes } = error
  return {
    to: { address, family, port },
    code,
    atNs,
    clock,
    icmp: icmpErrorOf(family, { ...icmp, from: offender, info }),
    // A router may quote only the first 8 bytes after the IP header (RFC 792): all of UDP's header, none of its payload.
    ...(bytes.length === 0 ? {} : { bytes }),
  }
}

/*
 * A ping socket (SOCK_DGRAM, IPPROTO_ICMP) rewrites each request: the kernel inserts the socket's own identifier and recomputes the
 * checksum (net/ipv4/ping.c, ping_v4_push_pending_frames). For a raw ICMPv6 socket the kernel computes the checksum, too (RFC 3542
 * §3.1), and the sender leaves it zero. This code reverts these changes in replies and in requests quoted by errors, so that users of
 * the socket see the bytes they sent.
 */

const echoHeaderBytes = 8

function isPing(kind: NativeSocketKind): boolean {
  return kind === 'ping4' || kind === 'ping6'
}

function isUdp(kind: NativeSocketKind): boolean {
  return kind === 'udp4' || kind === 'udp6'
}

function isTcp(kind: NativeSocketKind): boolean {
  return kind === 'tcp4' || kind === 'tcp6'
}

function readIdentifier(message: Uint8Array): number {
  return message.length < echoHeaderBytes ? 0 : viewOf(message).getUint16(4)
}

/** Sets the identifier. For IPv4 it also updates the checksum (RFC 1624 §3), which stays valid if it was valid before. */
function setIdentifier(message: Uint8Array, { identifier, family }: { identifier: number; family: Family }): void {
  if (message.length < echoHeaderBytes) return
  const view = viewOf(message)
  const before = view.getUint16(4)
  view.setUint16(4, identifier)
  if (family === 'ipv6') return
  let sum = (~view.getUint16(2) & 0xffff) + (~before & 0xffff) + identifier
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(2, ~sum & 0xffff)
}

function clearChecksum(message: Uint8Array): void {
  if (message.length >= echoHeaderBytes) viewOf(message).setUint16(2, 0)
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}
