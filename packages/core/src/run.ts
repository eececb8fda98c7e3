import { z } from 'zod'
import { nowNs, startStopwatch } from './clock.ts'
import { ScoutError } from './errors.ts'
import { FailureError, failureErrorOf } from './failure.ts'
import { nearest } from './nearest.ts'
import type { Sockets } from './net/sockets.ts'
import type { Endpoint, Failure, Probe, Result } from './probe.ts'
import { literalEndpoint, type ResolveName } from './resolve.ts'
import { parseTarget, type TargetForm, type TargetOf } from './target.ts'

/** Options every probe has. */
export const commonOptions = z.object({
  timeoutMs: z
    .number()
    .positive()
    .max(600_000)
    .default(3500)
    .describe('give up after this long; 3.5 s leaves room for two retransmitted SYNs (RFC 6298: at 1 s and 3 s)'),
  family: z.enum(['any', 'ipv4', 'ipv6']).default('any').describe('IP version to resolve names to'),
})

export type CommonOptions = z.output<typeof commonOptions>

/** A probe's request after every check: nothing in it can be misuse any more. */
export interface Request {
  readonly target: TargetOf<TargetForm>
  readonly common: CommonOptions
  readonly options: Readonly<Record<string, unknown>>
}

/** What the runner needs from its surroundings. */
export interface RunContext {
  readonly sockets: Sockets
  readonly resolve: ResolveName
  readonly nameServer: () => string
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
  const schema = probe.options.extend(commonOptions.shape).strict()
  const parsed = schema.safeParse(options)
  if (!parsed.success) throw misuse(probe, parsed.error, Object.keys(schema.shape))
  return {
    target: parseTarget(probe.targetForm, target, { nameServer: context.nameServer }),
    common: commonOptions.parse(parsed.data),
    options: parsed.data,
  }
}

/** Makes one attempt. Everything expected comes back as data; a rejection is a defect. */
export async function run(
  probe: Probe,
  request: Request,
  context: RunContext & { readonly signal?: AbortSignal | undefined },
): Promise<Result> {
  const { target, common } = request
  const stopwatch = startStopwatch<string>()
  const startedAtMs = Date.now()
  const deadline = startDeadline(common.timeoutMs, context.signal)
  let endpoint: Endpoint | undefined
  const measured = () => ({
    protocol: probe.protocol,
    target: target.text,
    ...(endpoint === undefined ? {} : { endpoint }),
    startedAtMs,
    phasesNs: stopwatch.phasesNs,
  })
  try {
    deadline.signal.throwIfAborted()
    const port = 'port' in target ? target.port : undefined
    endpoint = literalEndpoint(target.host, common.family, port)
    if (endpoint === undefined) {
      stopwatch.enter('resolve')
      const found = await rejectOnAbort(context.resolve(target.host, common.family), deadline.signal)
      endpoint = { host: target.host, ...found, ...(port === undefined ? {} : { port }) }
      stopwatch.stop()
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
      },
      request.options,
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
function startDeadline(timeoutMs: number, caller: AbortSignal | undefined): Deadline {
  const controller = new AbortController()
  const deadlineNs = nowNs() + timeoutMs * 1e6
  const expire = () => controller.abort(new FailureError('timeout', `no answer within ${timeoutMs} ms`))
  let drained: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    drained = setImmediate(expire)
  }, timeoutMs)
  // AbortSignal.any would do, but on Node 20 it keeps every derived signal alive as long as the caller's.
  const cancel = () => controller.abort(new FailureError('cancelled', 'the caller gave up'))
  if (caller?.aborted === true) cancel()
  else caller?.addEventListener('abort', cancel, { once: true })
  return {
    signal: controller.signal,
    remainingNs: () => deadlineNs - nowNs(),
    clear: () => {
      clearTimeout(timer)
      if (drained !== undefined) clearImmediate(drained)
      caller?.removeEventListener('abort', cancel)
    },
  }
}

async function rejectOnAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
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

function misuse(probe: Probe, error: z.ZodError, known: readonly string[]): ScoutError {
  const issue = error.issues[0]
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const near = nearest(key, known)
    const hint = near === undefined ? `it knows ${known.join(', ')}` : `did you mean ${near}?`
    return new ScoutError('unknown-option', `the ${probe.protocol} probe has no option "${key}": ${hint}`)
  }
  const path = issue?.path.join('.') ?? ''
  return new ScoutError(
    'invalid-option',
    `option ${path} of the ${probe.protocol} probe: ${issue?.message ?? error.message}`,
  )
}
