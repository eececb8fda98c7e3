/**
 * A listener whose accept queue is full and stays so: `full-listener PORT`. It connects to itself often enough to fill
 * the shortest queue there is, and then stands still in the middle of its event loop, so it never accepts.
 */
import { connect, createServer } from 'node:net'

const port = Number(process.argv[2])
const server = createServer()

server.listen({ port, backlog: 1 }, () => {
  // The kernel takes one connection more than the backlog says (sk_acceptq_is_full in linux/net/sock.h).
  for (let filler = 0; filler < 2; filler++) connect(port, '127.0.0.1').on('error', () => {})
  console.log('ready')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})
