import type { Family } from '../../model/endpoint.ts'
import type { Clock, Clocks } from '../../time/clock.ts'

/** Where a packet goes to, or came from. `port` is 0 for protocols that have none (ICMP). */
export interface PacketAddress {
  readonly address: string
  readonly family: Family
  readonly port: number
}

/** A packet that arrived, without its IP header. `bytes` is valid only during the call that delivers it. */
export interface Arrival {
  readonly bytes: Uint8Array
  /** Where it came from. */
  readonly address: string
  /** 0 for protocols that have none. */
  readonly port: number
  /** Nanoseconds on the socket's own time line; comparable only with departures of the same socket. */
  readonly atNs: number
  /** What took the time: `user` where the socket's clock could not be trusted for this packet. */
  readonly clock: Clock
  readonly ttl?: number | undefined
  readonly trafficClass?: number | undefined
  /** Which of this host's addresses it was sent to, where the socket was opened to report it. */
  readonly localAddress?: string | undefined
}

/** When a packet left, on the socket's time line. */
export interface Departure {
  readonly atNs: number
  readonly clock: Clock
}

/** How packets are sent; what is left out is as the socket was opened with. */
export interface SendingOptions {
  /** TTL or hop limit, 1 to 255. */
  readonly ttl?: number
  /** TOS or traffic class, 0 to 255. */
  readonly trafficClass?: number
  /** IP_MTU_DISCOVER of ip(7): 0 dont (fragment as needed), 1 want, 2 do (DF, known path MTU counts), 3 probe (DF, it does not). */
  readonly mtuDiscovery?: 0 | 1 | 2 | 3
  /** Which of this host's addresses a packet leaves from; a link-local one with its zone. */
  readonly source?: string
}

/** How a socket is opened; what is left out the kernel decides. */
export interface OpeningOptions extends Omit<SendingOptions, 'source'> {
  readonly address?: string
  /** Local port of UDP. */
  readonly port?: number
  /** Interface to send and receive through. */
  readonly device?: string
  /** Whether arrivals say which of this host's addresses they were sent to. */
  readonly reportsLocal?: boolean
}

/** A packet to send. */
export interface Packet {
  readonly bytes: Uint8Array
  readonly to: PacketAddress
}

/** An error the network or this host returned for packets sent to `to`: an errno name, and the ICMP type and code if there was one. */
export interface SendError {
  readonly to: PacketAddress
  readonly code: string
  /** When this host learned of it, on the socket's time line. */
  readonly atNs: number
  readonly clock: Clock
  readonly icmp?: { readonly type: number; readonly code: number; readonly from: string; readonly mtu?: number }
  /** The packet the error is about, where the kernel tells (its first bytes). */
  readonly bytes?: Uint8Array
}

export interface PacketListener {
  arrived(arrival: Arrival): void
  failed(error: SendError): void
  /** This many packets were dropped because the receive buffer was full: missing answers may be among them. */
  overflowed(packets: number): void
}

/**
 * A datagram or raw socket with times for what it sends and receives. Providers differ only in how exact these are: `clocks` says what
 * to expect, and each departure and arrival names its own clock.
 */
export interface PacketSocket {
  /** What the kernel was asked for: a ping socket may be permitted where a raw one is not. */
  readonly kind: 'raw' | 'ping' | 'datagram'
  readonly clocks: Clocks
  /** Local ports it may send from, where the packets themselves carry them. */
  readonly ports: readonly number[]
  /** Its local port; 0 where packets carry their own or have none. */
  readonly port: number
  /**
   * Hands one packet to the kernel and returns a ticket for its departure. Throws the system's error (with `code`) when the kernel
   * refuses it, and `ENOTSUP` where this socket cannot follow the options.
   */
  send(bytes: Uint8Array, to: PacketAddress, options?: SendingOptions): number
  /** Hands many packets over in as few calls as possible; returns a ticket for each, or the error it was refused with. */
  sendMany(packets: readonly Packet[]): readonly (number | Error)[]
  /** Returns when the packet of this ticket left. Call it when the answer is there; undefined when that was too long ago. */
  departure(ticket: number): Departure | undefined
  /** Releases the departure of this ticket. */
  forget(ticket: number): void
  /**
   * Delivers what has arrived by now, before it returns. For deadlines: a busy event loop runs timers before it reads sockets, so
   * an answer that is in time may wait behind the timer that would call it late.
   */
  drain(): void
  close(): void
}

/**
 * Opens a socket of one kind. Throws `FailureError` (not-permitted, not-supported) when this process cannot have one, and the
 * system's error where it cannot be bound as the options say.
 */
export type OpenPacketSocket = (family: Family, listener: PacketListener, options?: OpeningOptions) => PacketSocket

/** `sendMany` for sockets that can send only one packet at a time. */
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

/** @throws a system error of code `ENOTSUP` where there are options */
export function refuseOptions(options: SendingOptions | undefined): void {
  if (options !== undefined && Object.keys(options).length > 0)
    throw Object.assign(new Error('packets without the native part have no TTL, traffic class or DF of their own'), {
      code: 'ENOTSUP',
    })
}
