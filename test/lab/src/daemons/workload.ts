/**
 * What runs in a pod of the lab when nothing else does, for clients to talk to: `workload NAME`. HTTP on 8081 and 8080
 * (`/` answers its name, `/bytes/N` that many bytes, a POST how many bytes it got) and a UDP echo on the same ports.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { podPort } from '../spec.ts'

const [name = '', host = ''] = process.argv.slice(2)
const ports = [podPort, 8080]

await Promise.all(ports.flatMap((port) => [listenHttp(port), listenUdp(port)]))
console.log('ready')
process.stdin.resume().on('end', () => process.exit())

async function listenHttp(port: number): Promise<void> {
  const server = createServer(respond)
  server.listen(port, host)
  await once(server, 'listening')
}

async function listenUdp(port: number): Promise<void> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  // A failed send is an injected fault at work; the client sees it as silence.
  socket.on('message', (message, sender) => socket.send(message, sender.port, sender.address, () => {}))
  socket.bind(port, host)
  await once(socket, 'listening')
}

function respond(request: IncomingMessage, response: ServerResponse): void {
  const [, size] = /^\/bytes\/(\d+)$/.exec(request.url ?? '') ?? []
  if (request.method === 'POST') {
    let received = 0
    request.on('data', (chunk: Buffer) => (received += chunk.length))
    request.on('end', () => response.end(`${JSON.stringify({ received })}\n`))
  } else if (size !== undefined) {
    response.end(Buffer.alloc(Number(size), '.'))
  } else {
    response.end(`${JSON.stringify({ name })}\n`)
  }
}
