import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import type { Family } from '../model/endpoint.ts'
import { isSystemError } from '../model/failure.ts'
import { formatHostPort } from '../model/target.ts'
import type { Arrival, PacketListener, PacketSocket } from '../net/packets/packet-socket.ts'
import { providerOf } from '../net/packets/providers.ts'
import { startOnOnePort } from './one-port.ts'
import type { Listen } from './responder.ts'

/** A datagram that arrived; its bytes are valid only during the call that delivers it. */
export interface Datagram {
  readonly bytes: Uint8Array
  /** Source address and port. */
  readonly address: string
  readonly port: number
  /** Sends an answer from the address the datagram was sent to. Calls `done` with whether this host accepted the answer. */
  answer(bytes: Uint8Array, done: (isSent: boolean) => void): void
}

/** A bound UDP socket. */
export interface UdpServer {
  readonly port: number
  close(): Promise<void>
}

/** Starts to receive datagrams: on packet sockets of the native part if it is present, otherwise with node:dgram. */
export async function startUdpServer(listen: Listen, received: (datagram: Datagram) => void): Promise<UdpServer> {
  if (providerOf('udp').name !== 'native') return startByDgram(listen, received)
  const servers = await onBothFamilies(listen, (one) => startNatively(one, received))
  return {
    port: servers[0]?.port ?? listen.port,
    async close() {
      await Promise.all(servers.map(({ close }) => close()))
    },
  }
}

/** Starts a server, or on the host `::` one for each family, on one port. */
export async function onBothFamilies<Server extends UdpServer>(
  { host, port }: Listen,
  start: (listen: Listen) => Promise<Server>,
): Promise<readonly Server[]> {
  if (host !== '::') return [await start({ host, port })]
  return startOnOnePort(
    port,
    (one) => start({ host: '::', port: one }),
    (one) => start({ host: '0.0.0.0', port: one }),
  )
}

export function familyOfHost(host: string): Family {
  return isIPv6(host) ? 'ipv6' : 'ipv4'
}

export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

async function startNatively({ host, port }: Listen, received: (datagram: Datagram) => void): Promise<UdpServer> {
  const family = familyOfHost(host)
  const listener: PacketListener = {
    arrived: (arrival) => received(datagramOf(arrival, socket, family)),
    // Ignored: an answer went to a port that is closed by now, or this host was too busy. The prober counts both.
    failed() {},
    overflowed() {},
  }
  const socket = bound({ host, port }, () =>
    providerOf('udp').open(family, listener, { address: host, port, reportsLocal: isEverywhere(host) }),
  )
  return { port: socket.port, close: async () => socket.close() }
}

/** Adds address and port to the error of a failed bind, as node:net and node:dgram do. */
export function bound<T>({ host, port }: Listen, open: () => T): T {
  try {
    return open()
  } catch (error) {
    if (!isSystemError(error) || error.syscall !== 'bind') throw error
    const { code, syscall } = error
    const message = `bind ${code} ${formatHostPort(host, port)}`
    throw Object.assign(new Error(message, { cause: error }), { code, syscall, address: host, port })
  }
}

function datagramOf(arrival: Arrival, socket: PacketSocket, family: 'ipv4' | 'ipv6'): Datagram {
  const { bytes, address, port, localAddress } = arrival
  return {
    bytes,
    address,
    port,
    answer(answer, done) {
      try {
        const options = localAddress === undefined ? undefined : { source: localAddress }
        const ticket = socket.send(answer, { address, family, port }, options)
        socket.forget(ticket)
      } catch (error) {
        if (!isSystemError(error)) throw error
        return done(false)
      }
      done(true)
    },
  }
}

async function startByDgram({ host, port }: Listen, received: (datagram: Datagram) => void): Promise<UdpServer> {
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 })
  socket.on('message', (bytes, from) =>
    received({
      bytes,
      address: from.address,
      port: from.port,
      answer: (answer, done) => socket.send(answer, from.port, from.address, (error) => done(error === null)),
    }),
  )
  socket.bind(port, host)
  try {
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw error
  }
  // Later errors concern a single datagram (such as a refused answer on some platforms).
  socket.on('error', () => {})
  return {
    port: socket.address().port,
    async close() {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}
