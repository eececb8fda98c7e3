import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, isIPv6, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A TCP server that does to each connection what the test says, until the test ends. Returns its port. */
export async function listenTcp(onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    // What a misbehaving peer brings upon itself is not the test's concern.
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

/** A UDP socket that does with each datagram what the test says, until the test ends. */
export async function listenUdp(
  onMessage: (bytes: Buffer, from: RemoteInfo, socket: UdpSocket) => void,
  host = '127.0.0.1',
): Promise<UdpSocket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  socket.on('message', (bytes, from) => onMessage(bytes, from, socket))
  socket.on('error', () => {})
  socket.bind(0, host)
  await once(socket, 'listening')
  onTestFinished(() => {
    socket.close()
  })
  return socket
}

/** A TCP port where nobody listens and nobody will: the near end of a connection holds it. */
export async function desertedTcpPort(host = '127.0.0.1'): Promise<number> {
  const socket = connect({ host, port: await listenTcp(() => {}, host) })
  await once(socket, 'connect')
  onTestFinished(() => void socket.destroy())
  return localPortOf(socket)
}

/** A UDP port that refuses what is sent to it: its socket is connected to itself and hears nobody else. */
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
