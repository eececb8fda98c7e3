import { connect, type Socket } from 'node:net'
import type { Endpoint, Family } from '../model/endpoint.ts'
import { inNamespace } from './host/namespace.ts'
import { sourceAddressOf } from './host/route.ts'
import { type Exchange, openExchange, type Stray } from './packets/exchange.ts'
import { providerOf, type Transport } from './packets/providers.ts'
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
  /**
   * Returns the observer of this host's connections to a port. It stays open, because closing one waits for all processors: packet(7)
   * sockets are freed after an RCU grace period. Throws as `exchange` does.
   */
  observer(remotePort: number): ConnectionObserver
  /** Starts a TCP connection, which the caller closes. Throws as `exchange` does. */
  connect(endpoint: Endpoint): Socket
  /** Returns the address this vantage sends from. Throws `FailureError` if it has no route to the destination. */
  sourceAddress(family: Family, destination: string): string
  close(): void
}

export interface SocketsOptions {
  readonly onStray: (protocol: string, stray: Stray) => void
  /** Path of the network namespace to open them in (default: the thread's own). */
  readonly namespace?: string | undefined
}

export function createSockets({ onStray, namespace }: SocketsOptions): Sockets {
  const inside = <T>(openThere: () => T): T =>
    namespace === undefined ? openThere() : inNamespace(namespace, openThere)
  const exchanges = { ipv4: new Map<ExchangeKind, Exchange>(), ipv6: new Map<ExchangeKind, Exchange>() }
  const observers = new Map<number, ConnectionObserver>()
  return {
    exchange(kind, family) {
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
    },
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
    sourceAddress: (family, destination) => inside(() => sourceAddressOf(family, destination)),
    close() {
      for (const observer of observers.values()) observer.close()
      observers.clear()
      for (const opened of Object.values(exchanges)) {
        for (const exchange of opened.values()) exchange.close()
        opened.clear()
      }
    },
  }
}
