import type { Family } from './endpoint.ts'

/** Party a failure counts against: the path, the other side, this host, this process, or the caller. */
export type Blame = 'path' | 'target' | 'host' | 'process' | 'caller'

interface Reason {
  /** Completes "the attempt failed because …". */
  readonly says: string
  readonly blames: Blame
  /** Appended to the sentence of a system error or ICMP error, in parentheses. */
  readonly advice?: string
}

/** Every failure reason. Reference docs, metric labels, exit codes and series states derive from this table. */
export const reasons = {
  timeout: { says: 'no answer arrived before the deadline', blames: 'path' },
  refused: {
    says: 'the endpoint answered that nothing is listening (TCP RST, ICMP port unreachable)',
    blames: 'target',
    advice: 'nothing is listening there, or a firewall rejects the port',
  },
  reset: {
    says: 'the connection was established and then reset by a TCP RST',
    blames: 'target',
    advice: 'the other side, or a device on the path, reset the connection',
  },
  unreachable: {
    says: 'a router or this host reported that the endpoint cannot be reached',
    blames: 'path',
    advice: 'a router or this host has no route to it',
  },
  expired: {
    says: 'a router dropped the packet because its TTL or hop limit expired',
    blames: 'path',
    advice: 'the packet crossed more routers than its TTL allows: look for a routing loop',
  },
  prohibited: {
    says: 'a firewall or this host rejected the packet explicitly instead of dropping it silently',
    blames: 'path',
    advice: 'a firewall or policy denied it: check the firewall rules of this host and its network policies',
  },
  unresolved: { says: 'the name could not be resolved to an address', blames: 'host' },
  'bad-reply': {
    says: 'the answer does not match the request or violates the protocol',
    blames: 'target',
  },
  'bad-status': {
    says: 'the answer is well-formed, but its status is not the expected one (HTTP status, DNS rcode)',
    blames: 'target',
  },
  tls: { says: 'the TLS handshake failed', blames: 'target' },
  'too-big': {
    says: 'the packet is too big for this host to send, or for a router to forward, without fragmentation',
    blames: 'path',
    advice: 'the packet is too big to send unfragmented: choose a smaller payload',
  },
  'local-error': {
    says: 'this host could not send or receive: no free port, file descriptor, buffer or source address',
    blames: 'host',
    advice: 'this host has no free port, file descriptor, buffer or source address',
  },
  'not-permitted': { says: 'this process lacks a privilege the probe needs; nothing was sent', blames: 'process' },
  'not-supported': {
    says: 'this platform or installation lacks what the probe needs; nothing was sent',
    blames: 'process',
    advice: 'this host does not support that IP version',
  },
  cancelled: { says: 'the caller cancelled the attempt', blames: 'caller' },
} as const satisfies Record<string, Reason>

export type FailureReason = keyof typeof reasons

export function isFailureReason(text: string): text is FailureReason {
  return Object.hasOwn(reasons, text)
}

/**
 * Meaning of an attempt for its link. Only `failure` counts against the link. `inconclusive` means that this host or the caller is to
 * blame; `unable` means that this process lacks a privilege or feature.
 */
export type Outcome = 'success' | 'failure' | 'inconclusive' | 'unable'

const outcomes = {
  path: 'failure',
  target: 'failure',
  host: 'inconclusive',
  caller: 'inconclusive',
  process: 'unable',
} as const satisfies Record<Blame, Outcome>

export function outcomeOf(
  result: { readonly ok: true } | { readonly ok: false; readonly failure: { readonly reason: FailureReason } },
): Outcome {
  return result.ok ? 'success' : outcomeFor(result.failure.reason)
}

export function outcomeFor(reason: FailureReason): Outcome {
  return outcomes[reasons[reason].blames]
}

/** ICMP error about a packet that was sent (RFC 792, RFC 4443 §3). */
export interface IcmpError {
  readonly type: number
  readonly code: number
  /** Address of the router or host that sent it. */
  readonly from: string
  /** MTU of the next hop in bytes, if a router reported that the packet was too big for it. */
  readonly mtu?: number
}

