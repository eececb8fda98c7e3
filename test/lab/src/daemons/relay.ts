/**
 * Passes connections of a listener outside the lab to a port inside: `relay PORT`. The parent sends the listener over the
 * channel: a socket stays in the network namespace in which it was opened, in any process.
 */
import { connect, Server } from 'node:net'
import { pipeline } from 'node:stream/promises'

const port = Number(process.argv[2])

process.on('message', (_message, listener) => {
  if (!(listener instanceof Server)) return
  listener.on('connection', (outer) => {
    const inner = connect({ port, host: 'localhost' })
    // Either side may hang up at any time, as through any proxy; both ends are then closed, and there is nothing to report.
    for (const [from, to] of [
      [outer, inner],
      [inner, outer],
    ] as const) {
      pipeline(from, to).catch(() => {
        outer.destroy()
        inner.destroy()
      })
    }
  })
  process.send?.('ready')
})
process.on('disconnect', () => process.exit())
