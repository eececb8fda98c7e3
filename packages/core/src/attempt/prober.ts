import { setMaxListeners } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { ScoutError } from '../model/errors.ts'
import { nameServerOrSystem } from '../net/host/resolv-conf.ts'
import { type ResolveName, resolveBySystem } from '../net/host/resolve.ts'
import type { Stray } from '../net/packets/exchange.ts'
import type { OptionsOf, Protocol, ResultOf } from '../probes/index.ts'
import type { Result } from '../probes/result.ts'
import { createEngine, type Engine, type StartedAttempt } from './engine.ts'
import { createThreadEngine, startProbeThread } from './worker/thread-engine.ts'

export interface ProberOptions {
  /** Told of every answer that no attempt waited for. */
  readonly onStray?: (protocol: Protocol, stray: Stray) => void
  /** How names become addresses; getaddrinfo unless given. */
  readonly resolve?: ResolveName
  /** The name server of DNS targets that name none; the first of /etc/resolv.conf unless given. */
  readonly nameServer?: string
  /**
   * Probe in a thread of its own, so that no work of this one delays a stamp: `true`, or a thread of the caller's that runs
   * `serveProber` with its own way to resolve names.
   */
  readonly worker?: boolean | Worker
}

/** The probe's own options, the common ones, and a way to give up. */
export type AttemptOptions<Name extends Protocol> = OptionsOf<Name> & { readonly signal?: AbortSignal | undefined }

/** Probes many times over shared sockets. Close it when done: its sockets keep the process alive. Closing cancels what is under way. */
export interface Prober {
  /**
   * One attempt. Whatever happens on the network is in the result.
   * @throws {ScoutError} for misuse, before the first packet.
   */
  probe<Name extends Protocol>(protocol: Name, target: string, options?: AttemptOptions<Name>): Promise<ResultOf<Name>>
  close(): void
}

/**
 * Probes over shared sockets, in this thread or in one of its own.
 * @throws {ScoutError} `invalid-option`
 */
export function createProber(options: ProberOptions = {}): Prober {
  const engine = engineFor(options)
  return {
    probe(protocol, target, attemptOptions) {
      const { signal, ...options }: { readonly signal?: AbortSignal | undefined } = attemptOptions ?? {}
      try {
        const attempt = engine.start({ protocol, target, options, isCancelled: signal?.aborted === true })
        const result = signal === undefined ? attempt.result : cancelledBy(signal, attempt)
        // The registry ties a protocol to its result; the runner serves them all and knows only the general shape.
        return result as Promise<ResultOf<typeof protocol>>
      } catch (error) {
        return Promise.reject(error)
      }
    },
    close: engine.close,
  }
}

function engineFor({ onStray = () => {}, worker = false, nameServer, resolve }: ProberOptions): Engine {
  if (worker === false)
    return createEngine({ onStray, resolve: resolve ?? resolveBySystem, nameServer: nameServerOrSystem(nameServer) })
  if (resolve !== undefined || (worker !== true && nameServer !== undefined)) {
    const setting = resolve === undefined ? 'nameServer' : 'resolve'
    throw new ScoutError('invalid-option', `${setting} cannot reach another thread: give it to serveProber there`)
  }
  return createThreadEngine(worker === true ? startProbeThread(nameServer) : worker, { onStray })
}

async function cancelledBy(signal: AbortSignal, { result, cancel }: StartedAttempt): Promise<Result> {
  // Any number of attempts may be under way for one caller; each takes its listener away when it ends.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await result
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/**
 * One attempt on its own, with its own sockets.
 * @example const result = await probe('tcp', '10.244.1.31:8080')
 * @throws {ScoutError} for misuse, before the first packet.
 */
export async function probe<Name extends Protocol>(
  protocol: Name,
  target: string,
  options?: AttemptOptions<Name>,
): Promise<ResultOf<Name>> {
  const prober = createProber()
  try {
    return await prober.probe(protocol, target, options)
  } finally {
    prober.close()
  }
}
