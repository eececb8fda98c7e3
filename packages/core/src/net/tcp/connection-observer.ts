import { isIPv4 } from 'node:net'
import { splitZone } from '../../model/address.ts'
import { FailureError, isSystemError } from '../../model/failure.ts'
import { decodeTcpPacket, type TcpPacket } from '../../wire/tcp-packet.ts'
import { nativePart } from '../native/native.ts'
import { rawSocketRemedy } from '../native/remedies.ts'
import { tcpPortFilter } from '../native/socket-filter.ts'
import { type NativeArrival, openTimedSocket } from '../native/timed-socket.ts'

/*
 * Watches the segments of this host's own connections, as a packet capture does. For each connection it keeps the few times that
 * delimit its phases. The kernel takes these timestamps, so event loop delays do not distort them. The cost is a copy of the first bytes
 * of each segment. It needs CAP_NET_RAW.
 *
 * A segment may be seen more than once: on loopback it both leaves and arrives, and a device on top of others (bond, bridge, VLAN)
 * repeats the segments of these. So the first sighting of an incoming segment counts, and the last of an outgoing one.
 */

/** Times in nanoseconds on the timeline of this thread. Events that did not happen are absent. */
export interface ConnectionTimes {
  /** Departure of the first SYN. */
  readonly synAtNs?: number
  readonly synAckAtNs?: number
  /** Departure of the last payload. */
  readonly sentAtNs?: number
  /** Arrival of the first payload after that. */
  readonly answeredAtNs?: number
  /** Arrival of the last payload. */
  readonly receivedAtNs?: number
}

type Recorded = { -readonly [Name in keyof ConnectionTimes]: ConnectionTimes[Name] }

/** This host's end of a connection, with the names of node:net. */
export interface LocalEnd {
  readonly localAddress: string
  readonly localPort: number
}

/** Both ends of a connection, with the names of node:net. */
export interface ConnectionName extends LocalEnd {
  readonly remoteAddress: string
  readonly remotePort: number
}

export interface ConnectionObserver {
  /** Returns and forgets the times of a connection so far; undefined if none of its segments was seen, or the observer is closed. */
  take(name: ConnectionName): ConnectionTimes | undefined
  close(): void
}

/** Enough for the headers of IPv6 and TCP with all options. */
const snapBytes = 128

/** Limit on stored connections; the oldest is dropped first. */
const mostConnections = 4096

/**
 * Starts to observe connections to `remotePorts`.
 * @throws {FailureError} not-permitted, not-supported
 */
export function observeConnections(remotePorts: readonly number[]): ConnectionObserver {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  const remote = new Set(remotePorts)
  const connections = new Map<string, Recorded>()
  let isClosed = false

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

  // A SYN starts a new connection on the same ports, unless it is a retransmission of the first SYN.
  const forgetFinished = (key: string) => {
    if (connections.get(key)?.synAckAtNs !== undefined) connections.delete(key)
  }

  const filter = tcpPortFilter(remotePorts, snapBytes)
  const options = { kind: 'observer', packetBytes: snapBytes, bufferBytes: 4 << 20, filter } as const
  // A dropped segment would be missing from some connection, and there is no way to tell which one.
  const overflowed = () => connections.clear()
  try {
    const socket = openTimedSocket(part.native, options, { arrived, failed: () => {}, overflowed })
    return {
      take({ localAddress, localPort, remoteAddress, remotePort }) {
        if (isClosed) return undefined
        socket.drain()
        const key = keyOf(
          [addressHex(splitZone(localAddress).bare), localPort],
          [addressHex(splitZone(remoteAddress).bare), remotePort],
        )
        const connection = connections.get(key)
        connections.delete(key)
        return connection
      },
      close() {
        isClosed = true
        connections.clear()
        socket.close()
      },
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

/** Returns the bytes of an address in hexadecimal. In IPv6, `::` expands to the missing zeros (RFC 4291 §2.2). */
export function addressHex(address: string): string {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number)).toString('hex')
  const [bare = ''] = address.split('%', 1)
  const [head = [], tail = []] = bare.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0')
  return [...head, ...zeros, ...tail].map((group) => group.padStart(4, '0')).join('')
}
