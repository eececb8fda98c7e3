import { isIP, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { FailureError, isSystemError } from '../../model/failure.ts'

/** How to secure a connection. */
export interface Security {
  /** Name or address that the certificate must match. */
  readonly host: string
  readonly verifiesCertificate: boolean
}

/** Starts the TLS handshake over a connected socket. Call `onSecure` or `onError`, whichever comes first. */
export type Secure = (plain: Socket, security: Security, listener: SecureListener) => TLSSocket

interface SecureListener {
  onSecure(): void
  onError(error: Error): void
}

/** Returns the function that starts TLS. It is loaded on first use, because its modules take 4 MB that plain HTTP does not need. */
export async function loadTls(): Promise<Secure> {
  const { connect } = await import('node:tls')
  return (plain, { host, verifiesCertificate }, { onSecure, onError }) => {
    const socket = connect({
      socket: plain,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: verifiesCertificate,
      // SNI carries names only (RFC 6066 §3); the certificate is checked against the host in both cases.
      ...(isIP(host) === 0 ? { servername: host } : { host }),
    })
    const failed = (error: Error) => onError(handshakeFailureOf(error, host))
    socket.on('error', failed)
    socket.once('secureConnect', () => {
      socket.off('error', failed)
      onSecure()
    })
    return socket
  }
}

/** A real reset names its system call. TLS uses the same code without one when the peer hangs up. */
function handshakeFailureOf(error: Error, host: string): Error {
  return isSystemError(error) && error.syscall !== undefined ? error : tlsFailureOf(error, host)
}

/**
 * Returns the failure for a TLS error. Uses OpenSSL's reason if there is one, because its full messages contain a file, a line number and
 * a line feed. Removes the advice about root CAs that newer versions of Node append.
 */
export function tlsFailureOf(cause: Error, host: string): FailureError {
  const { code, reason, message } = { code: undefined, reason: undefined, ...cause, message: cause.message }
  return new FailureError(
    'tls',
    `cannot establish TLS with ${host}: ${typeof reason === 'string' ? reason : message.replace(/; if the root CA .*/, '')}`,
    {
      cause,
      code: typeof code === 'string' ? code : undefined,
    },
  )
}
