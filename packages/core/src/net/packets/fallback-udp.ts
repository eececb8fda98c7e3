import { createSocket, type Socket } from 'node:dgram'
import { isSystemError } from '../../model/failure.ts'
import { nowNs, userClocks } from '../../time/clock.ts'
import {
  type OpenPacketSocket,
  type PacketAddress,
  refuseOptions,
  type SendingOptions,
  sendEach,
} from './packet-socket.ts'

/** Idle time after which a connected socket is closed; longer than any attempt may wait. The next packet opens a new socket. */
const idleMs = 660_000

interface Connection {
  readonly to: PacketAddress
  readonly socket: Socket
  /** Packets queued until the socket is connected; undefined from then on. */
  waiting: { readonly bytes: Uint8Array; readonly ticket: number }[] | undefined
  usedAtMs: number
}

/**
 * Opens UDP sockets of node:dgram; this process takes the timestamps. Each endpoint has its own connected socket, for two reasons:
 * only a connected socket receives refusals (ip(7), IP_RECVERR), and an unconnected one looks up the address after the departure
 * timestamp.
 */
export const openUdpSocket: OpenPacketSocket = (family, listener) => {
  const connections = new Map<string, Connection>()
  const departuresNs = new Map<number, number>()
  let tickets = 0

  const transmit = ({ socket, to }: Connection, bytes: Uint8Array, ticket: number) => {
    departuresNs.set(ticket, nowNs())
    socket.send(bytes, (error) => {
      if (error !== null) fail(to, error, bytes)
    })
  }

  const fail = (to: PacketAddress, error: unknown, bytes?: Uint8Array) => {
    if (!isSystemError(error)) throw error
    listener.failed({ to, code: error.code, atNs: nowNs(), clock: 'user', ...(bytes === undefined ? {} : { bytes }) })
  }

  const close = (connection: Connection) => {
    const key = keyOf(connection.to)
    if (connections.get(key) === connection) connections.delete(key)
    connection.socket.close()
  }

  const connect = (to: PacketAddress): Connection => {
    const socket = createSocket({ type: family === 'ipv4' ? 'udp4' : 'udp6', recvBufferSize: 1 << 20 })
    const connection: Connection = { to, socket, waiting: [], usedAtMs: performance.now() }
    socket.on('message', (bytes) =>
      listener.arrived({ bytes, address: to.address, port: to.port, atNs: nowNs(), clock: 'user' }),
    )
    const abandon = (error: unknown) => {
      const waiting = connection.waiting ?? []
      connection.waiting = undefined
      close(connection)
      for (const { bytes } of waiting) fail(to, error, bytes)
    }
    // A socket that cannot be bound (no descriptor, no IPv6) reports it here and never calls back: the next packet opens another.
    socket.on('error', (error) => (connection.waiting === undefined ? fail(to, error) : abandon(error)))
    // A failed connect is reported to this callback, not as 'error'.
    socket.connect(to.port, to.address, (error?: unknown) => {
      if (error instanceof Error) return abandon(error)
      const waiting = connection.waiting ?? []
      connection.waiting = undefined
      for (const { bytes, ticket } of waiting) transmit(connection, bytes, ticket)
    })
    connections.set(keyOf(to), connection)
    return connection
  }

  const closeIdle = setInterval(() => {
    const horizonMs = performance.now() - idleMs
    for (const connection of connections.values()) if (connection.usedAtMs < horizonMs) close(connection)
  }, idleMs)
  closeIdle.unref()

  const send = (bytes: Uint8Array, to: PacketAddress, options?: SendingOptions): number => {
    refuseOptions(options)
    const connection = connections.get(keyOf(to)) ?? connect(to)
    const ticket = tickets++
    connection.usedAtMs = performance.now()
    if (connection.waiting === undefined) transmit(connection, bytes, ticket)
    else connection.waiting.push({ bytes, ticket })
    return ticket
  }

  return {
    kind: 'datagram',
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
      clearInterval(closeIdle)
      for (const connection of connections.values()) close(connection)
    },
  }
}

function keyOf(to: PacketAddress): string {
  return `${to.port} ${to.address}`
}
