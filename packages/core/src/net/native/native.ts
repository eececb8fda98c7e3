import { closeSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Family } from '../../model/endpoint.ts'
import { messageOf } from '../../model/errors.ts'
import { failureErrorOf, isSystemError } from '../../model/failure.ts'
import type { OpeningOptions, SendingOptions } from '../packets/packet-socket.ts'

/** Kind of a packet socket; native/socket_kind.c describes each. */
export type NativeSocketKind = 'udp4' | 'udp6' | 'icmp4' | 'icmp6' | 'ping4' | 'ping6' | 'tcp4' | 'tcp6' | 'observer'

export interface NativeSocketOptions extends OpeningOptions {
  readonly kind: NativeSocketKind
  /** Longest packet delivered untruncated, 64 to 65536. */
  readonly packetBytes: number
  /** Requested size of the receive buffer and of the send buffer. */
  readonly bufferBytes: number
  /** Whether a raw ICMP socket receives errors, too: whole, and about packets of all sockets of its namespace. */
  readonly passesErrors?: boolean
  /** Classic BPF program, 8 bytes an instruction. The socket receives only packets that it accepts. */
  readonly filter?: Uint8Array
}

/** Called once per wake-up with the number of rows to read (native/records.h), and of packets dropped by a full receive buffer. */
export type NativeNews = (arrivals: number, errors: number, dropped: number) => void

export interface NativeSocket {
  readonly memory: ArrayBuffer
  readonly port: number
  /** Granted size of the receive buffer, as the kernel counts it: twice the requested size, if that was allowed. */
  readonly bufferBytes: number
  /** Ignores `mtuDiscovery`, which is an option of the socket. */
  send(bytes: Uint8Array, address: string, port: number, options?: SendingOptions): number
  sendMany(bytes: readonly Uint8Array[], addresses: readonly string[], ports: readonly number[]): (number | Error)[]
  drain(): void
  configure(options: Omit<SendingOptions, 'source'>): void
  setRef(isRef: boolean): void
  close(): void
}

/** Sockets of a lane: all alike, of one packet format. */
export interface NativeLaneOptions extends NativeSocketOptions {
  readonly format: 'echo' | 'stamp' | 'syn'
  readonly sockets: number
  /** Source ports of a format that writes its own, as 16-bit numbers. */
  readonly ports?: Uint8Array
}

/** A thread that asks with packets of fixed layout (native/engine.h). What is handed in takes effect with `wake`. */
export interface NativeEngine {
  /** Counters and rows of results (native/engine_records.h). */
  readonly memory: ArrayBuffer
  /** Opens sockets in the network namespace of the calling thread, and returns the number of their lane. */
  openLane(options: NativeLaneOptions): number
  /** Its slots must have been removed. */
  closeLane(lane: number): void
  /** Asks what the request in the memory says. */
  add(address: string, key: Uint8Array | undefined, options: SendingOptions | undefined): void
  remove(slot: number): void
  wake(): void
  /** Returns the number of unread rows. */
  take(): number
  /** Gives rows back that were read. */
  release(rows: number): void
  /** Returns the errno with which the thread ended by itself; 0 while it runs. */
  failed(): number
  /** Starts a Session-Reflector of STAMP. */
  openResponder(options: NativeSocketOptions, key: Uint8Array): { readonly index: number; readonly port: number }
  closeResponder(index: number): void
  close(): void
}

/** The kernel's data about a TCP connection. Fields that an older kernel lacks are absent. `state` is that of linux/tcp.h. */
export interface TcpInfo {
  readonly state?: number
  readonly sendMss?: number
  readonly receiveMss?: number
  readonly advertisedMss?: number
  readonly pathMtu?: number
  readonly rttUs?: number
  readonly rttVarianceUs?: number
  readonly minRttUs?: number
  readonly retransmits?: number
  /** Port of this side; absent before the kernel has chosen it. */
  readonly localPort?: number
}

/** Called once per wake-up with the number of streams that have news, one row each (native/streams.h). */
export type NativeStreamNews = (rows: number) => void

