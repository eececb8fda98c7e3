/** Party a failure counts against: the path, the other side, this host, this process, the caller, or other clients of the other side. */
export type Blame = 'path' | 'target' | 'host' | 'process' | 'caller' | 'other clients'

interface Reason {
  /** Completes "the attempt failed because …". */
  readonly says: string
  readonly blames: Blame
  /**
   * Protocols with which a link usually fails like this when a path, a node or an agent goes. Their counters start at 0, so that the rate of
   * a counter has its first failure. With a counter for each reason that is possible, a link would have three times the metrics.
   */
  readonly usualWith?: readonly string[]
}

const everyProtocol = ['http', 'tcp', 'syn', 'udp', 'icmp', 'dns'] as const

/** Every failure reason. Reference docs, metric labels, exit codes and series states derive from this table. */
export const reasons = {
  timeout: { says: 'no answer arrived before the deadline', blames: 'path', usualWith: everyProtocol },
  refused: {
    says: 'the endpoint answered that nothing is listening (TCP RST, ICMP port unreachable)',
    blames: 'target',
    usualWith: everyProtocol.filter((protocol) => protocol !== 'icmp'),
  },
  reset: {
    says: 'the connection was established and then reset by a TCP RST',
    blames: 'target',
  },
  unreachable: {
    says: 'a router or this host reported that the endpoint cannot be reached',
    blames: 'path',
    usualWith: everyProtocol,
  },
  expired: {
    says: 'a device dropped the packet because its TTL, its hop limit or the time to reassemble its fragments ran out',
    blames: 'path',
  },
  prohibited: {
    says: 'a firewall or this host rejected the packet explicitly instead of dropping it silently',
    blames: 'path',
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
  },
  'black-hole': {
    says: 'packets above a size vanish on the path, and no router reports it, while smaller ones pass',
    blames: 'path',
  },
  'flow-dropped': {
    says: 'a flow that was kept open no longer passes packets, while a new one to the same endpoint does',
    blames: 'path',
  },
  'local-error': {
    says: 'this host could not send or receive: no free port, file descriptor, buffer or source address',
    blames: 'host',
  },
  'not-permitted': { says: 'this process lacks a privilege the probe needs; nothing was sent', blames: 'process' },
  'not-supported': {
    says: 'this platform or installation, or an optional service of the target, lacks what the probe needs',
    blames: 'process',
  },
  busy: {
    says: 'the responder of a Scout answered that it has reached its own limit on answers at once; the path carried the answer',
    blames: 'other clients',
  },
  cancelled: { says: 'the caller cancelled the attempt', blames: 'caller' },
} as const satisfies Record<string, Reason>

export type FailureReason = keyof typeof reasons

/** Returns the reasons with which links of this protocol usually fail. */
export function usualReasonsOf(protocol: string): readonly FailureReason[] {
  return Object.entries<Reason>(reasons).flatMap(([reason, { usualWith = [] }]) =>
    usualWith.includes(protocol) && isFailureReason(reason) ? [reason] : [],
  )
}

export function isFailureReason(text: string): text is FailureReason {
  return Object.hasOwn(reasons, text)
}

/**
 * Meaning of an attempt for its link. Only `failure` counts against the link. `inconclusive` means that this host, the caller or
 * other clients are to blame; `unable` means that this process lacks a privilege or feature.
 */
export type Outcome = 'success' | 'failure' | 'inconclusive' | 'unable'

