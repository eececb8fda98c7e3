import type { Family } from '../../model/endpoint.ts'
import type { Clock, Clocks } from '../../time/clock.ts'

/** Destination or source of a packet. `port` is 0 for protocols without ports (ICMP). */
export interface PacketAddress {
  readonly address: string
  readonly family: Family
  readonly port: number
}

/** A packet that arrived, without its IP header. `bytes` is valid only during the call that delivers it. */
export interface Arrival {
  readonly bytes: Uint8Array
  /** Source address. */
  readonly address: string
  /** Source port; 0 for protocols without ports. */
  readonly port: number
  /** Nanoseconds on the socket's own timeline; comparable only with departures of the same socket. */
  readonly atNs: number
  /** Clock of `atNs`: `user` if the socket's own clock could not be trusted for this packet. */
  readonly clock: Clock
  readonly ttl?: number | undefined
  readonly trafficClass?: number | undefined
  /** Local address it was sent to, if the socket was opened to report it. */
  readonly localAddress?: string | undefined
}

/** Time at which a packet left, on the socket's timeline. */
export interface Departure {
  readonly atNs: number
  readonly clock: Clock
}

/** Options for sending (defaults: those the socket was opened with). */
export interface SendingOptions {
  /** TTL or hop limit, 1 to 255. */
  readonly ttl?: number
  /** TOS or traffic class, 0 to 255. */
  readonly trafficClass?: number
  /** IP_MTU_DISCOVER of ip(7): 0 dont (fragment as needed), 1 want, 2 do (DF, obeys the known path MTU), 3 probe (DF, ignores it). */
  readonly mtuDiscovery?: 0 | 1 | 2 | 3
  /** Local address to send from; a link-local one includes its zone. */
  readonly source?: string
}

/** Options for opening a socket (defaults: those of the kernel). */
export interface OpeningOptions extends Omit<SendingOptions, 'source'> {
  readonly address?: string
  /** Local UDP port. */
  readonly port?: number
  /** Interface to send and receive through. */
  readonly device?: string
  /** Whether arrivals include the local address they were sent to. */
  readonly reportsLocal?: boolean
}

/** A packet to send. */
export interface Packet {
  readonly bytes: Uint8Array
  readonly to: PacketAddress
}

/** Error of the network or this host for a packet to `to`: an errno name, and the ICMP type and code if it was an ICMP error. */
export interface SendError {
  readonly to: PacketAddress
  readonly code: string
  /** Time at which this host received it, on the socket's timeline. */
  readonly atNs: number
  readonly clock: Clock
  readonly icmp?: { readonly type: number; readonly code: number; readonly from: string; readonly mtu?: number }
  /** First bytes of the packet the error is about, if the kernel provides them. */
  readonly bytes?: Uint8Array
}

export interface PacketListener {
  arrived(arrival: Arrival): void
  failed(error: SendError): void
  /** This many packets, possibly including answers, were dropped because the receive buffer was full. */
  overflowed(packets: number): void
}

/**
 * A datagram or raw socket that timestamps what it sends and receives. Providers differ only in how exact the timestamps are: `clocks`
 * is what to expect, and each departure and arrival names its own clock.
 */
export interface PacketSocket {
  /** Kind of the kernel's socket: a ping socket may be permitted where a raw one is not. */
  readonly kind: 'raw' | 'ping' | 'datagram'
  readonly clocks: Clocks
  /** Its local port; 0 if packets carry their own or have none. */
  readonly port: number
  /**
   * Sends one packet and returns a ticket for its departure. Throws the system's error (with `code`) if the kernel refuses it, and
   * `ENOTSUP` if this socket does not support the options.
   */
  send(bytes: Uint8Array, to: PacketAddress, options?: SendingOptions): number
  /** Sends many packets in as few system calls as possible. Returns a ticket for each, or the error it was refused with. */
  sendMany(packets: readonly Packet[]): readonly (number | Error)[]
  /** Returns when the packet of this ticket left. Call it when the answer arrives; undefined if the packet is too old. */
  departure(ticket: number): Departure | undefined
  /** Releases the departure of this ticket. */
  forget(ticket: number): void
  /**
   * Delivers everything that has arrived, before it returns. Deadlines need this: a busy event loop runs timers before it reads sockets,
   * so an answer that arrived in time may still be unread when its deadline's timer fires.
   */
  drain(): void
  close(): void
}

/**
 * Opens a socket of one kind. Throws `FailureError` (not-permitted, not-supported) if this process cannot open one, and the system's
 * error if it cannot be bound as requested.
 */
export type OpenPacketSocket = (family: Family, listener: PacketListener, options?: OpeningOptions) => PacketSocket

/** Implements `sendMany` for sockets that can send only one packet at a time. */
export function sendEach(send: PacketSocket['send'], packets: readonly Packet[]): readonly (number | Error)[] {
  return packets.map(({ bytes, to }) => {
    try {
      return send(bytes, to)
    } catch (error) {
      if (error instanceof Error) return error
      throw error
    }
  })
}

/**
 * Rejects all options.
 * @throws a system error with code `ENOTSUP` if there are any
 */
export function refuseOptions(options: SendingOptions | undefined): void {
  if (options !== undefined && Object.keys(options).length > 0)
    throw Object.assign(new Error('without the native part a packet cannot have its own TTL, traffic class or DF'), {
      code: 'ENOTSUP',
    })
}
