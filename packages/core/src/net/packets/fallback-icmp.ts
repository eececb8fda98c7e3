import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { FailureError, failureErrorOf } from '../../model/failure.ts'
import { nowNs, userClocks } from '../../time/clock.ts'
import { ipPacket } from '../../wire/ip.ts'
import { rawSocketRemedy } from '../native/remedies.ts'
import {
  type OpenPacketSocket,
  type PacketAddress,
  refuseOptions,
  type SendingOptions,
  sendEach,
} from './packet-socket.ts'

/** The part of the raw-socket package used here; it ships no types. */
interface RawSocketModule {
  readonly Protocol: { readonly ICMP: number; readonly ICMPv6: number }
  readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number }
  createSocket(options: { protocol: number; addressFamily: number; bufferSize: number }): RawSocket
}

interface RawSocket {
  on(event: 'message', listener: (bytes: Buffer, source: string) => void): void
  on(event: 'error', listener: (error: Error | undefined) => void): void
  send(
    bytes: Uint8Array,
    offset: number,
    length: number,
    address: string,
    before: () => void,
    after: (error: Error | null, sent: number) => void,
  ): void
  close(): void
}

// The package does not keep its open sockets alive, so this reference protects them from garbage collection.
const inUse = new Set<RawSocket>()

/** Opens an ICMP socket of the raw-socket package. This process takes the timestamps, just before sendto and on the message event. */
export const openIcmpSocket: OpenPacketSocket = (family, listener) => {
  const raw = loadRawSocket()
  const departuresNs = new Map<number, number>()
  let tickets = 0
  const socket = create(raw, family === 'ipv4')
  inUse.add(socket)
  socket.on('message', (packet, address) => {
    const atNs = nowNs()
    // Linux includes the IP header for IPv4 but not for IPv6 (raw(7), RFC 3542 §3).
    if (family === 'ipv6') return listener.arrived({ bytes: packet, address, port: 0, atNs, clock: 'user' })
    const inner = ipPacket(packet)
    if (inner === undefined) return
    listener.arrived({ bytes: inner.payload, address, port: 0, atNs, clock: 'user', ttl: inner.ttl })
  })
  // The package passes no error here, and also calls this for spurious wake-ups (EAGAIN). So attempts simply run into their deadline.
  socket.on('error', () => {})
  const send = (bytes: Uint8Array, to: PacketAddress, options?: SendingOptions): number => {
    refuseOptions(options)
    const ticket = tickets++
    departuresNs.set(ticket, nowNs())
    socket.send(
      bytes,
      0,
      bytes.length,
      to.address,
      () => departuresNs.set(ticket, nowNs()),
      (error) => {
        if (error !== null) listener.failed({ to, code: errnoOf(error), atNs: nowNs(), clock: 'user', bytes })
      },
    )
    return ticket
  }

  return {
    kind: 'raw',
    clocks: userClocks,
    port: 0,
    send,
    sendMany: (packets) => sendEach(send, packets),
    departure(ticket) {
      const atNs = departuresNs.get(ticket)
      return atNs === undefined ? undefined : { atNs, clock: 'user' }
    },
    forget: (ticket) => void departuresNs.delete(ticket),
    // Nothing to drain: the event loop timestamps packets when it reads them.
    drain: () => {},
    close() {
      inUse.delete(socket)
      socket.close()
    },
  }
}

function loadRawSocket(): RawSocketModule {
  if (!isMainThread) {
    throw new FailureError('not-supported', 'ICMP needs the raw-socket package, which works only in the main thread')
  }
  try {
    return createRequire(import.meta.url)('raw-socket') as RawSocketModule
  } catch (cause) {
    throw new FailureError(
      'not-supported',
      'ICMP needs the optional package raw-socket, which is not installed or not built here (install a C++ compiler, make and python3, then npm rebuild raw-socket)',
      { cause },
    )
  }
}

function create(raw: RawSocketModule, isIpv4: boolean): RawSocket {
  try {
    return raw.createSocket({
      protocol: isIpv4 ? raw.Protocol.ICMP : raw.Protocol.ICMPv6,
      addressFamily: isIpv4 ? raw.AddressFamily.IPv4 : raw.AddressFamily.IPv6,
      bufferSize: 65_536,
    })
  } catch (cause) {
    const code = cause instanceof Error ? errnoOf(cause) : 'EIO'
    if (code !== 'EPERM' && code !== 'EACCES')
      throw failureErrorOf(Object.assign(new Error(code, { cause }), { code }), 'opening a raw ICMP socket')
    // Opening the socket is itself the test for the privilege.
    throw new FailureError('not-permitted', `cannot open a raw ICMP socket: ${rawSocketRemedy}`, {
      cause,
      code: 'EPERM',
    })
  }
}

/** The package throws strerror's text without a code. */
const errnoByText: Readonly<Record<string, string>> = {
  'Message too long': 'EMSGSIZE',
  'Network is unreachable': 'ENETUNREACH',
  'No route to host': 'EHOSTUNREACH',
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'Invalid argument': 'EINVAL',
  'No buffer space available': 'ENOBUFS',
  'Cannot allocate memory': 'ENOMEM',
  'Too many open files': 'EMFILE',
  'Too many open files in system': 'ENFILE',
  'Resource temporarily unavailable': 'EAGAIN',
  'Cannot assign requested address': 'EADDRNOTAVAIL',
  'Address family not supported by protocol': 'EAFNOSUPPORT',
}

function errnoOf(error: Error): string {
  return errnoByText[error.message] ?? 'EIO'
}
