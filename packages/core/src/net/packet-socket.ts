import type { Clocks, Family } from '../probe.ts'

/** Where a packet goes to, or came from. `port` is 0 for protocols that have none (ICMP). */
export interface PacketAddress {
  readonly address: string
  readonly family: Family
  readonly port: number
}

/** A packet that arrived, without its IP header. `bytes` is valid only during the call that delivers it. */
export interface Arrival {
  readonly bytes: Uint8Array
  readonly from: PacketAddress
  /** Nanoseconds on the socket's own time line; comparable only with departures of the same socket. */
  readonly atNs: number
  readonly ttl?: number
}

/** An error the network or this host returned for packets sent to `to`: an errno name, and the ICMP type and code if there was one. */
export interface SendError {
  readonly to: PacketAddress
  readonly code: string
  readonly icmp?: { readonly type: number; readonly code: number; readonly from: string; readonly mtu?: number }
  /** The packet the error is about, where the kernel tells (its first bytes). */
  readonly bytes?: Uint8Array
}

export interface PacketListener {
  arrived(arrival: Arrival): void
  failed(error: SendError): void
}

/**
 * A datagram or raw socket that knows when its packets left and arrived. What differs between providers is only how well it
 * knows: `clocks` says so, and every result made from this socket carries it.
 */
export interface PacketSocket {
  readonly clocks: Clocks
  /**
   * Hands one packet to the kernel and returns a ticket for its departure. Throws the system's error (with `code`) when the kernel
   * refuses it.
   */
  send(bytes: Uint8Array, to: PacketAddress): number
  /** When the packet of this ticket left, on the socket's time line. Asked once per ticket, when its answer is there. */
  departureNs(ticket: number): number
  /** The packet of this ticket needs no departure any more. */
  forget(ticket: number): void
  close(): void
}

/** Opens a socket of one kind; throws `FailureError` (not-permitted, not-supported) when this process cannot have one. */
export type OpenPacketSocket = (family: Family, listener: PacketListener) => PacketSocket