/** Carries a failure's reason from a probe or socket to the runner, which turns it into data. */
export class FailureError extends Error {
  override readonly name = 'FailureError'
  readonly reason: FailureReason
  readonly code: string | undefined
  readonly icmp: IcmpError | undefined

  constructor(
    reason: FailureReason,
    message: string,
    options: ErrorOptions & { readonly code?: string | undefined; readonly icmp?: IcmpError } = {},
  ) {
    super(message, options)
    this.reason = reason
    this.code = options.code
    this.icmp = options.icmp
  }
}

interface SystemError extends Error {
  readonly code: string
  readonly syscall?: string
}

/**
 * errno → reason. Linux maps the codes of ICMP unreachable to errnos (net/ipv4/icmp.c `icmp_err_convert`, net/ipv6/icmp.c
 * `icmpv6_err_convert`). Only ICMPv6 has an errno for "prohibited" (EACCES). For IPv4 the socket's error queue has the details.
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
  // Node reports this for a TLS alert that arrives during a write.
  EPROTO: 'tls',
  EMSGSIZE: 'too-big',
  EADDRNOTAVAIL: 'local-error',
  EADDRINUSE: 'local-error',
  EMFILE: 'local-error',
  ENFILE: 'local-error',
  ENOBUFS: 'local-error',
  ENOMEM: 'local-error',
  // connect() and send() fail with EINVAL on a blackhole route (net/ipv4/route.c).
  EINVAL: 'unreachable',
  EAFNOSUPPORT: 'not-supported',
}

/**
 * ICMP errors by type and code; those not listed mean "unreachable" (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3). For type 11, only code 0
 * is about the TTL; code 1 means that fragment reassembly timed out.
 */
const icmpReasons: Readonly<Record<Family, Readonly<Record<string, FailureReason>>>> = {
  ipv4: {
    '3/3': 'refused',
    '3/4': 'too-big',
    '3/9': 'prohibited',
    '3/10': 'prohibited',
    '3/13': 'prohibited',
    '11/0': 'expired',
  },
  ipv6: {
    '1/1': 'prohibited',
    '1/4': 'refused',
    '1/5': 'prohibited',
    '1/6': 'prohibited',
    '2/0': 'too-big',
    '3/0': 'expired',
  },
}

/** Returns the failure for an ICMP error about a packet to `address`. */
export function icmpFailure(
  icmp: IcmpError,
  { family, address }: { readonly family: Family; readonly address: string },
): FailureError {
  const { type, code, from, mtu } = icmp
  const reason = icmpReasons[family][`${type}/${code}`] ?? 'unreachable'
  const passes = mtu === undefined ? '' : `, next-hop MTU ${mtu} bytes`
  return new FailureError(
    reason,
    `${from} answered with ICMP type ${type} code ${code} to a packet for ${address}${passes}${inParentheses(adviceOn(reason))}`,
    { code: `ICMP ${type}/${code}`, icmp },
  )
}

function adviceOn(reason: FailureReason): string | undefined {
  const { advice }: Reason = reasons[reason]
  return advice
}

function inParentheses(text: string | undefined): string {
  return text === undefined ? '' : ` (${text})`
}

export function isSystemError(error: unknown): error is SystemError {
  // Matches errno names and getaddrinfo's EAI_…, but not Node's own ERR_….
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^E(?:AI_)?[A-Z0-9]+$/.test(error.code)
  )
}

/** Turns a system error into a failure that names what was tried. Rethrows any other error, which is a bug in Scout. */
export function failureErrorOf(error: unknown, tried: string): FailureError {
  if (error instanceof FailureError) return error
  if (!isSystemError(error)) throw error
  const reason = reasonsByErrno[error.code]
  const advice = reason === undefined ? undefined : adviceOn(reason)
  return new FailureError(reason ?? 'local-error', `${tried}: ${error.code}${inParentheses(advice)}`, {
    cause: error,
    code: error.code,
  })
}
