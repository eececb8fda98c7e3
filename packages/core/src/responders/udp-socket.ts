import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { isSystemError } from '../model/failure.ts'
import { formatHostPort } from '../model/target.ts'
import type { Arrival, PacketListener, PacketSocket } from '../net/packets/packet-socket.ts'
import { providerOf } from '../net/packets/providers.ts'
import { startOnOnePort } from './one-port.ts'
import type { Listen } from './responder.ts'

/** A datagram that arrived; its bytes are valid only during the call that delivers it. */
export interface Datagram {
  readonly bytes: Uint8Array
  /** Source port. */
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
  if (listen.host !== '::') return startNatively(listen, received)
  const [ipv6, ipv4] = await startOnOnePort(
    listen.port,
    (port) => startNatively({ host: '::', port }, received),
    (port) => startNatively({ host: '0.0.0.0', port }, received),
  )
  return {
    port: ipv6.port,
    async close() {
      await Promise.all([ipv6.close(), ipv4.close()])
    },
  }
}

async function startNatively({ host, port }: Listen, received: (datagram: Datagram) => void): Promise<UdpServer> {
  const family = isIPv6(host) ? 'ipv6' : 'ipv4'
  const isEverywhere = host === '0.0.0.0' || host === '::'
  const listener: PacketListener = {
    arrived: (arrival) => received(datagramOf(arrival, socket, family)),
    // Ignored: an answer went to a port that is closed by now, or this host was too busy. The prober counts both.
    failed() {},
    overflowed() {},
  }
  const socket = bound({ host, port }, () =>
    providerOf('udp').open(family, listener, { address: host, port, reportsLocal: isEverywhere }),
  )
  return { port: socket.port, close: async () => socket.close() }
}

/** Adds address and port to the error of a failed bind, as node:net and node:dgram do. */
function bound({ host, port }: Listen, open: () => PacketSocket): PacketSocket {
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
