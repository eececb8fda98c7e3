import type { Family } from './endpoint.ts'

/** Every way an attempt can fail, each with its meaning; docs and metric labels derive from this table. */
export const failureReasons = {
  timeout: 'nothing came back before the deadline',
  refused: 'the endpoint answered that nobody listens (TCP RST, ICMP port unreachable)',
  reset: 'the connection was made and then torn down by a TCP RST',
  unreachable: 'a router or this host answered that there is no way to the endpoint',
  prohibited: 'a filter answered, or this host denied the packet, instead of dropping it silently',
  unresolved: 'the name could not be turned into an address',
  'bad-reply': 'an answer came that does not belong to the question or breaks the protocol',
  'bad-status': 'a well-formed answer came with another status than expected (HTTP status, DNS rcode)',
  tls: 'the TLS handshake failed',
  'too-big': 'the packet is larger than this host may send',
  'local-error': 'this host could not send or receive: no free port, file descriptor, buffer or source address',
  'not-permitted': 'this process lacks a privilege the probe needs; nothing was sent',
  'not-supported': 'this platform or installation lacks what the probe needs; nothing was sent',
  cancelled: 'the caller gave up',
} as const

export type FailureReason = keyof typeof failureReasons

/** Carries a failure's reason from where it is known (a probe, a socket) to the runner, which turns it into data. */
export class FailureError extends Error {
  override readonly name = 'FailureError'
  readonly reason: FailureReason
  readonly code: string | undefined

  constructor(
    reason: FailureReason,
    message: string,
    options: ErrorOptions & { readonly code?: string | undefined } = {},
  ) {
    super(message, options)
    this.reason = reason
    this.code = options.code
  }
}

interface SystemError extends Error {
  readonly code: string
  readonly syscall?: string
}

/**
 * errno → reason. Linux folds the codes of ICMP unreachable into errnos (net/ipv4/icmp.c `icmp_err_convert`, net/ipv6/icmp.c
 * `icmpv6_err_convert`): only ICMPv6 keeps "prohibited" apart (EACCES); for IPv4 the error queue tells more, where it is read.
 */
const reasonsByErrno: Readonly<Record<string, FailureReason>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ECONNABORTED: 'reset',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  ENOPROTOOPT: 'unreachable',
  EACCES: 'prohibited',
  EPERM: 'prohibited',
  ETIMEDOUT: 'timeout',
  // What Node makes of a TLS alert that arrives while it writes.
  EPROTO: 'tls',
  EMSGSIZE: 'too-big',
  EADDRNOTAVAIL: 'local-error',
  EADDRINUSE: 'local-error',
  EMFILE: 'local-error',
  ENFILE: 'local-error',
  ENOBUFS: 'local-error',
  ENOMEM: 'local-error',
  // A blackhole route makes connect() and send() fail with EINVAL (net/ipv4/route.c).
  EINVAL: 'unreachable',
  EAFNOSUPPORT: 'not-supported',
}

/** ICMP "destination unreachable" by code where it means something else than that (RFC 1812 §5.2.7.1, RFC 4443 §3.1). */
const icmpReasons: Readonly<Record<Family, Readonly<Record<string, FailureReason>>>> = {
  ipv4: { '3/3': 'refused', '3/4': 'too-big', '3/9': 'prohibited', '3/10': 'prohibited', '3/13': 'prohibited' },
  ipv6: { '1/1': 'prohibited', '1/4': 'refused', '1/5': 'prohibited', '1/6': 'prohibited', '2/0': 'too-big' },
}

/** What a router or the target says of a packet in an ICMP error. */
export function icmpReasonOf(family: Family, type: number, code: number): FailureReason {
  return icmpReasons[family][`${type}/${code}`] ?? 'unreachable'
}

export const explanations: Readonly<Partial<Record<FailureReason, string>>> = {
  refused: 'nobody listens there, or a firewall rejects the port',
  reset: 'the other side, or something on the path, tore the connection down',
  unreachable: 'a router or this host has no route to it',
  prohibited: 'a firewall or policy denied it: look at the rules of this host and its network policies',
  'too-big': 'the packet exceeds what this host may send in one piece: choose a smaller payload',
  'local-error': 'this host has no free port, file descriptor, buffer or source address for it',
  'not-supported': 'this host does not speak that IP version',
}

export function isSystemError(error: unknown): error is SystemError {
  // Names of errno and, from getaddrinfo, EAI_…; not ERR_…, which are Node's own.
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^E(?:AI_)?[A-Z0-9]+$/.test(error.code)
  )
}

/** A system error as a failure that says what was tried; any other error is a defect of ours and thrown on. */
export function failureErrorOf(error: unknown, tried: string): FailureError {
  if (error instanceof FailureError) return error
  if (!isSystemError(error)) throw error
  const known = reasonsByErrno[error.code]
  const explanation = known === undefined ? undefined : explanations[known]
  return new FailureError(
    known ?? 'local-error',
    `${tried}: ${error.code}${explanation === undefined ? '' : ` (${explanation})`}`,
    {
      cause: error,
      code: error.code,
    },
  )
}
