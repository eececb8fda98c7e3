import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Exchange } from './incoming-request.ts'

interface Waiting extends Exchange {
  /** Whether the client waits to be asked for the body. */
  readonly isAwaited: boolean
  /** Status, if it is not answered otherwise. */
  readonly rejection: number | undefined
}

/** An open connection of a server. */
export interface Connection {
  readonly client: string
  /** Requests whose turn to be answered has not come. */
  readonly waiting: Waiting[]
  /** Of the heads of those. */
  waitingBytes: number
  /** The request whose headers were read last. */
  latest: IncomingMessage | undefined
  /** When the answer that is under way was begun. */
  answeringSinceMs: number | undefined
  /** When it ends without a request; infinite while node:http sees to that. */
  requestDueMs: number
  /** Until its first request, while it has had only simple ones, and once node:http has it. */
  phase: 'new' | 'simple' | 'parsed'
}

/** Those of a server, the oldest first. */
type Connections = ReadonlyMap<Socket, Connection>

/** Returns the connections of a client, the oldest first. */
export function connectionsOf(connections: Connections, client: string): readonly Socket[] {
  return [...connections].flatMap(([socket, other]) => (other.client === client ? [socket] : []))
}

/** Returns the oldest connection of the client that has the most; undefined if none has more than this client would. */
export function oldestOfMost(connections: Connections, newcomer: string): Socket | undefined {
  const counts = new Map<string, number>()
  for (const { client } of connections.values()) counts.set(client, (counts.get(client) ?? 0) + 1)
  const own = (counts.get(newcomer) ?? 0) + 1
  const most = Math.max(...counts.values())
  if (most <= own) return undefined
  for (const [socket, { client }] of connections) if (counts.get(client) === most) return socket
  return undefined
}

/**
 * Ends a connection at once. A reset also frees what the kernel holds for a client that does not read; after the end of what this side sends,
 * libuv has none, and would lose the descriptor (EINVAL).
 */
export function cut(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/** Unmaps an IPv4 address: dual-stack sockets report IPv4 clients as ::ffff:10.0.0.1 (RFC 4291 §2.5.5.2). */
export function bareAddress(address: string): string {
  return address.replace(/^::ffff:/i, '')
}
