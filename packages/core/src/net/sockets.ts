import { connect, type Socket } from 'node:net'
import type { Endpoint, Family } from '../model/endpoint.ts'
import { inNamespace } from './host/namespace.ts'
import { type Exchange, openExchange, type Stray } from './packets/exchange.ts'
import { createNativeAsker } from './packets/native-asker.ts'
import { providerOf, type Transport, transports } from './packets/providers.ts'
import type { Asker, Question } from './packets/question.ts'
import { createScriptAsker, keyOfAnswer, type ScriptFormat } from './packets/script-asker.ts'
import { type ConnectionObserver, observeConnections } from './tcp/connection-observer.ts'
import { connectFrom, openStream } from './tcp/stream.ts'

/** Lets all attempts of a datagram protocol share one socket. */
export interface ExchangeKind {
  /** Protocol that owns the exchange; strays are counted under this name. */
  readonly protocol: string
  readonly transport: Transport
  readonly keyOf: (bytes: Uint8Array, family: Family, sender: number) => string | number | undefined
}

/** Sockets of one prober in one vantage, opened on first use and closed together. */
export interface Sockets {
  /** Returns the exchange of this kind. Throws `FailureError` (not-permitted, not-supported) if its socket cannot be opened. */
  exchange(kind: ExchangeKind, family: Family): Exchange
  /** Returns what asks questions of a format: the native packet engine, or this thread where that is missing. */
  asker(format: Question['format']): Asker
  /**
   * Returns the observer of this host's connections to a port. It stays open, because closing one waits for all processors: packet(7)
   * sockets are freed after an RCU grace period. Throws as `exchange` does.
   */
  observer(remotePort: number): ConnectionObserver
  /** Starts a TCP connection, which the caller closes. Throws as `exchange` does. */
  connect(endpoint: Endpoint): Socket
  /** Opens an unconnected TCP socket and returns its descriptor, which the caller closes. Needs the native part. */
  openStream(family: Family): number
  close(): void
}

export interface SocketsOptions {
  readonly onStray: (protocol: string, stray: Stray) => void
  /** Path of the network namespace to open them in (default: the thread's own). */
  readonly namespace?: string | undefined
}

/** Protocol that the strays of each format are counted under. */
const protocols = { echo: 'icmp', datagram: 'udp', syn: 'syn' } as const

const scriptKinds: Readonly<Record<ScriptFormat, ExchangeKind>> = {
  echo: { protocol: protocols.echo, transport: transports.echo, keyOf: keyOfAnswer.echo },
  datagram: { protocol: protocols.datagram, transport: transports.datagram, keyOf: keyOfAnswer.datagram },
}

export function createSockets({ onStray, namespace }: SocketsOptions): Sockets {
  const inside = <T>(openThere: () => T): T =>
    namespace === undefined ? openThere() : inNamespace(namespace, openThere)
  const exchanges = { ipv4: new Map<ExchangeKind, Exchange>(), ipv6: new Map<ExchangeKind, Exchange>() }
  const observers = new Map<number, ConnectionObserver>()
  const exchangeOf = (kind: ExchangeKind, family: Family) => {
    const existing = exchanges[family].get(kind)
    if (existing !== undefined) return existing
    const { open, sourcePorts } = providerOf(kind.transport)
    const exchange = openExchange({
      open: (of, listener, options) => inside(() => open(of, listener, options)),
      sourcePorts,
      family,
      isShared: kind.transport !== 'udp',
      keyOf: (bytes, sender) => kind.keyOf(bytes, family, sender),
      onStray: (stray) => onStray(kind.protocol, stray),
    })
    exchanges[family].set(kind, exchange)
    return exchange
  }
  const native = createNativeAsker({ inside, onStray: (format, stray) => onStray(protocols[format], stray) })
  const script = createScriptAsker((format, family) => exchangeOf(scriptKinds[format], family))
  return {
    exchange: exchangeOf,
    asker: (format) => (providerOf(transports[format]).name === 'native' ? native : script),
    observer(remotePort) {
      const existing = observers.get(remotePort)
      if (existing !== undefined) return existing
      const observer = inside(() => observeConnections([remotePort]))
      observers.set(remotePort, observer)
      return observer
    },
    connect({ address, family, port = 0 }) {
      if (namespace === undefined) return connect({ host: address, port })
      return connectFrom(openStream(namespace, family), { host: address, port })
    },
    openStream: (family) => openStream(namespace, family),
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
