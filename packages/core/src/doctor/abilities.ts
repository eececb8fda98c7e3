import { FailureError, isSystemError } from '../model/failure.ts'
import { namespaceRemedy } from '../net/host/namespace.ts'
import { type NativeSocketKind, nativePart } from '../net/native/native.ts'
import { pingSocketRemedy, rawSocketRemedy } from '../net/native/remedies.ts'
import { openTimedSocket, type TimedSocket } from '../net/native/timed-socket.ts'
import { openIcmpSocket } from '../net/packets/fallback-icmp.ts'
import { bufferBytes } from '../net/packets/native-packet-socket.ts'
import { observeConnections } from '../net/tcp/connection-observer.ts'

/** Privilege or feature of a process. It determines what the process can probe with, and how exactly it can time packets. */
export interface Ability {
  readonly name: 'raw sockets' | 'ping sockets' | 'packet observer' | 'network namespaces' | 'receive buffer'
  /** Whether it is granted in full. */
  readonly isGranted: boolean
  /** What was found. If it is not granted: why, and what to change. */
  readonly found: string
}

/** Returns what this process may do. Tries each ability and undoes it: a seccomp filter or sysctl may deny what a capability grants. */
export function describeAbilities(): readonly Ability[] {
  return [
    tried('raw sockets', tryRawSocket),
    tried('ping sockets', () => {
      open('ping4', `cannot open a ping socket: ${pingSocketRemedy}`).close()
      return 'granted to the group of this process by net.ipv4.ping_group_range'
    }),
    tried('packet observer', () => {
      observeConnections([discardPort]).close()
      return 'http can measure its phases from packets'
    }),
    tried('network namespaces', tryNamespace),
    tried('receive buffer', tryBuffer),
  ]
}

/** RFC 863. Nothing is sent to it. */
const discardPort = 9

function tried(name: Ability['name'], attempt: () => string): Ability {
  try {
    return { name, isGranted: true, found: attempt() }
  } catch (error) {
    if (error instanceof FailureError || isSystemError(error)) return { name, isGranted: false, found: error.message }
    throw error
  }
}

function tryRawSocket(): string {
  if (nativePart().isPresent) open('icmp4', `cannot open a raw socket: ${rawSocketRemedy}`).close()
  else openIcmpSocket('ipv4', { arrived() {}, failed() {}, overflowed() {} }).close()
  return 'granted'
}

/** Re-enters the current namespace, which needs the same privilege as entering another and changes nothing. */
function tryNamespace(): string {
  const native = presentNative()
  try {
    native.enterNetworkNamespace('/proc/thread-self/ns/net')
  } catch (error) {
    throw denied(error, `cannot enter a network namespace: ${namespaceRemedy}`)
  }
  return 'can be entered'
}

function tryBuffer(): string {
  const socket = open('udp4', 'cannot open a UDP socket: a seccomp filter forbids it')
  socket.close()
  // The kernel doubles the requested size for its own bookkeeping (socket(7), SO_RCVBUF).
  const wishedBytes = 2 * bufferBytes
  const found = `${socket.bufferBytes} of ${wishedBytes} bytes granted`
  if (socket.bufferBytes >= wishedBytes) return found
  throw new FailureError(
    'not-permitted',
    `${found}, so a burst of answers may overflow it: add CAP_NET_ADMIN, or run sysctl -w net.core.rmem_max=${bufferBytes} on the host`,
  )
}

function open(kind: NativeSocketKind, whyDenied: string): TimedSocket {
  const native = presentNative()
  try {
    const listener = { arrived() {}, failed() {}, overflowed() {} }
    return openTimedSocket(native, { kind, packetBytes: 64, bufferBytes }, listener)
  } catch (error) {
    throw denied(error, whyDenied)
  }
}

function presentNative() {
  const part = nativePart()
  if (!part.isPresent) throw new FailureError('not-supported', part.reason)
  return part.native
}

function denied(error: unknown, why: string): unknown {
  if (!isSystemError(error) || (error.code !== 'EPERM' && error.code !== 'EACCES')) return error
  return new FailureError('not-permitted', why, { cause: error, code: error.code })
}
