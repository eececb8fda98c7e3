import { isIPv4 } from 'node:net'
import { FailureError, isSystemError } from '../../model/failure.ts'
import { decodeTcpPacket, type TcpPacket } from '../../wire/tcp-packet.ts'
import { nativePart } from '../native/native.ts'
import { rawSocketRemedy } from '../native/remedies.ts'
import { tcpPortFilter } from '../native/socket-filter.ts'
import { type NativeArrival, openTimedSocket } from '../native/timed-socket.ts'

/*
 * Sees the segments of this host's own connections pass, as a packet capture does, and keeps of each connection the few times that
 * make its phases: by the kernel's stamps, so that no event loop has a part in them. It costs a copy of the first bytes of each
 * segment and needs CAP_NET_RAW.
 *
 * A segment may be seen more than once: on loopback it comes in as well as going out, and a device made of others (bond, bridge,
 * VLAN) shows it beside them. So of what comes the first sight counts, and of what goes the last.
 */

/** Nanoseconds on the time line of this thread; what did not happen is absent. */
export interface ConnectionTimes {
  /** The first SYN left. */
  readonly synAtNs?: number
  readonly synAckAtNs?: number
  /** The last payload left. */
  readonly sentAtNs?: number
  /** The first payload arrived after that. */
  readonly answeredAtNs?: number
  /** The last payload arrived. */
  readonly receivedAtNs?: number
}

type Recorded = { -readonly [Name in keyof ConnectionTimes]: ConnectionTimes[Name] }

/** This host's end of a connection as node:net names it. */
export interface LocalEnd {
  readonly localAddress: string
  readonly localPort: number
}

/** A connection as node:net names it. */
export interface ConnectionName extends LocalEnd {
  readonly remoteAddress: string
  readonly remotePort: number
}

export interface ConnectionObserver {
  /** What was seen of a connection until now, after which it is forgotten; undefined when nothing was. */
  take(name: ConnectionName): ConnectionTimes | undefined
  close(): void
}

/** IPv6 and TCP with all their options fit. */
const snapBytes = 128

/** Connections nobody asks for make room for new ones. */
const mostConnections = 4096

/**
 * Observes connections to `remotePorts`.
 * @throws {FailureError} not-permitted, not-supported
 */
export function observeConnections(remotePorts: readonly number[]): ConnectionObserver {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  const remote = new Set(remotePorts)
  const connections = new Map<string, Recorded>()

  const connectionOf = (key: string): Recorded => {
    const known = connections.get(key)
    if (known !== undefined) return known
    const [oldest] = connections.keys()
    if (oldest !== undefined && connections.size >= mostConnections) connections.delete(oldest)
    const connection = {}
    connections.set(key, connection)
    return connection
  }

  const arrived = ({ bytes, isOutgoing, atNs }: NativeArrival) => {
    const segment = decodeTcpPacket(bytes)
    if (segment === undefined) return
    const { source, sourcePort, destination, destinationPort } = segment
    if (isOutgoing && remote.has(destinationPort)) {
      const key = keyOf([hexOf(source), sourcePort], [hexOf(destination), destinationPort])
      if (segment.isSyn) forgetFinished(key)
      noteSent(connectionOf(key), segment, atNs)
    } else if (!isOutgoing && remote.has(sourcePort)) {
      const connection = connections.get(keyOf([hexOf(destination), destinationPort], [hexOf(source), sourcePort]))
      if (connection !== undefined) noteReceived(connection, segment, atNs)
    }
  }

  // A SYN begins another connection with the same ports, unless it is the first one's, sent again.
  const forgetFinished = (key: string) => {
    if (connections.get(key)?.synAckAtNs !== undefined) connections.delete(key)
  }

  const filter = tcpPortFilter(remotePorts, snapBytes)
  const options = { kind: 'observer', packetBytes: snapBytes, bufferBytes: 4 << 20, filter } as const
  // What was lost would be missing from the times of some connection, nobody knows which.
  const overflowed = () => connections.clear()
  try {
    const socket = openTimedSocket(part.native, options, { arrived, failed: () => {}, overflowed })
    return {
      take({ localAddress, localPort, remoteAddress, remotePort }) {
        socket.drain()
        const key = keyOf([addressHex(localAddress), localPort], [addressHex(remoteAddress), remotePort])
        const connection = connections.get(key)
        connections.delete(key)
        return connection
      },
      close: () => socket.close(),
    }
  } catch (error) {
    throw whyNot(error)
  }
}

function noteSent(connection: Recorded, { isSyn, payloadBytes }: TcpPacket, atNs: number): void {
  if (isSyn) connection.synAtNs ??= atNs
  if (payloadBytes === 0) return
  connection.sentAtNs = atNs
  delete connection.answeredAtNs
}

function noteReceived(connection: Recorded, { isSyn, isAck, payloadBytes }: TcpPacket, atNs: number): void {
  if (isSyn && isAck) connection.synAckAtNs ??= atNs
  if (payloadBytes === 0) return
  connection.answeredAtNs ??= atNs
  connection.receivedAtNs = atNs
}

function whyNot(error: unknown): unknown {
  if (!isSystemError(error)) return error
  const options = { cause: error, code: error.code }
  if (error.code !== 'EPERM')
    return new FailureError('not-supported', `cannot observe packets: ${error.message}`, options)
  return new FailureError('not-permitted', `cannot observe packets: ${rawSocketRemedy}`, options)
}

type End = readonly [addressHex: string, port: number]

function keyOf(local: End, remote: End): string {
  return [...local, ...remote].join(' ')
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** The bytes of an address in hexadecimal; `::` of IPv6 stands for as many zeros as are missing (RFC 4291 §2.2). */
function addressHex(address: string): string {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number)).toString('hex')
  const [bare = ''] = address.split('%', 1)
  const [head = [], tail = []] = bare.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0')
  return [...head, ...zeros, ...tail].map((group) => group.padStart(4, '0')).join('')
}
