/**
 * An application that fills the path between two pods: `load receive PORT`, and at the other end `load send HOST PORT CONNECTIONS`. As one that
 * replicates data does, each connection has a few blocks under way and sends the next one when one is acknowledged, so that a queue on the path
 * holds them all, and no more than them.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const blockBytes = 4_000
const blocksUnderWay = 4

const [role, ...rest] = process.argv.slice(2)
process.stdin.resume().on('end', () => process.exit())
if (role === 'receive') await receive(Number(rest[0]))
else send(rest[0] ?? '', Number(rest[1]), Number(rest[2]))
console.log('ready')

async function receive(port: number): Promise<void> {
  const server = createServer((socket) => {
    let received = 0
    socket.on('error', () => {})
    socket.on('data', ({ length }) => {
      const blocks = Math.floor((received + length) / blockBytes) - Math.floor(received / blockBytes)
      received += length
      if (blocks > 0) socket.write(Buffer.alloc(blocks))
    })
  })
  server.listen(port)
  await once(server, 'listening')
}

function send(host: string, port: number, connections: number): void {
  const block = Buffer.alloc(blockBytes)
  const fill = (socket: Socket) => {
    for (let blocks = 0; blocks < blocksUnderWay; blocks++) socket.write(block)
    socket.on('data', ({ length }) => {
      for (let blocks = 0; blocks < length; blocks++) socket.write(block)
    })
  }
  const open = () => {
    const socket = connect(port, host, () => fill(socket))
    socket.setNoDelay()
    socket.on('error', () => {})
    // What a fault breaks is opened again.
    socket.on('close', () => void sleep(1_000).then(open))
  }
  for (let count = 0; count < connections; count++) open()
}
