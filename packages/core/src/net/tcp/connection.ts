import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Endpoint } from '../../model/endpoint.ts'
import { FailureError } from '../../model/failure.ts'
import { icmpFailure } from '../../model/icmp.ts'
import { formatHostPort } from '../../model/target.ts'
import { type Native, nativePart, type TcpInfo } from '../native/native.ts'
import { type StreamArrival, type StreamHandshake, type TimedStream, timedStreams } from '../native/timed-streams.ts'
import type { Sockets } from '../sockets.ts'
import { type Bytes, type BytesListener, bytesOver } from './bytes.ts'
import { addressHex } from './connection-observer.ts'
import { type Handshake, handshakeFrom, handshakeOf } from './tcp-info.ts'

/*
 * A TCP connection of a probe. Where the native part is present, it is one of its streams: the kernel times the handshake, the departure
 * of the request and the arrival of the response, it names the ICMP error that ended a handshake, and an attempt costs less than half of
 * what it does with Node's sockets. Elsewhere, it is a socket of Node.
 */

/** The outcome of a handshake. */
export interface Connected {
  /** The kernel's data; undefined without the native part. */
  readonly handshake: Handshake | undefined
  readonly sourcePort: number | undefined
  /** Undefined if the handshake failed. */
  readonly sourceAddress: string | undefined
}

export interface ConnectionListener {
  onConnected(connected: Connected): void
  /** The connection failed. `connected` is known if the native part saw the handshake fail. */
  onError(error: Error, connected?: Connected): void
}

export interface Connection {
  /** Starts to exchange bytes, once it is connected. The native part reads from the first write on, even if that is empty. */
  exchange(listener: BytesListener): Bytes
  /** Returns it as a socket of Node, which TLS needs, once it is connected. Use either this or `exchange`. */
  socket(): Socket
  /** Returns the kernel's data about the handshake so far; undefined once it is closed. */
  handshake(): Handshake | undefined
  /** Returns the port of this side; undefined once it is closed, and before the kernel has chosen it. */
  sourcePort(): number | undefined
  /** Returns all the kernel's data about the connection; undefined once it is closed, and without the native part. */
  info(): TcpInfo | undefined
  /** Returns the kernel's times of one request and its response; undefined if any of them is unknown. */
  times(): ExchangeTimes | undefined
  close(): void
}

/** Times of a request and its response, in nanoseconds on the timeline of this thread. All but the first are the kernel's. */
export interface ExchangeTimes {
  /** When this process received the news that the handshake was complete. */
  readonly connectedNs: number
  /** Departure of the last byte of the request; undefined if none was sent. */
  readonly sentNs: number | undefined
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
  /** Largest segment that either side sends, in bytes (default: what the interface and the route allow). Needs the native part. */
  readonly mostSegmentBytes?: number | undefined
  /** Whether closing it resets the connection, so that neither side retransmits any longer (default: no). Needs the native part. */
  readonly isAbrupt?: boolean | undefined
}

/** Starts a connection. Throws the system's error if it cannot even begin. */
export function openConnection(
  { sockets, endpoint }: { readonly sockets: Sockets; readonly endpoint: Endpoint },
  options: ConnectionOptions,
  listener: ConnectionListener,
): Connection {
  const part = nativePart()
  const checked: ConnectionListener = {
    onConnected(connected) {
      if (isToItself(connected, endpoint)) listener.onError(connectedToItself(endpoint), connected)
      else listener.onConnected(connected)
    },
    onError: (error, connected) => listener.onError(error, connected),
  }
  if (part.isPresent) return new NativeConnection(part.native, { sockets, endpoint, ...options }, checked)
  const socket = sockets.connect(endpoint)
  if (options.isUndelayed) socket.setNoDelay(true)
  return connectionOver(socket, checked)
}

function connectionOver(socket: Socket, listener: ConnectionListener): Connection {
  socket.once('connect', () =>
    listener.onConnected({
      handshake: handshakeOf(socket),
      sourcePort: socket.localPort,
      sourceAddress: socket.localAddress,
    }),
  )
  // Not `once`: a reset may follow the handshake before the socket is destroyed.
  socket.on('error', (error) => listener.onError(error))
  return {
    exchange: (bytesListener) => bytesOver(socket, bytesListener),
    socket: () => socket,
    handshake: () => handshakeOf(socket),
    sourcePort: () => socket.localPort,
    info: () => undefined,
    times: () => undefined,
    close: () => void socket.destroy(),
  }
}

/**
 * Returns whether the connection leads back to its own socket. If nothing listens on a port that this host may choose as a source, a SYN
 * from that very port completes a simultaneous open with itself (RFC 9293 §3.5).
 */
