import { connect, type Socket } from 'node:net'
import type { Endpoint, Family } from '../model/endpoint.ts'
import { FailureError } from '../model/failure.ts'
import { inNamespace } from './host/namespace.ts'
import { withZone } from './host/zone.ts'
import { nativePart } from './native/native.ts'
import { type Exchange, openExchange, type Stray } from './packets/exchange.ts'
import { createNativeAsker } from './packets/native-asker.ts'
import type { PacketAddress } from './packets/packet-socket.ts'
import { providerOf, type Transport, transports } from './packets/providers.ts'
import type { Asker, Question, VolleyAsker } from './packets/question.ts'
import { createScriptAsker, type ScriptAsker, type ScriptFormat } from './packets/script-asker.ts'
import { type ConnectionObserver, observeConnections } from './tcp/connection-observer.ts'
import { openStream, type StreamKind } from './tcp/stream.ts'

/** Lets all attempts of a datagram protocol share one socket. */
export interface ExchangeKind {
  /** Protocol that owns the exchange; strays are counted under this name. */
  readonly protocol: string
  readonly transport: Transport
  readonly keyOf: (bytes: Uint8Array, family: Family, sender: number) => string | number | undefined
  /** Receives the source of a packet that is no answer. */
  readonly strange?: (from: PacketAddress) => void
}

/** Sockets of one prober in one vantage, opened on first use and closed together. */
export interface Sockets {
  /**
   * Returns the endpoint as these sockets need it: the zone of a link-local address becomes that of their network namespace. Throws
   * `FailureError` if there is no such interface.
   */
  located(endpoint: Endpoint): Endpoint
  /** Returns the exchange of this kind. Throws `FailureError` (not-permitted, not-supported) if its socket cannot be opened. */
  exchange(kind: ExchangeKind, family: Family): Exchange
  /** Opens an exchange that the caller closes, with a source port of its own. Throws as `exchange` does. */
  exchangeAlone(kind: ExchangeKind, family: Family): Exchange
  /** Returns what asks such questions: the native packet engine, or this thread where that is missing, and for those with TLVs. */
  asker(question: Pick<Question, 'format' | 'dscp' | 'asksStamps'>): Asker
  /** Returns what asks volleys: this thread. */
  volleyAsker(): VolleyAsker
  /** Returns an asker of STAMP with a socket of its own, which this thread asks by and the caller closes. */
  stampAskerAlone(): Asker
  /**
   * Returns the observer of this host's connections to a port. It stays open, because closing one waits for all processors: packet(7)
   * sockets are freed after an RCU grace period. Beyond a limit, the one used least recently is closed. Throws as `exchange` does.
   */
  observer(remotePort: number): ConnectionObserver
  /** Starts a TCP connection of Node, for where the native part is absent. The caller closes it. Throws as `exchange` does. */
  connect(endpoint: Endpoint): Socket
  /** Calls a function that opens sockets in the vantage of these. */
  inside<T>(open: () => T): T
  /** Opens an unconnected TCP socket and returns its descriptor, which the caller closes. Needs the native part. */
  openStream(kind: StreamKind): number
  close(): void
}

export interface SocketsOptions {
  readonly onStray: (protocol: string, stray: Stray) => void
  /** Path of the network namespace to open them in (default: the thread's own). */
  readonly namespace?: string | undefined
}

/** Protocol that the strays of each format are counted under. */
const protocols = { echo: 'icmp', stamp: 'udp', syn: 'syn' } as const

/** Limit on open observers, each of which has a buffer of its own. */
const mostObservers = 16

export function createSockets({ onStray, namespace }: SocketsOptions): Sockets {
  const inside = <T>(openThere: () => T): T =>
    namespace === undefined ? openThere() : inNamespace(namespace, openThere)
  const exchanges = { ipv4: new Map<ExchangeKind, Exchange>(), ipv6: new Map<ExchangeKind, Exchange>() }
  const observers = new Map<number, ConnectionObserver>()
  const exchangeOf = (kind: ExchangeKind, family: Family) => {
    const existing = exchanges[family].get(kind)
    if (existing !== undefined) return existing
    const exchange = openOne(kind, family)
    exchanges[family].set(kind, exchange)
    return exchange
  }
  const openOne = (kind: ExchangeKind, family: Family) => {
    const { open, sourcePorts } = providerOf(kind.transport)
    return openExchange({
      open: (of, listener, options) => inside(() => open(of, listener, options)),
      sourcePorts,
      family,
      isShared: kind.transport !== 'udp',
      keyOf: (bytes, sender) => kind.keyOf(bytes, family, sender),
      onStray(stray) {
        if (stray.kind === 'foreign') kind.strange?.(stray.from)
        onStray(kind.protocol, stray)
      },
    })
  }
  const native = createNativeAsker({ inside, onStray: (format, stray) => onStray(protocols[format], stray) })
  const script = createScriptAsker((format, family) => exchangeOf(scriptKinds[format], family))
  const scriptKinds: Readonly<Record<ScriptFormat, ExchangeKind>> = {
    echo: { protocol: protocols.echo, transport: transports.echo, keyOf: script.keyOf.echo },
    stamp: stampKindOf(script),
  }
  return {
    located(endpoint) {
      const locate = () => withZone(endpoint, nativePart().isPresent ? 'index' : 'name')
      return endpoint.address.includes('%') ? inside(locate) : locate()
    },
    exchange: exchangeOf,
    inside,
    exchangeAlone: openOne,
    stampAskerAlone() {
      const exchanges = new Map<Family, Exchange>()
      const asker = createScriptAsker((_, family) => {
        const exchange = exchanges.get(family) ?? openOne(kind, family)
        exchanges.set(family, exchange)
        return exchange
      })
      const kind = stampKindOf(asker)
      return {
        ...asker,
        close() {
          for (const exchange of exchanges.values()) exchange.close()
        },
      }
    },
    asker({ format, dscp, asksStamps = false }) {
      const hasTlvs = dscp !== undefined || asksStamps
      return !hasTlvs && providerOf(transports[format]).name === 'native' ? native : script
    },
    volleyAsker: () => script,
    observer(remotePort) {
      const observer = observers.get(remotePort) ?? inside(() => observeConnections([remotePort]))
      // The one used last is the last of the map.
      observers.delete(remotePort)
      observers.set(remotePort, observer)
      const [oldest] = observers
      if (oldest !== undefined && observers.size > mostObservers) {
        observers.delete(oldest[0])
        oldest[1].close()
      }
      return observer
    },
    connect({ address, port = 0 }) {
      const part = nativePart()
      if (namespace !== undefined && !part.isPresent) throw new FailureError('not-supported', part.reason)
      return connect({ host: address, port })
    },
    openStream: (kind) => openStream(namespace, kind),
    close() {
      for (const observer of observers.values()) observer.close()
      observers.clear()
      native.close()
      for (const opened of Object.values(exchanges)) {
        for (const exchange of opened.values()) exchange.close()
        opened.clear()
      }
    },
  }
}

function stampKindOf({ keyOf, strange }: ScriptAsker): ExchangeKind {
  return { protocol: protocols.stamp, transport: transports.stamp, keyOf: keyOf.stamp, strange }
}
