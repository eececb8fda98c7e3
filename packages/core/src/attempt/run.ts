import type { Address } from '../model/address.ts'
import type { Endpoint } from '../model/endpoint.ts'
import { FailureError, failureErrorOf } from '../model/failure.ts'
import { parseTarget, type TargetForm, type TargetOf } from '../model/target.ts'
import { literalEndpoint, type ResolveName } from '../net/host/resolve.ts'
import type { Sockets } from '../net/sockets.ts'
import { type CommonOptions, parseOptions } from '../probes/options.ts'
import type { Learned, Probe } from '../probes/probe.ts'
import type { Failure, Result } from '../probes/result.ts'
import type { Session } from '../probes/session.ts'
import { Stopwatch } from '../time/clock.ts'
import type { Deadline } from '../time/deadline.ts'

/** A validated request, which is free of misuse. */
export interface Request {
  readonly target: TargetOf<TargetForm>
  readonly options: Readonly<Record<string, unknown>> & CommonOptions
}

/** Dependencies of the runner. */
export interface RunContext {
  readonly sockets: Sockets
  readonly resolve: ResolveName
  readonly deadline: Deadline
  readonly session: Session
  readonly onEnded: () => void
}

/**
 * Validates target and options before the first packet.
 * @throws {ScoutError} `invalid-target`, `invalid-option`, `unknown-option`
 */
export function prepare(
  probe: Probe,
  { target, options = {} }: { readonly target: string; readonly options?: object },
  context: { readonly nameServer: () => string },
): Request {
  return {
    target: parseTarget(probe.targetForm, target, { nameServer: context.nameServer }),
    options: parseOptions(probe, options),
  }
}

/** Makes one attempt. Returns every expected outcome as data; a rejection is a bug. */
export async function run(
  probe: Probe,
  { target, options }: Request,
  { sockets, resolve, deadline, session, onEnded }: RunContext,
): Promise<Result> {
  const stopwatch = new Stopwatch<string>()
  const startedAtMs = Date.now()
  const { protocol } = probe
  const learned: Learned = {}
  const record = (more: Learned) => void Object.assign(learned, more)
  let endpoint: Endpoint | undefined
  try {
    throwIfOver(deadline)
    endpoint = endpointOf({ target, options })
    if (endpoint === undefined) {
      stopwatch.enter('resolve')
      endpoint = resolvedEndpoint(target, await resolved({ target, options }, resolve, deadline))
      stopwatch.stop()
      throwIfOver(deadline)
    }
    const to = sockets.located(endpoint)
    const detail = await probe.measure({ target, endpoint: to, deadline, sockets, session, stopwatch, record }, options)
    stopwatch.stop()
    const { phasesNs, totalNs: pathNs, clocks: clock } = stopwatch.reading()
    const totalNs = probe.yields === 'facts' ? deadline.elapsedNs() : pathNs
    // A busy process cannot tell whether the connection or only its notification was late, but the kernel's clock can.
    if (clock.rx !== 'user' && pathNs > deadline.timeoutNs) {
      if (typeof detail === 'object' && detail !== null) record({ detail })
      throw deadline.timedOut()
    }
    const times = { startedAtMs, phasesNs, totalNs, clock }
    return { protocol, target: target.text, endpoint, ...times, ...packetsOf(learned), ok: true, detail }
  } catch (error) {
    const phase = stopwatch.current ?? 'setup'
    const { phasesNs, clocks: clock } = stopwatch.reading()
    const times = { startedAtMs, phasesNs, totalNs: deadline.elapsedNs(), clock }
    const failure = failureOf(failureErrorOf(error, `${protocol} probe of ${target.text}`), phase)
    const known = endpoint === undefined ? {} : { endpoint }
    const detail = learned.detail === undefined ? {} : { detail: learned.detail }
    return { protocol, target: target.text, ...known, ...times, ...packetsOf(learned), ok: false, failure, ...detail }
  } finally {
    onEnded()
  }
}

/** Returns the endpoint of a target that is an address, or whose address is given; undefined for a name. */
export function endpointOf({ target, options }: Request): Endpoint | undefined {
  const { address = target.host, family } = options
  const endpoint = literalEndpoint(address, family, 'port' in target ? target.port : undefined)
  return endpoint === undefined ? undefined : { ...endpoint, host: target.host }
}

function packetsOf({ packets }: Learned): Pick<Learned, 'packets'> {
  return packets === undefined ? {} : { packets }
}

function resolvedEndpoint(target: TargetOf<TargetForm>, addresses: readonly Address[]): Endpoint {
  const [first] = addresses
  if (first === undefined) throw new TypeError('a resolved name has at least one address')
  const port = 'port' in target && target.port !== undefined ? { port: target.port } : {}
  return { host: target.host, ...first, ...port, addressCount: addresses.length }
}

function throwIfOver({ reason }: Deadline): void {
  if (reason !== undefined) throw reason
}

/** Resolves the name of a target until the deadline. A name that takes too long is unresolved, because nothing was sent on its path. */
function resolved(
  { target: { host }, options }: Request,
  resolve: ResolveName,
  deadline: Deadline,
): Promise<readonly Address[]> {
  return new Promise((found, failed) => {
    const off = deadline.onOver((reason) => {
      if (reason.reason !== 'timeout') return failed(reason)
      // By then, a resolver that heeds its signal has said which server was silent.
      setImmediate(() => failed(new FailureError('unresolved', `cannot resolve ${host}: ${reason.message}`)))
    })
    resolve(host, options.family, deadline.signal).then(found, failed).finally(off)
  })
}

export function failureOf({ reason, message, code, icmp }: FailureError, phase: string): Failure {
  return { reason, phase, message, ...(code === undefined ? {} : { code }), ...(icmp === undefined ? {} : { icmp }) }
}
