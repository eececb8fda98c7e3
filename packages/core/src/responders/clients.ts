import type { Socket } from 'node:net'

/** The open connections of a server, the oldest first. */
type Connections = ReadonlyMap<Socket, { readonly client: string }>

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

/** Unmaps an IPv4 address: dual-stack sockets report IPv4 clients as ::ffff:10.0.0.1 (RFC 4291 §2.5.5.2). */
export function bareAddress(address: string): string {
  return address.replace(/^::ffff:/i, '')
}