const outcomes = {
  path: 'failure',
  target: 'failure',
  host: 'inconclusive',
  caller: 'inconclusive',
  'other clients': 'inconclusive',
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

interface ErrnoMeaning {
  readonly reason: FailureReason
  /** What it means, and what to do: appended to the sentence in parentheses. */
  readonly advice?: string
}

const noRoute = { reason: 'unreachable', advice: 'a router or this host has no route to it' } as const
const noWay = {
  reason: 'unreachable',
  advice: 'a router, a firewall or this host reports that it cannot be reached',
} as const
const reset = { reason: 'reset', advice: 'the other side, or a device on the path, reset the connection' } as const
const files = 'so nothing was sent: raise the limit, or run fewer probes and peers at once'

/**
 * Meaning of each errno. Linux maps the codes of ICMP unreachable to errnos (net/ipv4/icmp.c `icmp_err_convert`, net/ipv6/icmp.c
 * `icmpv6_err_convert`). Only ICMPv6 has an errno for "prohibited" (EACCES). For IPv4 the socket's error queue has the details:
 * icmp.ts.
 */
const errnos: Readonly<Record<string, ErrnoMeaning>> = {
  ECONNREFUSED: { reason: 'refused', advice: 'nothing is listening there, or a firewall rejects the port' },
  ECONNRESET: reset,
  EPIPE: reset,
  ECONNABORTED: reset,
  EHOSTUNREACH: noWay,
  ENETUNREACH: noRoute,
  EHOSTDOWN: noWay,
  ENETDOWN: { reason: 'unreachable', advice: 'the interface of this host that leads there is down' },
  ENOPROTOOPT: noWay,
  // A broadcast address needs SO_BROADCAST, which no probe sets (ip(7)). A route of type prohibit and ICMPv6 1/1 are the other causes.
  EACCES: {
    reason: 'prohibited',
    advice: 'a firewall or a route rejects it, or it is a broadcast address, which cannot be probed',
  },
  EPERM: {
    reason: 'prohibited',
    advice: 'a firewall rule or policy of this host denies it: check iptables, nftables and eBPF programs',
  },
  ETIMEDOUT: { reason: 'timeout' },
  // Node reports this for a TLS alert that arrives during a write.
  EPROTO: { reason: 'tls' },
  EMSGSIZE: {
    reason: 'too-big',
    advice: 'the packet exceeds what this host may send there in one piece: choose a smaller payload',
  },
  EADDRNOTAVAIL: {
    reason: 'local-error',
    advice:
      'this host has no free port, or lacks the source address: widen net.ipv4.ip_local_port_range, or probe less often',
  },
  EADDRINUSE: {
    reason: 'local-error',
    advice: 'another socket of this host has this port: choose another, or end its owner',
  },
  EMFILE: { reason: 'local-error', advice: `this process has reached its limit of open files (ulimit -n), ${files}` },
  ENFILE: { reason: 'local-error', advice: `this host has reached its limit of open files (fs.file-max), ${files}` },
  ENOBUFS: {
    reason: 'local-error',
    advice: 'a queue or buffer of this host is full: raise net.core.wmem_max, or send fewer packets at once',
  },
  EAGAIN: {
    reason: 'local-error',
    advice: 'a send buffer or a limit of this host is exhausted: raise net.core.wmem_max, or run fewer probes at once',
  },
  ENOMEM: {
    reason: 'local-error',
    advice: 'this host or container has no memory left for it: raise the memory limit, or net.ipv4.udp_mem',
  },
  // connect() and send() fail with EINVAL on a blackhole route (net/ipv4/route.c).
  EINVAL: noRoute,
  EAFNOSUPPORT: { reason: 'not-supported', advice: 'this host does not support that IP version' },
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

/** Whether this process or host has no descriptor or no memory left. */
export function isShortage(error: unknown): boolean {
  return isSystemError(error) && ['EMFILE', 'ENFILE', 'ENOMEM'].includes(error.code)
}

/** Turns a system error into a failure that names what was tried. Rethrows any other error, which is a bug in Scout. */
export function failureErrorOf(error: unknown, tried: string): FailureError {
  if (error instanceof FailureError) return error
  if (!isSystemError(error)) throw error
  const { reason, advice }: ErrnoMeaning = errnos[error.code] ?? { reason: 'local-error' }
  return new FailureError(reason, `${tried}: ${error.code}${advice === undefined ? '' : ` (${advice})`}`, {
    cause: error,
    code: error.code,
  })
}
