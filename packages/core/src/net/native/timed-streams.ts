import type { Endpoint } from '../../model/endpoint.ts'
import type { IcmpError } from '../../model/failure.ts'
import { errnoName } from './errno.ts'
import type { Native, StreamField } from './native.ts'

/** The kernel's data about a handshake (`TCP_INFO`). */
export interface StreamHandshake {
  /** Port of this side. */
  readonly port: number
  /** Address of this side; empty if the handshake failed. */
  readonly address: string
  /** The ICMP error that ended the handshake. */
  readonly icmp?: IcmpError
  readonly rttUs: number
  readonly retransmits: number
  readonly sendMss: number
}

/** Bytes that have arrived. Times are in nanoseconds on the timeline of this thread. */
export interface StreamArrival {
  readonly bytes: Buffer
  /** Arrival of the last of these bytes. */
  readonly atNs: number
  readonly isKernelTime: boolean
  /** When the last byte sent so far left, by the kernel's clock; undefined if unknown. */
  readonly leftNs: number | undefined
}

export interface StreamListener {
  /** `atNs` is the time of this process. */
  connected(handshake: StreamHandshake, atNs: number): void
  arrived(arrival: StreamArrival): void
  /** The kernel takes more bytes. */
  drained(): void
  /** The other side has closed its direction. */
  ended(): void
  /** The stream is of no more use. `handshake` is absent once it was connected. */
  failed(error: Error, handshake: StreamHandshake | undefined): void
}

/** A TCP connection of the native part. It reads from its first write on, because a probe speaks first. */
export interface TimedStream {
  readonly isOpen: boolean
  /** Returns the number of bytes that the kernel took. If not all, `drained` follows. Throws the system's error. */
  write(bytes: Uint8Array): number
  close(): void
  /** Returns the descriptor of a connected stream, which the caller takes over. Nothing is delivered afterwards. */
  release(): number
}

export interface TimedStreamOptions {
  /** Descriptor of an unconnected socket, which the stream takes over. */
  readonly fd: number
  /** Requests the kernel's timestamps of sent and received bytes. */
  readonly isStamped: boolean
  /** Sends small segments at once (TCP_NODELAY). */
  readonly isUndelayed: boolean
}

/** Connects. Throws the system's error if the connection cannot even begin. */
export type ConnectStream = (to: Endpoint, options: TimedStreamOptions, listener: StreamListener) => TimedStream

/** Values of `enum stream_news` in native/streams.h. */
const news = { connected: 0, arrived: 1, drained: 2, ended: 3, failed: 4 } as const

let connect: ConnectStream | undefined

/** Returns the function that connects streams in this thread. All of them share one set of memory and one poll handle. */
export function timedStreams(native: Native): ConnectStream {
  connect ??= openTimedStreams(native)
  return connect
}

function openTimedStreams(native: Native): ConnectStream {
  const { layout } = native
  const listeners = new Map<number, Open>()
  const streams = native.openStreams((rows) => {
    const errors: unknown[] = []
    for (let row = 0; row < rows; row++) {
      try {
        tell(row)
      } catch (error) {
        errors.push(error) // the other streams must still hear their news
      }
    }
    if (errors.length > 0) throw errors[0]
  })
  const fields = new Float64Array(streams.memory, 0, Math.floor(streams.memory.byteLength / 8))
  const bytes = Buffer.from(streams.memory)
  const rowFields = layout.streamRowBytes / 8
  const reader = (field: StreamField) => {
    const offset = layout[`streamRow${field}`] / 8
    return (row: number) => fields[row * rowFields + offset] ?? Number.NaN
  }
  const read = {
    stream: reader('Stream'),
    news: reader('News'),
    number: reader('Number'),
    atNs: reader('AtNs'),
    clock: reader('Clock'),
    leftNs: reader('LeftNs'),
    start: reader('Start'),
    length: reader('Length'),
    port: reader('Port'),
    rttUs: reader('RttUs'),
    retransmits: reader('Retransmits'),
    sendMss: reader('SendMss'),
    type: reader('Type'),
    code: reader('Code'),
  }

  const bytesAt = (row: number) => bytes.subarray(read.start(row), read.start(row) + read.length(row))

  const handshakeAt = (row: number, address: string): StreamHandshake => ({
    port: read.port(row),
    address,
    rttUs: read.rttUs(row),
    retransmits: read.retransmits(row),
    sendMss: read.sendMss(row),
  })

  const failedAt = (row: number): StreamHandshake => {
    const handshake = handshakeAt(row, '')
    const from = bytesAt(row).toString('latin1')
    return from === '' ? handshake : { ...handshake, icmp: { type: read.type(row), code: read.code(row), from } }
  }

  const tell = (row: number) => {
    // Absent if an earlier row of this wake-up made its owner close it.
    const open = listeners.get(read.stream(row))
    if (open === undefined) return
    const { listener } = open
    switch (read.news(row)) {
      case news.connected:
        open.isConnected = true
        return listener.connected(handshakeAt(row, bytesAt(row).toString('latin1')), read.atNs(row))
      case news.arrived: {
        const leftNs = read.leftNs(row)
        return listener.arrived({
          bytes: Buffer.from(bytesAt(row)),
          atNs: read.atNs(row),
          isKernelTime: read.clock(row) === 1,
          leftNs: Number.isNaN(leftNs) ? undefined : leftNs,
        })
      }
      case news.drained:
        return listener.drained()
      case news.ended:
        return listener.ended()
      case news.failed: {
        const call = open.isConnected ? 'read' : 'connect'
        return listener.failed(systemErrorOf(read.number(row), call), open.isConnected ? undefined : failedAt(row))
      }
      default:
    }
  }

  return ({ family, address, port = 0 }, { fd, isStamped, isUndelayed }, listener) => {
    const stream = streams.connect(fd, family, address, port, isStamped, isUndelayed)
    listeners.set(stream, { listener, isConnected: false })
    return {
      get isOpen() {
        return listeners.has(stream)
      },
      write: (written) => streams.write(stream, written),
      close() {
        if (listeners.delete(stream)) streams.close(stream)
      },
      release() {
        listeners.delete(stream)
        return streams.release(stream)
      },
    }
  }
}

interface Open {
  readonly listener: StreamListener
  isConnected: boolean
}

function systemErrorOf(errno: number, syscall: string): Error {
  const code = errnoName(errno)
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: -errno, syscall })
}
