import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { isIPv6 } from 'node:net'
import { startDnsResponder } from '@scout/core'
import { answerEchoesAfter } from './icmp-responder.ts'
import { ports } from './ports.ts'
import { sleep } from './tool.ts'

/*
 * The far side of a bench, run in a separate network namespace: responders.ts DELAY_MS ADDRESS. Reports that it runs, and, once it has
 * been notified of its link, that it answers.
 */
const delayMs = Number(process.argv[2])
const address = process.argv[3] ?? ''
const host = '::'
const bufferBytes = 4 << 20

process.once('disconnect', () => process.exit())
process.send?.('running')
await once(process, 'message')
await startAll()
process.send?.('answering')

async function startAll(): Promise<void> {
  const echo = await listen({ host, port: ports.echo })
  echo.on('message', (bytes, { port, address }) => void later(() => echo.send(bytes, port, address)))
  // Scout's responders answer at once; what delays an answer stands before them.
  const dns = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: () => ['192.0.2.1'] })
  await relay({ host, port: ports.dns }, dns.port)
  // Of these the server is a process of its own, on the same port of the loopback device (servers.ts).
  for (const port of [ports.udp, ports.irtt, ports.sockperf]) await relay({ host: address, port }, port)
  const http = createServer((_, response) => void later(() => response.end('{"message":"connected"}\n')))
  http.listen({ host, port: ports.http, backlog: 4096 })
  await once(http, 'listening')
  if (delayMs > 0) answerEchoesAfter(delayMs)
}

interface Listen {
  readonly host: string
  readonly port: number
}

async function later(act: () => unknown): Promise<void> {
  if (delayMs > 0) await sleep(delayMs)
  await act()
}

async function listen({ host, port }: Listen): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', recvBufferSize: bufferBytes })
  socket.bind(port, host)
  await once(socket, 'listening')
  return socket
}

/** Passes datagrams on to a responder of this host, each client by a socket of its own, and the answers back. */
async function relay(at: Listen, to: number): Promise<void> {
  const front = await listen(at)
  const backs = new Map<string, Promise<Socket>>()
  front.on('message', (bytes, client) => {
    const key = `${client.port} ${client.address}`
    const opening = backs.get(key) ?? connect(client)
    backs.set(key, opening)
    void later(async () => (await opening).send(bytes))
  })

  const connect = async (client: RemoteInfo): Promise<Socket> => {
    const back = createSocket({ type: 'udp4', recvBufferSize: bufferBytes })
    back.on('message', (bytes) => front.send(bytes, client.port, client.address))
    back.connect(to, '127.0.0.1')
    await once(back, 'connect')
    return back
  }
}
