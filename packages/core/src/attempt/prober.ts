import { setMaxListeners } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { closedError, ScoutError } from '../model/errors.ts'
import { nameServerOrSystem } from '../net/host/resolv-conf.ts'
import { type ResolveName, resolveBySystem } from '../net/host/resolve.ts'
import type { Stray } from '../net/packets/exchange.ts'
import type { OptionsOf, Protocol, ResultOf } from '../probes/index.ts'
import type { Result } from '../probes/result.ts'
import { createEngine, type Engine, type StartedAttempt, type Vantages } from './engine.ts'
import { createThreadEngine, startProbeThread } from './worker/thread-engine.ts'

export interface ProberOptions {
  /** Called for every answer that no attempt waited for. */
  readonly onStray?: (protocol: Protocol, stray: Stray) => void
  /** How names become addresses (default: getaddrinfo). */
  readonly resolve?: ResolveName
  /** The name server of DNS targets that name none (default: the first of /etc/resolv.conf). */
  readonly nameServer?: string
  /** Network namespaces to probe from (`{ host: '/proc/1/ns/net' }`), chosen by attempts by name. Needs CAP_SYS_ADMIN. */
  readonly vantages?: Vantages
  /**
   * Probe in a thread of its own, so that no work of this one delays a stamp: `true`, or a thread of the caller's that runs
   * `serveProber` with its own way to resolve names.
   */
  readonly worker?: boolean | Worker
}

/** Keeps state between the attempts of one series, such as source ports in turn, until it is closed. */
export interface SeriesSession {
  close(): void
}

/** How an attempt is made, whatever its probe. */
interface Circumstances {
  /** Gives the attempt up. */
  readonly signal?: AbortSignal | undefined
  /** The session it is part of; default: one of its own. */
  readonly session?: SeriesSession | undefined
  /** One of the prober's vantages to probe from; default: the network namespace of this process. Names are resolved by this process. */
  readonly vantage?: string | undefined
}

/** The probe's own options, the common ones, and the circumstances of the attempt. */
export type AttemptOptions<Name extends Protocol> = OptionsOf<Name> & Circumstances

/** Probes many times over shared sockets. Close it when done: its sockets keep the process alive. Closing cancels what is under way. */
export interface Prober {
  /**
   * One attempt. Whatever happens on the network is in the result.
   * @throws {ScoutError} for misuse, before the first packet.
   */
  probe<Name extends Protocol>(protocol: Name, target: string, options?: AttemptOptions<Name>): Promise<ResultOf<Name>>
  /**
   * Opens a session for the attempts of one series. Close it with the series; closing the prober closes it too.
   * @throws {ScoutError} `closed`
   */
  openSession(): SeriesSession
  close(): void
}

/**
 * Probes over shared sockets, in this thread or in one of its own.
 * @throws {ScoutError} `invalid-option`
 */
export function createProber(options: ProberOptions = {}): Prober {
  return proberOver(engineFor(options))
}

/** The prober of an engine. */
export function proberOver(engine: Engine): Prober {
  const sessions = new Map<SeriesSession, number>()
  let opened = 0
  let isClosed = false

  const numberOf = (session: SeriesSession): number => {
    const number = sessions.get(session)
    if (number !== undefined) return number
    throw new ScoutError('closed', 'this session is closed, or of another prober: open one with openSession()')
  }

  const start = ({ protocol, target, options = {} }: ProbeCall): Promise<Result> => {
    const { signal, session, vantage, ...own } = options
    const isCancelled = signal?.aborted === true
    const attempt = engine.start({
      protocol,
      target,
      options: own,
      isCancelled,
      ...(session === undefined ? {} : { session: numberOf(session) }),
      ...(vantage === undefined ? {} : { vantage }),
    })
    return signal === undefined ? attempt.result : cancelledBy(signal, attempt)
  }

  return {
    probe(protocol, target, options) {
      try {
        // The registry ties a protocol to its result; the runner serves them all and knows only the general shape.
        return start({ protocol, target, options }) as Promise<ResultOf<typeof protocol>>
      } catch (error) {
        return Promise.reject(error)
      }
    },
    openSession() {
      if (isClosed) throw closedError()
      const number = opened++
      const session = {
        close() {
          if (sessions.delete(session)) engine.endSession(number)
        },
      }
      sessions.set(session, number)
      return session
    },
    close() {
      isClosed = true
      sessions.clear()
      engine.close()
    },
  }
}

interface ProbeCall {
  readonly protocol: string
  readonly target: string
  readonly options: Circumstances | undefined
}

function engineFor({ onStray = () => {}, worker = false, nameServer, resolve, vantages }: ProberOptions): Engine {
  if (worker === false)
    return createEngine({
      onStray,
      resolve: resolve ?? resolveBySystem,
      nameServer: nameServerOrSystem(nameServer),
      vantages,
    })
  const unreachable = Object.entries({ resolve, ...(worker === true ? {} : { nameServer, vantages }) })
  const [setting] = unreachable.find(([, value]) => value !== undefined) ?? []
  if (setting !== undefined) {
    throw new ScoutError('invalid-option', `${setting} cannot reach another thread: give it to serveProber there`)
  }
  return createThreadEngine(worker === true ? startProbeThread({ nameServer, vantages }) : worker, { onStray })
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