/** The TCP connections of a thread. While one is open, the event loop waits for it. */
export interface NativeStreams {
  readonly memory: ArrayBuffer
  /**
   * Connects the socket of a descriptor, which it takes over even if it throws. Returns the number of the stream. With `isStamped`, bytes
   * have the kernel's timestamps. With `isUndelayed`, small segments do not wait for acknowledgements (TCP_NODELAY).
   */
  connect(fd: number, family: Family, address: string, port: number, isStamped: boolean, isUndelayed: boolean): number
  /** Returns how many bytes the kernel took. If not all, a row reports when it takes more. The first write starts the reading. */
  write(stream: number, bytes: Uint8Array): number
  close(stream: number): void
  /** Returns the descriptor of a connected stream, which the caller takes over. */
  release(stream: number): number
}

export interface PortReservation {
  readonly ports: readonly number[]
  release(): void
}

type Field<Row extends string, Name extends string> = `${Row}${Capitalize<Name>}`
type Row = 'departure' | 'arrival' | 'error' | 'record'

/** Fields of a stream's row, all of them float64. */
export type StreamField =
  | 'Stream'
  | 'News'
  | 'Number'
  | 'AtNs'
  | 'Clock'
  | 'LeftNs'
  | 'Start'
  | 'Length'
  | 'Port'
  | 'RttUs'
  | 'Retransmits'
  | 'SendMss'
  | 'Type'
  | 'Code'

/** Byte offsets and sizes in the memory of a socket, as laid out by the C compiler. */
export type NativeLayout = Readonly<
  Record<
    | `${Row}s`
    | Field<Row, 'count' | 'bytes'>
    | Field<'departure', 'handedNs' | 'leftNs'>
    | Field<'arrival' | 'error', 'atNs' | 'clock' | 'start' | 'length' | 'port' | 'address' | 'addressLength'>
    | Field<'arrival', 'isTruncated' | 'ttl' | 'trafficClass' | 'isOutgoing' | 'local' | 'localLength'>
    | Field<'error', 'number' | 'type' | 'code' | 'info' | 'offender' | 'offenderLength'>
    | Field<
        'record',
        'id' | 'startedNs' | 'startedMs' | 'tookNs' | 'endedNs' | 'kind' | 'flags' | 'txClock' | 'rxClock'
      >
    | Field<
        'record',
        'sequence' | 'sourcePort' | 'length' | 'ttl' | 'trafficClass' | 'number' | 'type' | 'code' | 'info'
      >
    | Field<'record', 'port' | 'address' | 'addressLength' | 'answers' | 'spanNs'>
    | Field<'request', 'slot' | 'id' | 'lane' | 'port' | 'payloadBytes' | 'timeoutMs' | 'intervalMs' | 'dueNs' | 'flow'>
    | Field<'request', 'ssid' | 'sequence' | 'isLight' | 'condensed'>
    | Field<
        'record',
        'stampSequence' | 'reflected' | 'copyOf' | 'copied' | 'senderTtl' | 'residenceNs' | 'forthNs' | 'utcErrorNs'
      >
    | Field<'count', 'started' | 'late' | 'skipped' | 'inFlight' | 'lost'>
    | 'responders'
    | Field<'responder', 'bytes' | 'answered' | 'rejected' | 'unsent' | 'dropped'>
    | `sessions${'' | 'Bytes'}`
    | Field<'session', 'count' | 'bytes' | 'id' | 'address' | 'usedNs'>
    | `streamRow${'Bytes' | StreamField}`,
    number
  >
>

