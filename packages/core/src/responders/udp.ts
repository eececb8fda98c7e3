import type { LastArrival } from '../net/native/engine-sessions.ts'
import { acquireEngine, type EngineResponder, releaseEngine } from '../net/native/engine-thread.ts'
import { nativePart } from '../net/native/native.ts'
import { bufferBytes, nativeKinds, packetBytes } from '../net/packets/native-packet-socket.ts'
import { providerOf } from '../net/packets/providers.ts'
import type { StampKey } from '../wire/stamp.ts'
import { createReflector } from './reflect.ts'
import { createCounters, type Listen, type Responder } from './responder.ts'
import { createStampSessions } from './stamp-sessions.ts'
import { bound, familyOfHost, isEverywhere, onBothFamilies, startUdpServer } from './udp-socket.ts'

type UdpListen = Listen & { readonly key?: StampKey }

/** When the last genuine request of each address was read, by the clock of `nowNs`. */
export type Arrivals = ReadonlyMap<string, number>

export interface UdpResponder extends Responder {
  /**
   * Returns what arrived, as far as its sessions are kept. With a key, only its holders appear in it; without one, anybody who can send from
   * the address of another.
   */
  arrivals(): Arrivals
}

/**
 * Starts the responder for `udp` probes, and for any Session-Sender of STAMP (RFC 8762, RFC 8972). Answers each genuine request with one
 * datagram of the same size, from the requested address: in the thread of the native packet engine, or in this one where that is missing.
 */
export async function startUdpResponder({ host, port, key = '' }: UdpListen): Promise<UdpResponder> {
  if (providerOf('udp').name !== 'native') return startByScript({ host, port, key })
  const responders = await onBothFamilies({ host, port }, async (listen) => startNatively({ ...listen, key }))
  const sum = (name: keyof ReturnType<EngineResponder['counts']>) =>
    responders.reduce((total, { counts }) => total + counts()[name], 0)
  return {
    port: responders[0]?.port ?? port,
    get counters() {
      return { answered: sum('answered'), rejected: sum('rejected'), unsent: sum('unsent'), dropped: sum('dropped') }
    },
    arrivals: () => latest(responders.flatMap(({ arrivals }) => arrivals())),
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
      arrivals: responder.arrivals,
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

async function startByScript({ host, port, key }: Required<UdpListen>): Promise<UdpResponder> {
  const counters = createCounters()
  const sessions = createStampSessions()
  const reflect = createReflector(key, sessions)
  const server = await startUdpServer({ host, port }, ({ bytes, address, port: from, answer }) => {
    // Source port 0 means that no answer is expected (RFC 768), and none can be sent to it.
    if (from === 0 || !reflect(bytes, { address, port: from })) {
      counters.rejected++
      return
    }
    answer(bytes, (isSent) => {
      if (isSent) counters.answered++
      else counters.unsent++
    })
  })
  return { port: server.port, counters, arrivals: () => latest(sessions.arrivals()), close: server.close }
}

function latest(arrivals: readonly LastArrival[]): Arrivals {
  const byAddress = new Map<string, number>()
  for (const [address, atNs] of arrivals) byAddress.set(address, Math.max(atNs, byAddress.get(address) ?? 0))
  return byAddress
}
