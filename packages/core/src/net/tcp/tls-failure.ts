import { FailureError, isSystemError } from '../../model/failure.ts'

/** Returns the failure of a TLS handshake. A real reset names its system call; TLS uses the same code without one if the peer hangs up. */
export function handshakeFailureOf(error: Error, host: string): Error {
  if (!isSystemError(error)) return tlsFailureOf(error, host)
  if (error.syscall !== undefined) return error
  return failureOf(error, host, 'it closed the connection during the handshake; check whether it expects TLS there')
}

/** Returns the failure for an error of TLS: what is wrong, and what to do about it. */
export function tlsFailureOf(error: Error, host: string): FailureError {
  const { code, reason, cert } = { code: undefined, reason: undefined, cert: undefined, ...error }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return failureOf(error, host, `${namesIn(cert)}; ${nameAdvice}`)
  const [, known] = meanings.find(([codes]) => typeof code === 'string' && codes.test(code)) ?? []
  // OpenSSL's full messages contain a file, a line number and a line feed. Newer versions of Node append advice about root CAs.
  const why = typeof reason === 'string' ? reason : error.message.replace(/; if the root CA .*/, '')
  return failureOf(error, host, known ?? why)
}

const ownCa = 'name the file of its authority in the option ca'
const nameAdvice = 'probe another name, or set the option serverName'

/** Meanings of codes: those of X509_V_ERR_… without its beginning, and those of SSL_R_…, whose beginnings differ between versions of OpenSSL. */
const meanings: readonly (readonly [codes: RegExp, says: string])[] = [
  [/^CERT_HAS_EXPIRED$/, 'its certificate has expired; renew it, or check the clock of this host'],
  [/^CERT_NOT_YET_VALID$/, 'its certificate is not valid yet; check the clocks of this host and of its authority'],
  [/^DEPTH_ZERO_SELF_SIGNED_CERT$/, `its certificate is self-signed; ${ownCa}`],
  [/^SELF_SIGNED_CERT_IN_CHAIN$/, `the authority of its certificate is not trusted; ${ownCa}`],
  [
    /^UNABLE_TO_(?:GET_ISSUER_CERT(?:_LOCALLY)?|VERIFY_LEAF_SIGNATURE)$/,
    `the authority of its certificate is not known, or the server omits an intermediate certificate; ${ownCa}`,
  ],
  [
    /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE)$/,
    'it answered with bytes that are not TLS; if it serves plain HTTP there, write http instead of https',
  ],
  [
    /^ERR_SSL_(?:UNSUPPORTED_PROTOCOL|.*ALERT_PROTOCOL_VERSION)$/,
    'it supports neither TLS 1.2 nor TLS 1.3; enable one of them there',
  ],
  [/^ERR_SSL_.*ALERT_CERTIFICATE_REQUIRED$/, 'it requires a client certificate, which this probe does not send'],
  [
    /^ERR_SSL_.*ALERT_HANDSHAKE_FAILURE$/,
    'it has no cipher in common with this probe, or requires a client certificate, which this probe does not send',
  ],
  [
    /^ERR_SSL_.*ALERT_NO_APPLICATION_PROTOCOL$/,
    'it does not support HTTP/1.1 there (ALPN); this probe speaks no other',
  ],
  [/^ERR_SSL_.*UNRECOGNIZED_NAME$/, `it has no certificate for that name; ${nameAdvice}`],
  [
    /^ERR_SSL_.*ALERT_INTERNAL_ERROR$/,
    'it reports an internal error; it may have no certificate for that name: check its log',
  ],
]

/** Names of a certificate that a sentence lists. */
const mostNames = 4

function namesIn(cert: unknown): string {
  const text = typeof cert === 'object' && cert !== null && 'subjectaltname' in cert ? cert.subjectaltname : undefined
  if (typeof text !== 'string') return 'its certificate is not for that name'
  const names = text.split(', ')
  const more = names.length > mostNames ? ` and ${names.length - mostNames} more` : ''
  return `its certificate is only for ${names.slice(0, mostNames).join(', ')}${more}`
}

function failureOf(cause: Error, host: string, why: string): FailureError {
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  return new FailureError('tls', `cannot establish TLS with ${host}: ${why}`, { cause, code })
}
