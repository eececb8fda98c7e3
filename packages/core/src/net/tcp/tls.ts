import { readFile, stat } from 'node:fs/promises'
import { isIP, type Socket } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import { splitZone } from '../../model/address.ts'
import { messageOf } from '../../model/errors.ts'
import { FailureError } from '../../model/failure.ts'
import { handshakeFailureOf } from './tls-failure.ts'

/** How to secure a connection. */
export interface Security {
  /** Name or address that is asked for and that the certificate must match. */
  readonly name: string
  /** Accepts any certificate. */
  readonly insecure: boolean
}

/** The outcome of a TLS handshake. */
export interface Secured {
  /** Whole days until the server's certificate expires; negative if it has expired. */
  readonly certificateDaysLeft?: number
}

/** Starts the TLS handshake over a connected socket. Call `onSecure` or `onError`, whichever comes first. */
export type Secure = (plain: Socket, security: Security, listener: SecureListener) => TLSSocket

interface SecureListener {
  onSecure(secured: Secured): void
  /** Also called about what happens to TLS later. */
  onError(error: Error): void
}

/** Stands for the authorities that this host trusts. */
export const systemStore = 'system'

/** Where systems keep them as one file, as in Go's crypto/x509/root_linux.go. */
const systemFiles = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Arch, Gentoo
  '/etc/pki/tls/certs/ca-bundle.crt', // Fedora, RHEL
  '/etc/ssl/ca-bundle.pem', // openSUSE
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', // CentOS
  '/etc/ssl/cert.pem', // Alpine
]

/** A server sends two session tickets after a handshake, and perhaps some later (RFC 8446 §4.6.1). Nothing else limits them. */
const mostTickets = 32

const dayMs = 24 * 3600 * 1000

/**
 * Returns the function that starts TLS, trusting the authorities of `ca`: a file, the system's store, or if empty those of Node. It is
 * loaded on first use, because its modules take 4 MB that plain HTTP does not need.
 * @throws {FailureError} not-supported if the authorities cannot be read
 */
export async function loadTls({ ca }: { readonly ca: string }): Promise<Secure> {
  const { connect } = await import('node:tls')
  const secureContext = await contextOf(ca)
  return (plain, { name, insecure }, { onSecure, onError }) => {
    // A final dot means that a name is complete. It is no part of the name in TLS (RFC 6066 §3).
    const host = name.replace(/\.$/, '')
    let tickets = 0
    const socket = connect({
      socket: plain,
      secureContext,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: !insecure,
      // SNI carries names only (RFC 6066 §3); the certificate is checked against the host in both cases, which has no zone there.
      ...(isIP(host) === 0 ? { servername: host } : { host: splitZone(host).bare }),
    })
    const failed = (error: Error) => onError(handshakeFailureOf(error, host))
    socket.on('error', failed)
    socket.on('session', () => {
      tickets++
      if (tickets !== mostTickets + 1) return
      // Later, because Node crashes if a socket is closed while OpenSSL reads a ticket. Until then an answer that came with it has to wait.
      socket.pause()
      setImmediate(onError, new FailureError('bad-reply', `${host} sent more than ${mostTickets} TLS session tickets`))
    })
    socket.once('secureConnect', () => {
      socket.off('error', failed)
      onSecure(daysLeftOf(socket))
    })
    return socket
  }
}

function daysLeftOf(socket: TLSSocket): Secured {
  const endMs = Date.parse(socket.getPeerCertificate().valid_to)
  return Number.isNaN(endMs) ? {} : { certificateDaysLeft: Math.floor((endMs - Date.now()) / dayMs) }
}

interface Context {
  readonly version: string
  readonly context: SecureContext
}

/** One for each set of authorities, because reading a whole store takes longer than a handshake. */
const contexts = new Map<string, Context>()

async function contextOf(ca: string): Promise<SecureContext> {
  const { createSecureContext } = await import('node:tls')
  const file = ca === systemStore ? await systemFile() : ca
  try {
    const version = file === '' ? '' : await versionOf(file)
    const known = contexts.get(file)
    if (known?.version === version) return known.context
    const context = createSecureContext(file === '' ? {} : { ca: await authoritiesIn(file) })
    contexts.set(file, { version, context })
    return context
  } catch (error) {
    const cause = messageOf(error)
    throw new FailureError('not-supported', `cannot trust the authorities of ${file}: ${cause}`, { cause: error })
  }
}

async function authoritiesIn(file: string): Promise<string> {
  const text = await readFile(file, 'utf8')
  // Node ignores a file without certificates, and would then trust nobody.
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it contains no certificate in PEM')
  return text
}

/** Changes with the file: authorities are replaced while agents run. */
async function versionOf(file: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(file)
  return `${mtimeMs} ${size} ${ino}`
}

async function systemFile(): Promise<string> {
  for (const file of systemFiles) {
    try {
      await stat(file)
      return file
    } catch {
      // Another system's.
    }
  }
  throw new FailureError(
    'not-supported',
    `this host has no certificate store in ${systemFiles.join(', ')}: install ca-certificates, or name a file`,
  )
}