/** Functions of the addon. They throw failures as system errors like Node's own, with `code` and `syscall`. */
export interface Native {
  /** Zero point of the timeline of this thread's sockets, in the units of `process.hrtime.bigint()`. */
  readonly baseNs: bigint
  readonly layout: NativeLayout
  openPacketSocket(options: NativeSocketOptions, onNews: NativeNews): NativeSocket
  /** Starts a packet engine. `onNews` is called when rows should be read soon: about failures, and about what was asked once. */
  openEngine(onNews: () => void): NativeEngine
  tcpInfo(fd: number): TcpInfo
  /** Reserves ports of `address` until they are released. The kernel answers SYN-ACKs to them with RST. */
  reservePorts(family: Family, address: string, count: number): PortReservation
  /** Returns the address of this host that packets to another one leave from. */
  sourceAddress(family: Family, address: string): string
  /**
   * Returns the descriptor of an unconnected TCP socket in the current namespace of this thread. With `mostSegmentBytes`, 1 to 32767,
   * neither side sends larger segments. An abrupt one is reset when it is closed.
   */
  openStreamSocket(family: Family, mostSegmentBytes?: number, isAbrupt?: boolean): number
  openStreams(onNews: NativeStreamNews): NativeStreams
  /**
   * Moves only the calling thread into the network namespace of a file such as `/proc/1/ns/net`. Pool threads inherit the namespace of
   * the thread that starts them. So a worker calls this first, after the main thread has used the thread pool once.
   */
  enterNetworkNamespace(path: string): void
  /** Gives the kernel what this process holds and does not use: freed memory, and pages of programs that only the start needed. */
  giveBackMemory(): void
}

export type NativePart =
  | { readonly isPresent: true; readonly native: Native }
  /** `reason` explains in one sentence why it is absent. What is temporary may be over at the next call. */
  | { readonly isPresent: false; readonly reason: string; readonly isTemporary?: true }

let part: NativePart | undefined

/**
 * Returns the native part of this package, which is loaded on a thread's first call. `SCOUT_NATIVE=0` turns it off. Any other value is
 * the folder to load it from, for programs bundled into one file.
 */
export function nativePart(): NativePart {
  if (part !== undefined) return part
  const loaded = load()
  if (loaded.isPresent || loaded.isTemporary !== true) part = loaded
  return loaded
}

function load(): NativePart {
  // oxlint-disable-next-line node/no-process-env -- a switch for the whole process, not an option of a probe
  const { SCOUT_NATIVE: choice } = process.env
  if (choice === '0') return { isPresent: false, reason: 'the native part is turned off by SCOUT_NATIVE=0' }
  if (process.platform !== 'linux') {
    return { isPresent: false, reason: `the native part needs Linux, and this is ${process.platform}` }
  }
  const isChosen = choice !== undefined && choice !== ''
  const folder = isChosen ? choice : fileURLToPath(new URL('../../../native', import.meta.url))
  try {
    const require = createRequire(import.meta.url)
    const loadBuild = require('node-gyp-build') as (folder: string) => Native
    return { isPresent: true, native: loadBuild(folder) }
  } catch (error) {
    const shortage = shortageOfFiles(folder)
    if (shortage !== undefined) return { isPresent: false, reason: shortage, isTemporary: true }
    const [cause] = messageOf(error).split('\n', 1)
    return {
      isPresent: false,
      reason: `the native part cannot be loaded from ${folder} (${cause}): install a C compiler, make and python3, then npm rebuild @scout/core`,
    }
  }
}

/** Returns why this process cannot open any file now, which node-gyp-build does not report; undefined if it can. */
function shortageOfFiles(folder: string): string | undefined {
  try {
    closeSync(openSync('/dev/null', 'r'))
    return undefined
  } catch (error) {
    const isShort = isSystemError(error) && (error.code === 'EMFILE' || error.code === 'ENFILE')
    return isShort ? failureErrorOf(error, `the native part cannot be loaded from ${folder}`).message : undefined
  }
}

/** Returns the `TCP_INFO` of a connected socket; undefined if its descriptor is closed. @throws the system's error */
export function tcpInfoOf(native: Native, socket: Socket): TcpInfo | undefined {
  // Node has no public API for the descriptor. The handle of a destroyed socket is null, or its fd is -1.
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null }
  const fd = handle?.fd
  return fd === undefined || fd < 0 ? undefined : native.tcpInfo(fd)
}
