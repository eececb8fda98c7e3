import { decodeEchoDatagram, type EchoKey, encodeEchoDatagram, isGenuineEcho } from '../wire/echo-datagram.ts'
import { createCounters, type Listen, type Responder } from './responder.ts'
import { startUdpServer } from './udp-socket.ts'

/** Starts the responder for `udp` probes. Answers each genuine request with one datagram of the same size, from the requested address. */
export async function startUdpResponder({
  host,
  port,
  key = '',
}: Listen & { readonly key?: EchoKey }): Promise<Responder> {
  const counters = createCounters()
  const server = await startUdpServer({ host, port }, ({ bytes, port: from, answer }) => {
    const request = decodeEchoDatagram(bytes)
    // Source port 0 means that no answer is expected (RFC 768), and none can be sent to it.
    if (request?.kind !== 'request' || !isGenuineEcho(bytes, key) || from === 0) {
      counters.rejected++
      return
    }
    answer(encodeEchoDatagram({ ...request, kind: 'reply' }, bytes.length, key), (isSent) => {
      if (isSent) counters.answered++
      else counters.unsent++
    })
  })
  return { port: server.port, counters, close: server.close }
}
