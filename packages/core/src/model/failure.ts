import type { Family } from './endpoint.ts'

/** What a failure counts against: the path, the other side, this host, this process, or the caller. */
export type Blame = 'path' | 'target' | 'host' | 'process' | 'caller'

interface Reason {
  /** Completes "the attempt failed because …". */
  readonly says: string
  readonly blames: Blame
  /** Appended to the sentence of a system error or ICMP error, in parentheses. */
  readonly advice?: string
}

/** Every reason an attempt can fail for. Reference docs, metric labels, exit codes and series states derive from this table. */
export const reasons = {
  timeout: { says: 'nothing came back before the deadline', blames: 'path' },
  refused: {
    says: 'the endpoint answered that nobody listens (TCP RST, ICMP port unreachable)',
    blames: 'target',
    advice: 'nobody listens there, or a firewall rejects the port',
  },
  reset: {
    says: 'the connection was made and then torn down by a TCP RST',
    blames: 'target',
    advice: 'the other side, or something on the path, tore the connection down',
  },
  unreachable: {
    says: 'a router or this host answered that there is no way to the endpoint',
    blames: 'path',
    advice: 'a router or this host has no route to it',
  },
  expired: {
    says: 'a router dropped the packet because its TTL or hop limit ran out',
    blames: 'path',
    advice: 'the packet passed more routers than its TTL allows: look for a routing loop',
  },
  prohibited: {
    says: 'a filter answered, or this host denied the packet, instead of dropping it silently',
    blames: 'path',
    advice: 'a firewall or policy denied it: look at the rules of this host and its network policies',
  },
  unresolved: { says: 'the name could not be turned into an address', blames: 'host' },
  'bad-reply': {
    says: 'an answer came that does not belong to the question or breaks the protocol',
    blames: 'target',
  },
  'bad-status': {
    says: 'a well-formed answer came with another status than expected (HTTP status, DNS rcode)',
    blames: 'target',
  },
  tls: { says: 'the TLS handshake failed', blames: 'target' },
  'too-big': {
    says: 'the packet is larger than this host may send or a router may pass on in one piece',
    blames: 'path',
    advice: 'the packet exceeds what may be sent in one piece: choose a smaller payload',
  },
  'local-error': {
    says: 'this host could not send or receive: no free port, file descriptor, buffer or source address',
    blames: 'host',
    advice: 'this host has no free port, file descriptor, buffer or source address for it',
  },
  'not-permitted': { says: 'this process lacks a privilege the probe needs; nothing was sent', blames: 'process' },
  'not-supported': {
    says: 'this platform or installation lacks what the probe needs; nothing was sent',
    blames: 'process',
    advice: 'this host does not speak that IP version',
  },
  cancelled: { says: 'the caller gave up', blames: 'caller' },
} as const satisfies Record<string, Reason>

export type FailureReason = keyof typeof reasons

export function isFailureReason(text: string): text is FailureReason {
  return Object.hasOwn(reasons, text)
}

/**
 * What an attempt says about its link: `failure` counts against it; `inconclusive` (this host or the caller is to blame) and `unable`
 * (this process lacks a privilege or feature) say nothing about it.
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

/** An ICMP error about a packet that was sent (RFC 792, RFC 4443 §3). */
export interface IcmpError {
  readonly type: number
  readonly code: number
  /** Address of the router or host that sent it. */
  readonly from: string
  /** MTU of the next hop in bytes, where a router said that the packet was too big for it. */
  readonly mtu?: number
}

/** Carries a failure's reason from where it is known (a probe, a socket) to the runner, which turns it into data. */
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

/**
 * ICMP errors by type and code, where they do not mean "unreachable" (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3). Of type 11 only code 0
 * is about the TTL; code 1 is a fragment that was never completed.
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

/** Returns the failure that an ICMP error about a packet for `address` stands for. */
export function icmpFailure(
  icmp: IcmpError,
  { family, address }: { readonly family: Family; readonly address: string },
): FailureError {
  const { type, code, from, mtu } = icmp
  const reason = icmpReasons[family][`${type}/${code}`] ?? 'unreachable'
  const passes = mtu === undefined ? '' : `, which can pass on ${mtu} bytes`
  return new FailureError(
    reason,
    `${from} answered ICMP type ${type} code ${code} to a packet for ${address}${passes}${inParentheses(adviceOn(reason))}`,
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
  const reason = reasonsByErrno[error.code]
  const advice = reason === undefined ? undefined : adviceOn(reason)
  return new FailureError(reason ?? 'local-error', `${tried}: ${error.code}${inParentheses(advice)}`, {
    cause: error,
    code: error.code,
  })
}
