import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Endpoint } from '../../model/endpoint.ts'
import { type Native, nativePart } from '../native/native.ts'
import { type StreamArrival, type StreamHandshake, type TimedStream, timedStreams } from '../native/timed-streams.ts'
import type { Sockets } from '../sockets.ts'
import { type Handshake, handshakeFrom, handshakeOf } from './tcp-info.ts'

/*
 * A TCP connection of a probe. Where the native part is present, it is one of its streams: the kernel times the handshake, the departure
 * of the request and the arrival of the response, and an attempt costs less than half of what it does with Node's sockets. Elsewhere, it
 * is a socket of Node.
 */

/** The outcome of a handshake. */
export interface Connected {
  /** The kernel's data; undefined without the native part. */
  readonly handshake: Handshake | undefined
  readonly sourcePort: number | undefined
}

export interface ConnectionListener {
  onConnected(connected: Connected): void
  /** The connection failed. `connected` is known if the native part saw the handshake fail. */
  onError(error: Error, connected?: Connected): void
}

export interface Connection {
  /** Returns its bytes as a stream, after it is connected. */
  stream(): Duplex
  /** Returns the kernel's data about the handshake so far; undefined once it is closed. */
  handshake(): Handshake | undefined
  /** Returns the kernel's times of one request and its response; undefined if any of them is unknown. */
  times(): ExchangeTimes | undefined
  close(): void
}

/** Times of a request and its response, in nanoseconds on the timeline of this thread. All but the first are the kernel's. */
export interface ExchangeTimes {
  /** When this process received the news that the handshake was complete. */
  readonly connectedNs: number
  /** Departure of the last byte of the request. */
  readonly sentNs: number
  /** Arrival of the first bytes of the response. If several segments were read at once, of the last of them. */
  readonly answeredNs: number
  /** Arrival of the last byte. */
  readonly receivedNs: number
}

export interface ConnectionOptions {
  /** Whether bytes are exchanged, so that the kernel should time them. */
  readonly isStamped: boolean
  /** Whether small segments are sent at once instead of waiting for the acknowledgement of the ones before (RFC 896). */
  readonly isUndelayed: boolean
}

/** Starts a connection. Throws the system's error if it cannot even begin. */
export function openConnection(
  { sockets, endpoint }: { readonly sockets: Sockets; readonly endpoint: Endpoint },
  options: ConnectionOptions,
  listener: ConnectionListener,
): Connection {
  const part = nativePart()
  if (part.isPresent) return new NativeConnection(part.native, { sockets, endpoint, ...options }, listener)
  const socket = sockets.connect(endpoint)
  if (options.isUndelayed) socket.setNoDelay(true)
  return connectionOver(socket, listener)
}

/** Returns the connection of a socket of Node. */
export function connectionOver(socket: Socket, listener: ConnectionListener): Connection {
  socket.once('connect', () => listener.onConnected({ handshake: handshakeOf(socket), sourcePort: socket.localPort }))
  // Not `once`: a reset may follow the handshake before the socket is destroyed.
  socket.on('error', (error) => listener.onError(error))
  return {
    stream: () => socket,
    handshake: () => handshakeOf(socket),
    times: () => undefined,
    close: () => void socket.destroy(),
  }
}

interface NativeRequest extends ConnectionOptions {
  readonly sockets: Sockets
  readonly endpoint: Endpoint
}

class NativeConnection implements Connection {
  readonly #native: Native
  readonly #fd: number
  readonly #raw: TimedStream
  #stream: NativeStream | undefined
  #connectedNs = 0
  #first: StreamArrival | undefined
  #last: StreamArrival | undefined

  constructor(
    native: Native,
    { sockets, endpoint, isStamped, isUndelayed }: NativeRequest,
    listener: ConnectionListener,
  ) {
    const fd = sockets.openStream(endpoint.family)
    this.#native = native
    this.#fd = fd
    this.#raw = timedStreams(native)(
      endpoint,
      { fd, isStamped, isUndelayed },
      {
        connected: (handshake, atNs) => {
          this.#connectedNs = atNs
          listener.onConnected(connectedFrom(handshake))
        },
        arrived: (arrival) => {
          this.#first ??= arrival
          this.#last = arrival
          this.#stream?.push(arrival.bytes)
        },
        drained: () => this.#stream?.writeOn(),
        ended: () => void this.#stream?.push(null),
        failed: (error, handshake) => {
          if (this.#stream === undefined)
            listener.onError(error, handshake === undefined ? undefined : connectedFrom(handshake))
          else this.#stream.destroy(error)
        },
      },
    )
  }

  stream(): Duplex {
    this.#stream ??= new NativeStream(this.#raw)
    return this.#stream
  }

  handshake(): Handshake | undefined {
    // The descriptor of a closed stream may belong to another socket.
    return this.#raw.isOpen ? handshakeFrom(this.#native.tcpInfo(this.#fd)) : undefined
  }

  times(): ExchangeTimes | undefined {
    const [first, last] = [this.#first, this.#last]
    if (first?.leftNs === undefined || last === undefined || !first.isKernelTime || !last.isKernelTime) return undefined
    return { connectedNs: this.#connectedNs, sentNs: first.leftNs, answeredNs: first.atNs, receivedNs: last.atNs }
  }

  close(): void {
    this.#raw.close()
    this.#stream?.destroy()
  }
}

function connectedFrom(handshake: StreamHandshake): Connected {
  return { handshake: handshakeFrom(handshake), sourcePort: handshake.port }
}

type Written = (error?: Error | null) => void

/** The bytes of a native stream as Node's client of HTTP expects them. */
class NativeStream extends Duplex {
  readonly #raw: TimedStream
  /** Bytes that the kernel has not taken yet. */
  #rest: { readonly bytes: Uint8Array; readonly written: Written } | undefined

  constructor(raw: TimedStream) {
    super()
    this.#raw = raw
  }

  /** Continues after the kernel has made room. */
  writeOn(): void {
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.#hand(rest.bytes, rest.written)
  }

  // Arriving bytes are pushed as they come: their reader takes them at once.
  override _read(): void {}

  override _write(bytes: Uint8Array, _encoding: string, written: Written): void {
    this.#hand(bytes, written)
  }

  #hand(bytes: Uint8Array, written: Written): void {
    let count = 0
    try {
      count = this.#raw.write(bytes)
    } catch (error) {
      return written(error instanceof Error ? error : new Error(String(error)))
    }
    if (count === bytes.length) written()
    else this.#rest = { bytes: bytes.subarray(count), written }
  }

  override _destroy(error: Error | null, closed: (error?: Error | null) => void): void {
    this.#raw.close()
    closed(error)
  }
}
