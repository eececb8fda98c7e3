import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { decodeEchoDatagram, type EchoKey, encodeEchoDatagram, isGenuineEcho } from '../wire/echo-datagram.ts'
import { createCounters, type Listen, type Responder } from './responder.ts'

/** Answers the `udp` probe: genuine requests only, each with one datagram of the same size. */
export async function startUdpResponder({
  host,
  port,
  key = '',
}: Listen & { readonly key?: EchoKey }): Promise<Responder> {
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 })
  const counters = createCounters()
  socket.on('message', (bytes, from) => {
    const request = decodeEchoDatagram(bytes)
    // Port 0 says that no answer is wanted (RFC 768), and none can be sent there.
    if (request?.kind !== 'request' || !isGenuineEcho(bytes, key) || from.port === 0) {
      counters.rejected++
      return
    }
    socket.send(
      encodeEchoDatagram({ ...request, kind: 'reply' }, bytes.length, key),
      from.port,
      from.address,
      (error) => {
        if (error === null) counters.answered++
        else counters.unsent++
      },
    )
  })
  socket.bind(port, host)
  try {
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw error
  }
  // Errors after this (a refused answer on some platforms) concern one datagram and are counted where it was sent.
  socket.on('error', () => counters.unsent++)
  return {
    port: socket.address().port,
    counters,
    async close() {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}
