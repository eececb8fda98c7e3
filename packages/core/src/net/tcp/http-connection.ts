import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { buildConnector } from 'undici'
import { FailureError, isSystemError } from '../../model/failure.ts'
import type { LocalEnd } from './connection-observer.ts'
import { type Handshake, handshakeOf } from './tcp-info.ts'

/** What an HTTP exchange passes through, told at the moment it happens. */
export interface HttpMilestones {
  connecting(): void
  /** With what the kernel knows of the handshake, where it can be asked. */
  connected(handshake: Handshake | undefined, local: LocalEnd): void
  /** The attempt is over before the handshake, with what the kernel knows of it. */
  unconnected(handshake: Handshake | undefined): void
  securing(): void
  writing(): void
  waiting(): void
  transferring(): void
  /** The connection broke, whether or not the response was complete. */
  broken(error: Error): void
}

interface ConnectionOptions {
  /** Begins the connection. */
  readonly connect: () => Socket
  /** Name the certificate has to match; undefined for plain HTTP. */
  readonly secureHost: string | undefined
  readonly verifyCertificate: boolean
  readonly signal: AbortSignal
  readonly milestones: HttpMilestones
}

/**
 * Makes undici connect to the endpoint decided before, once, and tells each milestone. The request's last byte is known from undici's
 * diagnostics channel; the response's first byte from the socket, since undici tells of headers only when they are complete.
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
    // Its descriptor is gone with the socket.
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
    // To undici a body is out once the socket has it; what the kernel has not taken yet is waited for here.
    onBodySent(socket, () =>
      socket.writableNeedDrain ? socket.once('drain', milestones.waiting) : milestones.waiting(),
    )
    // Before undici's own listeners, which read the socket empty and take a reset for the end of some responses.
    socket.prependListener('error', milestones.broken)
    const onReadable = () => {
      // The end of the stream is 'readable' too.
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
    // A reset names the call that met it; what TLS calls by the same code is a peer that hung up.
    throw isSystemError(cause) && cause.syscall !== undefined ? cause : tlsFailureOf(cause, secureHost)
  }
}

/**
 * OpenSSL's reason alone where there is one: its messages carry a file, a line and a line feed. Without what newer versions of Node
 * advise those who start it.
 */
export function tlsFailureOf(cause: unknown, secureHost: string): FailureError {
  const { code, reason, message } = { code: undefined, reason: undefined, message: String(cause), ...fieldsOf(cause) }
  return new FailureError(
    'tls',
    `cannot speak TLS with ${secureHost}: ${typeof reason === 'string' ? reason : message.replace(/; if the root CA .*/, '')}`,
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

/** undici names the socket when it sends the headers, and the request alone when the body is out; the two are joined here. */
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
