import { acquireEngine, type EngineResponder, releaseEngine } from '../net/native/engine-thread.ts'
import { nativePart } from '../net/native/native.ts'
import { bufferBytes, nativeKinds, packetBytes } from '../net/packets/native-packet-socket.ts'
import { providerOf } from '../net/packets/providers.ts'
import { decodeEchoDatagram, type EchoKey, isGenuineEcho, turnIntoReply } from '../wire/echo-datagram.ts'
import { createCounters, type Listen, type Responder } from './responder.ts'
import { bound, familyOfHost, isEverywhere, onBothFamilies, startUdpServer } from './udp-socket.ts'

type UdpListen = Listen & { readonly key?: EchoKey }

/**
 * Starts the responder for `udp` probes. Answers each genuine request with one datagram of the same size, from the requested address: in
 * the thread of the native packet engine, or in this one where that is missing.
 */
export async function startUdpResponder({ host, port, key = '' }: UdpListen): Promise<Responder> {
  if (providerOf('udp').name !== 'native') return startByScript({ host, port, key })
  const responders = await onBothFamilies({ host, port }, async (listen) => startNatively({ ...listen, key }))
  const sum = (name: keyof ReturnType<EngineResponder['counts']>) =>
    responders.reduce((total, { counts }) => total + counts()[name], 0)
  return {
    port: responders[0]?.port ?? port,
    get counters() {
      return { answered: sum('answered'), rejected: sum('rejected'), unsent: sum('unsent'), dropped: sum('dropped') }
    },
    async close() {
      for (const { close } of responders) await close()
    },
  }
}

function startNatively({ host, port, key }: Required<UdpListen>) {
  const part = nativePart()
  if (!part.isPresent) throw new TypeError('the native responder needs the native part')
  const [kind = 'udp4'] = nativeKinds.udp[familyOfHost(host)]
  const thread = acquireEngine(part.native)
  try {
    const options = { kind, packetBytes, bufferBytes, address: host, port, reportsLocal: isEverywhere(host) }
    const responder = bound({ host, port }, () => thread.openResponder(options, Buffer.from(key)))
    return {
      port: responder.port,
      counts: responder.counts,
      async close() {
        responder.close()
        releaseEngine(thread)
      },
    }
  } catch (error) {
    releaseEngine(thread)
    throw error
  }
}

async function startByScript({ host, port, key }: Required<UdpListen>): Promise<Responder> {
  const counters = createCounters()
  const server = await startUdpServer({ host, port }, ({ bytes, port: from, answer }) => {
    const request = decodeEchoDatagram(bytes)
    // Source port 0 means that no answer is expected (RFC 768), and none can be sent to it.
    if (request?.kind !== 'request' || !request.isWhole || !isGenuineEcho(bytes, key) || from === 0) {
      counters.rejected++
      return
    }
    // With the padding as it came: the prober compares it.
    turnIntoReply(bytes, key)
    answer(bytes, (isSent) => {
      if (isSent) counters.answered++
      else counters.unsent++
    })
  })
  return { port: server.port, counters, close: server.close }
}
