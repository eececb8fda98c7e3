import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, isIPv6, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** Starts a TCP server that calls `onConnection` for each connection until the test ends. Returns its port. */
export async function listenTcp(onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    // Errors caused by a misbehaving peer do not matter to the test.
    socket.on('error', () => {})
    onConnection(socket)
  })
  server.listen({ host, port: 0 })
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Opens a UDP socket that calls `onMessage` for each datagram until the test ends. */
export async function listenUdp(
  onMessage: (bytes: Buffer, from: RemoteInfo, socket: UdpSocket) => void,
  host = '127.0.0.1',
  port = 0,
): Promise<UdpSocket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  socket.on('message', (bytes, from) => onMessage(bytes, from, socket))
  socket.on('error', () => {})
  socket.bind(port, host)
  await once(socket, 'listening')
  onTestFinished(() => {
    socket.close()
  })
  return socket
}

/** Returns a TCP port without a listener; the near end of a connection keeps it taken. */
export async function desertedTcpPort(host = '127.0.0.1'): Promise<number> {
  const socket = connect({ host, port: await listenTcp(() => {}, host) })
  await once(socket, 'connect')
  onTestFinished(() => void socket.destroy())
  return localPortOf(socket)
}

/** Returns a UDP port that refuses datagrams: its socket is connected to itself and receives from no other. */
export async function desertedUdpPort(host = '127.0.0.1'): Promise<number> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  socket.bind(0, host)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.connect(port, host)
  await once(socket, 'connect')
  onTestFinished(() => {
    socket.close()
  })
  return port
}

function localPortOf({ localPort }: Socket): number {
  if (localPort === undefined) throw new Error('a connected socket has a local port')
  return localPort
}
