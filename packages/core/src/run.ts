import { setMaxListeners } from 'node:events'
import { nowNs, startStopwatch } from './clock.ts'
import { FailureError, failureErrorOf } from './failure.ts'
import type { Sockets } from './net/sockets.ts'
import { type CommonOptions, parseOptions } from './options.ts'
import type { Endpoint, Failure, Probe, Result } from './probe.ts'
import { literalEndpoint, type ResolveName } from './resolve.ts'
import { parseTarget, type TargetForm, type TargetOf } from './target.ts'

/** A probe's request after every check: nothing in it can be misuse any more. */
export interface Request {
  readonly target: TargetOf<TargetForm>
  readonly options: Readonly<Record<string, unknown>> & CommonOptions
}

/** What the runner needs from its surroundings. */
export interface RunContext {
  readonly sockets: Sockets
  readonly resolve: ResolveName
  readonly nameServer: () => string
  /** Aborts when the prober is closed, and every attempt with it. */
  readonly closing: AbortSignal
}

/**
 * Checks target and options before the first packet.
 * @throws {ScoutError} `invalid-target`, `invalid-option`, `unknown-option`
 */
export function prepare(
  probe: Probe,
  { target, options = {} }: { readonly target: string; readonly options?: object },
  context: Pick<RunContext, 'nameServer'>,
): Request {
  return {
    target: parseTarget(probe.targetForm, target, { nameServer: context.nameServer }),
    options: parseOptions(probe, options),
  }
}

/** Makes one attempt. Everything expected comes back as data; a rejection is a defect. */
export async function run(
  probe: Probe,
  request: Request,
  context: RunContext & { readonly signal?: AbortSignal | undefined },
): Promise<Result> {
  const { target, options } = request
  const stopwatch = startStopwatch<string>()
  const startedAtMs = Date.now()
  const callers = [context.closing, ...(context.signal === undefined ? [] : [context.signal])]
  const deadline = startDeadline(options.timeoutMs, callers)
  let endpoint: Endpoint | undefined
  const measured = () => ({
    protocol: probe.protocol,
    target: target.text,
    ...(endpoint === undefined ? {} : { endpoint }),
    startedAtMs,
    phasesNs: { ...stopwatch.phasesNs },
  })
  try {
    deadline.signal.throwIfAborted()
    const port = 'port' in target ? target.port : undefined
    endpoint = literalEndpoint(target.host, options.family, port)
    if (endpoint === undefined) {
      stopwatch.enter('resolve')
      const found = await rejectOnAbort(context.resolve(target.host, options.family), deadline.signal)
      endpoint = { host: target.host, ...found, ...(port === undefined ? {} : { port }) }
      stopwatch.stop()
      deadline.signal.throwIfAborted()
    }
    const detail = await probe.measure(
      {
        target,
        endpoint,
        signal: deadline.signal,
        sockets: context.sockets,
        remainingNs: deadline.remainingNs,
        enter: stopwatch.enter,
        settle: stopwatch.settle,
        revise: stopwatch.revise,
      },
      options,
    )
    stopwatch.stop()
    const totalNs = Object.values(stopwatch.phasesNs).reduce<number>((sum, phaseNs) => sum + (phaseNs ?? 0), 0)
    return { ...measured(), totalNs, clock: stopwatch.clocks, ok: true, detail }
  } catch (error) {
    const phase = stopwatch.current ?? 'setup'
    const totalNs = stopwatch.elapsedNs()
    const failure = failureOf(error, phase, `${probe.protocol} probe of ${target.text}`)
    return { ...measured(), totalNs, clock: stopwatch.clocks, ok: false, failure }
  } finally {
    deadline.clear()
  }
}

interface Deadline {
  readonly signal: AbortSignal
  remainingNs(): number
  clear(): void
}

/**
 * The timer never decides alone: libuv runs timers before it polls, so an answer may already wait in a socket when the timer
 * fires late. The abort comes from the check phase, after one poll has drained the sockets.
 */
function startDeadline(timeoutMs: number, callers: readonly AbortSignal[]): Deadline {
  const controller = new AbortController()
  const deadlineNs = nowNs() + timeoutMs * 1e6
  const expire = () => controller.abort(new FailureError('timeout', `no answer within ${timeoutMs} ms`))
  let drained: NodeJS.Immediate | undefined
  let timer: NodeJS.Timeout
  // A timer counts from when its turn of the event loop began, so behind other work it fires before its time.
  const wait = () => {
    const leftMs = (deadlineNs - nowNs()) / 1e6
    if (leftMs > 0) timer = setTimeout(wait, Math.ceil(leftMs))
    else drained = setImmediate(expire)
  }
  wait()
  // AbortSignal.any would do, but on Node 20 it keeps every derived signal alive as long as the caller's.
  const cancel = () => controller.abort(new FailureError('cancelled', 'the caller gave up'))
  if (callers.some((caller) => caller.aborted)) cancel()
  else {
    // Any number of attempts may be under way for one caller; each takes its listener away when it ends.
    setMaxListeners(0, ...callers)
    for (const caller of callers) caller.addEventListener('abort', cancel, { once: true })
  }
  return {
    signal: controller.signal,
    remainingNs: () => deadlineNs - nowNs(),
    clear: () => {
      clearTimeout(timer)
      if (drained !== undefined) clearImmediate(drained)
      for (const caller of callers) caller.removeEventListener('abort', cancel)
    },
  }
}

async function rejectOnAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function failureOf(error: unknown, phase: string, tried: string): Failure {
  const { reason, message, code } = failureErrorOf(error, tried)
  return { reason, phase, message, ...(code === undefined ? {} : { code }) }
}
