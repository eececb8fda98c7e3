import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Family } from '../../model/endpoint.ts'
import type { OpeningOptions, SendingOptions } from '../packets/packet-socket.ts'

/** What a packet socket is opened as; each is described in native/socket_kind.c. */
export type NativeSocketKind = 'udp4' | 'udp6' | 'icmp4' | 'icmp6' | 'ping4' | 'ping6' | 'tcp4' | 'tcp6' | 'observer'

export interface NativeSocketOptions extends OpeningOptions {
  readonly kind: NativeSocketKind
  /** Longest packet that is delivered whole, 64 to 65536. */
  readonly packetBytes: number
  /** Wished size of the receive and of the send buffer. */
  readonly bufferBytes: number
  /** Instructions of classic BPF, 8 bytes each; only what they accept is received. */
  readonly filter?: Uint8Array
}

/** Called once a wake-up with the number of rows to read (native/records.h), and of packets lost in the own receive buffer. */
export type NativeNews = (arrivals: number, errors: number, dropped: number) => void

export interface NativeSocket {
  readonly memory: ArrayBuffer
  readonly port: number
  /** Granted size of the receive buffer, as the kernel counts: twice what was wished, if that was allowed. */
  readonly bufferBytes: number
  /** `mtuDiscovery` is of sockets only, and ignored here. */
  send(bytes: Uint8Array, address: string, port: number, options?: SendingOptions): number
  sendMany(bytes: readonly Uint8Array[], addresses: readonly string[], ports: readonly number[]): (number | Error)[]
  drain(): void
  configure(options: Omit<SendingOptions, 'source'>): void
  setRef(isRef: boolean): void
  close(): void
}

/** What the kernel knows of a TCP connection; a field it is too old for is absent. `state` is that of linux/tcp.h. */
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
}

export interface PortReservation {
  readonly ports: readonly number[]
  release(): void
}

type Field<Row extends string, Name extends string> = `${Row}${Capitalize<Name>}`
type Row = 'departure' | 'arrival' | 'error'

/** Byte offsets and sizes in the memory of a socket, as the C compiler laid it out. */
export type NativeLayout = Readonly<
  Record<
    | `${Row}s`
    | Field<Row, 'count' | 'bytes'>
    | Field<'departure', 'handedNs' | 'leftNs'>
    | Field<'arrival' | 'error', 'atNs' | 'clock' | 'start' | 'length' | 'port' | 'address' | 'addressLength'>
    | Field<'arrival', 'isTruncated' | 'ttl' | 'trafficClass' | 'isOutgoing' | 'local' | 'localLength'>
    | Field<'error', 'number' | 'type' | 'code' | 'info' | 'offender' | 'offenderLength'>,
    number
  >
>

/** Failures are thrown as Node's own system errors: with `code` and `syscall`. */
export interface Native {
  /** Where the time line of this thread's sockets begins, as `process.hrtime.bigint()` counts. */
  readonly baseNs: bigint
  readonly layout: NativeLayout
  openPacketSocket(options: NativeSocketOptions, onNews: NativeNews): NativeSocket
  tcpInfo(fd: number): TcpInfo
  /** Ports of `address` that nobody else is given until they are released, and that the kernel answers for with RST. */
  reservePorts(family: Family, address: string, count: number): PortReservation
  /** The address packets to `destination` are sent from. */
  sourceAddress(family: Family, destination: string): string
  /** Descriptor of a TCP socket that is not connected yet, in the namespace this thread is in now. */
  openStreamSocket(family: Family): number
  /**
   * Moves the calling thread, and it alone, into the network namespace of a file such as `/proc/1/ns/net`. A worker does this
   * first of all, after the main thread has used the thread pool once (threads of the pool inherit their starter's namespace).
   */
  enterNetworkNamespace(path: string): void
}

export type NativePart =
  | { readonly isPresent: true; readonly native: Native }
  /** One sentence: why it is absent. */
  | { readonly isPresent: false; readonly reason: string }

let part: NativePart | undefined

/**
 * The native part of this package, loaded at the first call of a thread. `SCOUT_NATIVE=0` turns it off; any other value is the
 * folder to load it from, for programs that were bundled into one file.
 */
export function nativePart(): NativePart {
  part ??= load()
  return part
}

function load(): NativePart {
  // oxlint-disable-next-line node/no-process-env -- a switch for the whole process, and none of a probe's options
  const { SCOUT_NATIVE: choice } = process.env
  if (choice === '0') return { isPresent: false, reason: 'the native part is turned off by SCOUT_NATIVE=0' }
  if (process.platform !== 'linux') {
    return { isPresent: false, reason: `the native part is for Linux, and this is ${process.platform}` }
  }
  const isChosen = choice !== undefined && choice !== ''
  const folder = isChosen ? choice : fileURLToPath(new URL('../../../native', import.meta.url))
  try {
    const require = createRequire(import.meta.url)
    const loadBuild = require('node-gyp-build') as (folder: string) => Native
    return { isPresent: true, native: loadBuild(folder) }
  } catch (error) {
    const [cause] = (error instanceof Error ? error.message : String(error)).split('\n', 1)
    return {
      isPresent: false,
      reason: `the native part cannot be loaded from ${folder} (${cause}): install a C compiler, make and python3, then npm rebuild @scout/core`,
    }
  }
}

/** `TCP_INFO` of a connected socket; undefined when it has no descriptor any more. @throws the system's error */
export function tcpInfoOf(native: Native, socket: Socket): TcpInfo | undefined {
  // Node has no public way to the descriptor; the handle of a destroyed socket is null, or answers -1.
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null }
  const fd = handle?.fd
  return fd === undefined || fd < 0 ? undefined : native.tcpInfo(fd)
}
