import { endianness } from 'node:os'
import { type Clock, clockOf } from '../../time/clock.ts'
import type { Arrival, Departure, PacketAddress, SendingOptions } from '../packets/packet-socket.ts'
import { errnoName } from './errno.ts'
import type { Native, NativeSocketOptions } from './native.ts'

export interface NativeArrival extends Arrival {
  readonly isTruncated: boolean
  /** Whether an observer saw it as an outgoing packet. */
  readonly isOutgoing: boolean
}

/** ICMP error about a packet to `address`. `bytes` starts at the packet's ICMP or TCP header, for UDP at its payload. */
export interface NativeError {
  readonly bytes: Uint8Array
  /** Name of the errno. */
  readonly code: string
  readonly icmp: { readonly type: number; readonly code: number }
  /** Further data of the error: the MTU, for the types and codes that carry it. */
  readonly info: number
  readonly offender: string
  readonly address: string
  readonly port: number
  readonly atNs: number
  readonly clock: Clock
}

export interface NativeListener {
  arrived(arrival: NativeArrival): void
  failed(error: NativeError): void
  /** This many packets were dropped since the last call because the receive buffer was full. */
  overflowed(packets: number): void
}

/** An open packet socket of the native part, which reads rows into values. */
export interface TimedSocket {
  /** UDP: the local port. Ping: the identifier that the kernel inserts into every request. */
  readonly port: number
  readonly bufferBytes: number
  /** Throws the system's error; an EMSGSIZE error may include the `mtu`. */
  send(bytes: Uint8Array, address: string, port: number): number
  /** Sends with options for this packet only, except `mtuDiscovery`, which is an option of the socket: see `configure`. */
  sendWith(bytes: Uint8Array, to: Pick<PacketAddress, 'address' | 'port'>, options: SendingOptions): number
  /** Sends many packets in few system calls. Returns a ticket for each, or the error it was refused with. */
  sendMany(bytes: readonly Uint8Array[], addresses: readonly string[], ports: readonly number[]): (number | Error)[]
  /** Returns when the packet left; undefined once 8192 more packets were sent. */
  departure(ticket: number): Departure | undefined
  /** Delivers everything that has arrived before it returns, because timers run before the event loop reads sockets. */
  drain(): void
  configure(options: Omit<SendingOptions, 'source'>): void
  ref(): void
  unref(): void
  close(): void
}

export function openTimedSocket(native: Native, options: NativeSocketOptions, listener: NativeListener): TimedSocket {
  const { layout } = native
  let isOpen = true
  let tickets = 0

  const socket = native.openPacketSocket(options, (arrivals, errors, dropped) => {
    // The listener may close the socket in any of these calls.
    for (let index = 0; index < arrivals; index++) if (isOpen) listener.arrived(arrivalAt(index))
    for (let index = 0; index < errors; index++) if (isOpen) listener.failed(errorAt(index))
    if (dropped > 0 && isOpen) listener.overflowed(dropped)
  })
  const { memory } = socket
  // Node itself prevents transfers of an addon's memory. Marking it again with markAsUntransferable makes Node 24 abort when a thread
  // ends, because Node then cannot detach the buffer (node_buffer.cc, CallbackInfo::CleanupHook).
  const view = new DataView(memory)
  const bytes = Buffer.from(memory)

  const word = (offset: number) => view.getUint32(offset, isLittleEndian)
  const timeNs = (offset: number) => view.getFloat64(offset, isLittleEndian)
  const text = (start: number, length: number) => bytes.toString('latin1', start, start + length)
  const textOrNone = (start: number, length: number) => (length === 0 ? undefined : text(start, length))
  // Not a Buffer, because Buffer's slice() does not copy.
  const packet = (start: number, length: number) => new Uint8Array(memory, start, length)
  const known = (value: number) => (value < 0 ? undefined : value)

  const arrivalAt = (index: number): NativeArrival => {
    const row = layout.arrivals + index * layout.arrivalBytes
    return {
      bytes: packet(word(row + layout.arrivalStart), word(row + layout.arrivalLength)),
      isTruncated: word(row + layout.arrivalIsTruncated) !== 0,
      address: text(row + layout.arrivalAddress, word(row + layout.arrivalAddressLength)),
      port: word(row + layout.arrivalPort),
      atNs: timeNs(row + layout.arrivalAtNs),
      clock: clockOf(word(row + layout.arrivalClock)),
      ttl: known(view.getInt32(row + layout.arrivalTtl, isLittleEndian)),
      trafficClass: known(view.getInt32(row + layout.arrivalTrafficClass, isLittleEndian)),
      isOutgoing: word(row + layout.arrivalIsOutgoing) !== 0,
      localAddress: textOrNone(row + layout.arrivalLocal, word(row + layout.arrivalLocalLength)),
    }
  }

  const errorAt = (index: number): NativeError => {
    const row = layout.errors + index * layout.errorBytes
    return {
      bytes: packet(word(row + layout.errorStart), word(row + layout.errorLength)),
      code: errnoName(word(row + layout.errorNumber)),
      icmp: { type: word(row + layout.errorType), code: word(row + layout.errorCode) },
      info: word(row + layout.errorInfo),
      offender: text(row + layout.errorOffender, word(row + layout.errorOffenderLength)),
      address: text(row + layout.errorAddress, word(row + layout.errorAddressLength)),
      port: word(row + layout.errorPort),
      atNs: timeNs(row + layout.errorAtNs),
      clock: clockOf(word(row + layout.errorClock)),
    }
  }

  return {
    port: socket.port,
    bufferBytes: socket.bufferBytes,
    send(packet, address, port) {
      const ticket = socket.send(packet, address, port)
      tickets = ticket + 1
      return ticket
    },
    sendWith(packet, { address, port }, options) {
      const ticket = socket.send(packet, address, port, options)
      tickets = ticket + 1
      return ticket
    },
    sendMany(packets, addresses, ports) {
      const outcomes = socket.sendMany(packets, addresses, ports)
      tickets = (outcomes.findLast((outcome) => typeof outcome === 'number') ?? tickets - 1) + 1
      return outcomes
    },
    departure(ticket) {
      if (ticket >= tickets || ticket < tickets - layout.departureCount) return undefined
      const row = layout.departures + (ticket % layout.departureCount) * layout.departureBytes
      const leftNs = timeNs(row + layout.departureLeftNs)
      if (!Number.isNaN(leftNs)) return { atNs: leftNs, clock: 'kernel' }
      return { atNs: timeNs(row + layout.departureHandedNs), clock: 'user' }
    },
    drain: () => socket.drain(),
    configure: (changes) => socket.configure(changes),
    ref: () => socket.setRef(true),
    unref: () => socket.setRef(false),
    close() {
      isOpen = false
      socket.close()
    },
  }
}

const isLittleEndian = endianness() === 'LE'
