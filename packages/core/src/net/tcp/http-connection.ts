import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { buildConnector } from 'undici'
import { FailureError, isSystemError } from '../../model/failure.ts'
import type { LocalEnd } from './connection-observer.ts'
import { type Handshake, handshakeOf } from './tcp-info.ts'

/** Callbacks for the stages of an HTTP exchange, each called when its stage begins. */
export interface HttpMilestones {
  connecting(): void
  /** Includes the kernel's measurement of the handshake, if available. */
  connected(handshake: Handshake | undefined, local: LocalEnd): void
  /** The attempt ended before the handshake was complete. Includes the kernel's data about the handshake, if available. */
  unconnected(handshake: Handshake | undefined): void
  securing(): void
  writing(): void
  waiting(): void
  transferring(): void
  /** The connection failed, whether or not the response was complete. */
  broken(error: Error): void
}

interface ConnectionOptions {
  /** Begins the connection. */
  readonly connect: () => Socket
  /** Name that the certificate must match; undefined for plain HTTP. */
  readonly secureHost: string | undefined
  readonly verifyCertificate: boolean
  readonly signal: AbortSignal
  readonly milestones: HttpMilestones
}

/**
 * Returns a connector that makes undici connect once to the endpoint already resolved, and reports each milestone. undici's diagnostics
 * channel reports the request's last byte. The socket reports the response's first byte, because undici reports only complete headers.
 */
export function createConnector(options: ConnectionOptions): buildConnector.connector {
  return (_, callback) => {
    open(options).then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
    )
  }
}

async function open({
  connect,
  secureHost,
  verifyCertificate,
  signal,
  milestones,
}: ConnectionOptions): Promise<Socket> {
  milestones.connecting()
  const plain = connect()
  plain.setNoDelay(true)
  const abandon = () => {
    // Destroying the socket closes its descriptor, so read the handshake first.
    if (plain.connecting) milestones.unconnected(handshakeOf(plain))
    plain.destroy()
  }
  signal.addEventListener('abort', abandon, { once: true })
  try {
    await once(plain, 'connect', { signal })
    const { localAddress = '', localPort = 0 } = plain
    milestones.connected(handshakeOf(plain), { localAddress, localPort })
    const socket =
      secureHost === undefined ? plain : await secure({ plain, secureHost, verifyCertificate, signal, milestones })
    // undici considers a body sent once the socket has it. Wait here until the kernel has accepted it as well.
    onBodySent(socket, () =>
      socket.writableNeedDrain ? socket.once('drain', milestones.waiting) : milestones.waiting(),
    )
    // Prepended because undici's own listeners drain the socket and mistake a reset for the end of some responses.
    socket.prependListener('error', milestones.broken)
    const onReadable = () => {
      // 'readable' is also emitted at the end of the stream.
      if (socket.readableLength === 0) return
      socket.off('readable', onReadable)
      milestones.transferring()
    }
    socket.prependListener('readable', onReadable)
    milestones.writing()
    return socket
  } catch (error) {
    plain.destroy()
    throw signal.aborted ? signal.reason : error
  }
}

interface SecureOptions extends Pick<ConnectionOptions, 'verifyCertificate' | 'signal' | 'milestones'> {
  readonly plain: Socket
  readonly secureHost: string
}

async function secure({ plain, secureHost, verifyCertificate, signal, milestones }: SecureOptions): Promise<Socket> {
  milestones.securing()
  const socket = connectTls({
    socket: plain,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: verifyCertificate,
    // SNI carries names only (RFC 6066 §3); the certificate is checked against the host in both cases.
    ...(isIP(secureHost) === 0 ? { servername: secureHost } : { host: secureHost }),
  })
  try {
    await once(socket, 'secureConnect', { signal })
    return socket
  } catch (cause) {
    if (signal.aborted) throw signal.reason
    // A real reset names its system call. TLS uses the same code without one when the peer hangs up.
    throw isSystemError(cause) && cause.syscall !== undefined ? cause : tlsFailureOf(cause, secureHost)
  }
}

/**
 * Returns the failure for a TLS error. Uses OpenSSL's reason if there is one, because its full messages contain a file, a line number and
 * a line feed. Removes the advice about root CAs that newer versions of Node append.
 */
export function tlsFailureOf(cause: unknown, secureHost: string): FailureError {
  const { code, reason, message } = { code: undefined, reason: undefined, message: String(cause), ...fieldsOf(cause) }
  return new FailureError(
    'tls',
    `cannot establish TLS with ${secureHost}: ${typeof reason === 'string' ? reason : message.replace(/; if the root CA .*/, '')}`,
    {
      cause,
      code: typeof code === 'string' ? code : undefined,
    },
  )
}

function fieldsOf(error: unknown): object {
  return error instanceof Error ? { ...error, message: error.message } : {}
}

const listeners = new WeakMap<object, () => void>()
let isSubscribed = false

/** undici reports socket and request when it sends the headers, but only the request when the body is sent. This joins the two. */
function onBodySent(socket: Socket, listener: () => void): void {
  listeners.set(socket, listener)
  if (isSubscribed) return
  isSubscribed = true
  subscribe('undici:client:sendHeaders', (message) => {
    if (!hasObject(message, 'socket') || !hasObject(message, 'request')) return
    const waiting = listeners.get(message.socket)
    if (waiting !== undefined) listeners.set(message.request, waiting)
  })
  subscribe('undici:request:bodySent', (message) => {
    if (hasObject(message, 'request')) listeners.get(message.request)?.()
  })
}

function hasObject<Key extends string>(message: unknown, key: Key): message is Record<Key, object> {
  return typeof message === 'object' && message !== null && typeof Reflect.get(message, key) === 'object'
}