function isToItself({ sourcePort, sourceAddress }: Connected, { address, port }: Endpoint): boolean {
  return sourcePort === port && sourceAddress !== undefined && addressHex(sourceAddress) === addressHex(address)
}

function connectedToItself({ address, port = 0 }: Endpoint): FailureError {
  return new FailureError(
    'refused',
    `nothing is listening on ${formatHostPort(address, port)}: the connection reached itself, because this host had chosen the same port as its source`,
    { code: 'ECONNREFUSED' },
  )
}

interface NativeRequest extends ConnectionOptions {
  readonly sockets: Sockets
  readonly endpoint: Endpoint
}

class NativeConnection implements Connection {
  readonly #native: Native
  readonly #fd: number
  readonly #raw: TimedStream
  readonly #listener: ConnectionListener
  #bytes: NativeBytes | undefined
  #socket: Socket | undefined
  #connectedNs = 0
  #first: StreamArrival | undefined
  #last: StreamArrival | undefined

  constructor(
    native: Native,
    { sockets, endpoint, isStamped, isUndelayed, mostSegmentBytes, isAbrupt }: NativeRequest,
    listener: ConnectionListener,
  ) {
    const fd = sockets.openStream({ family: endpoint.family, mostSegmentBytes, isAbrupt })
    this.#native = native
    this.#fd = fd
    this.#listener = listener
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
          this.#bytes?.listener.onBytes(arrival.bytes)
        },
        drained: () => this.#bytes?.writeOn(),
        ended: () => this.#bytes?.listener.onEnd(),
        failed: (error, handshake) => {
          if (this.#bytes !== undefined) return this.#bytes.listener.onError(error)
          if (handshake === undefined) return listener.onError(error)
          const { icmp } = handshake
          listener.onError(icmp === undefined ? error : icmpFailure(icmp, endpoint), connectedFrom(handshake))
        },
      },
    )
  }

  exchange(listener: BytesListener): Bytes {
    const bytes = new NativeBytes(this.#raw, listener, () => {
      this.#first = this.#last
    })
    this.#bytes = bytes
    return bytes
  }

  socket(): Socket {
    // Node starts reading from an existing descriptor at once; manualStart leaves that to TLS (lib/net.js).
    const options: SocketConstructorOpts & { readonly manualStart: boolean } = {
      fd: this.#raw.release(),
      manualStart: true,
    }
    const socket = new Socket(options)
    socket.on('error', (error) => this.#listener.onError(error))
    this.#socket = socket
    return socket
  }

  handshake(): Handshake | undefined {
    if (this.#socket !== undefined) return handshakeOf(this.#socket)
    // The descriptor of a closed stream may belong to another socket.
    return this.#raw.isOpen ? handshakeFrom(this.#native.tcpInfo(this.#fd)) : undefined
  }

  sourcePort(): number | undefined {
    return this.#socket === undefined ? this.info()?.localPort : this.#socket.localPort
  }

  info(): TcpInfo | undefined {
    return this.#socket === undefined && this.#raw.isOpen ? this.#native.tcpInfo(this.#fd) : undefined
  }

  times(): ExchangeTimes | undefined {
    const [first, last] = [this.#first, this.#last]
    if (first === undefined || last === undefined || !first.isKernelTime || !last.isKernelTime) return undefined
    return { connectedNs: this.#connectedNs, sentNs: first.leftNs, answeredNs: first.atNs, receivedNs: last.atNs }
  }

  close(): void {
    this.#raw.close()
    this.#socket?.destroy()
  }
}

function connectedFrom(handshake: StreamHandshake): Connected {
  const { port, address } = handshake
  return {
    handshake: handshakeFrom(handshake),
    sourcePort: port,
    sourceAddress: address === '' ? undefined : address,
  }
}

type Written = (error?: Error | null) => void

class NativeBytes implements Bytes {
  readonly listener: BytesListener
  readonly markAnswer: () => void
  readonly #raw: TimedStream
  /** Bytes that the kernel has not taken yet. */
  #rest: { readonly bytes: Uint8Array; readonly written: Written } | undefined

  constructor(raw: TimedStream, listener: BytesListener, markAnswer: () => void) {
    this.#raw = raw
    this.listener = listener
    this.markAnswer = markAnswer
  }

  write(bytes: Uint8Array, written: Written): void {
    let count = 0
    try {
      count = this.#raw.write(bytes)
    } catch (error) {
      return written(error instanceof Error ? error : new Error(String(error)))
    }
    if (count === bytes.length) written()
    else this.#rest = { bytes: bytes.subarray(count), written }
  }

  /** Continues after the kernel has made room. */
  writeOn(): void {
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.write(rest.bytes, rest.written)
  }

  close(): void {
    this.#raw.close()
  }
}
