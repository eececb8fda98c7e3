import { setMaxListeners } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { closedError, ScoutError } from '../model/errors.ts'
import { nameServerOrSystem } from '../net/host/resolv-conf.ts'
import { type ResolveName, resolveBySystem } from '../net/host/resolve.ts'
import type { Stray } from '../net/packets/exchange.ts'
import type { OptionsOf, Protocol, ResultOf } from '../probes/index.ts'
import type { Result } from '../probes/result.ts'
import { createEngine, type Engine, type StartedAttempt, type Vantages } from './engine.ts'
import type { ProberCounters, Task, TaskResult } from './task.ts'
import { createTaskList, type TaskList } from './task-list.ts'
import { createThreadEngine, startProbeThread } from './worker/thread-engine.ts'

export interface ProberOptions {
  /** Called for every answer that no attempt was waiting for. */
  readonly onStray?: (protocol: Protocol, stray: Stray) => void
  /**
   * Receives the results of tasks in batches: a failure, or a task's first result with another outcome than before, at once; others at
   * most a second later.
   */
  readonly onResults?: (results: readonly TaskResult[]) => void
  /**
   * Maximum number of attempts of tasks in flight; further due ones wait in order (default: 256). Those that the packet engine makes do not
   * count.
   */
  readonly maxInFlight?: number
  /** Resolves names to addresses (default: as getaddrinfo does on this host). */
  readonly resolve?: ResolveName
  /** Name server for DNS targets without one (default: the first in /etc/resolv.conf). */
  readonly nameServer?: string
  /** Network namespaces to probe from (`{ host: '/proc/1/ns/net' }`); attempts select one by name. Needs CAP_SYS_ADMIN. */
  readonly vantages?: Vantages
  /**
   * Probes in a separate thread, so that work in this one does not delay timestamps: `true`, or a thread of the caller that runs
   * `serveProber` with its own `resolve`.
   */
  readonly worker?: boolean | Worker
}

/** Keeps state between the attempts of one series, such as the next source port, until it is closed. */
export interface SeriesSession {
  close(): void
}

/** Options of an attempt that do not depend on its probe. */
interface Circumstances {
  /** Cancels the attempt when aborted. */
  readonly signal?: AbortSignal | undefined
  /** Session of the attempt (default: a new one). */
  readonly session?: SeriesSession | undefined
  /** One of the prober's vantages (default: the network namespace of this process). Names are always resolved by this process. */
  readonly vantage?: string | undefined
}

/** The probe's own options, the common ones, and those of the attempt itself. */
export type AttemptOptions<Name extends Protocol> = OptionsOf<Name> & Circumstances

/** Probes many times over shared sockets. Close it when done, because its sockets keep the process alive. Closing cancels attempts. */
export interface Prober {
  /**
   * Makes one attempt. The result covers everything that happens on the network.
   * @throws {ScoutError} for misuse, before the first packet.
   */
  probe<Name extends Protocol>(protocol: Name, target: string, options?: AttemptOptions<Name>): Promise<ResultOf<Name>>
  /**
   * Opens a session for the attempts of one series. Close it with the series; closing the prober closes it too.
   * @throws {ScoutError} `closed`
   */
  openSession(): SeriesSession
  /**
   * Replaces all tasks. Each is validated once, then attempted once an interval in a session of its own; a task that stays the same keeps its
   * session and its place in the interval. The attempts of removed tasks are cancelled, and their results are not delivered. Rejects with a
   * `ScoutError` for misuse; the tasks are then those before.
   */
  setTasks(tasks: readonly Task[]): Promise<void>
  /** Returns counters about the attempts of tasks, as of the last results delivered and at most a second old. */
  schedule(): ProberCounters
  close(): void
}

/**
 * Creates a prober over shared sockets, in this thread or a separate one.
 * @throws {ScoutError} `invalid-option`
 */
export function createProber(options: ProberOptions = {}): Prober {
  const tasks = taskListOf(options)
  return proberOver(engineFor(options, tasks.receive), tasks)
}

export function taskListOf({ onResults }: Pick<ProberOptions, 'onResults'>): TaskList {
  // As in `probe`: results of the runner have only the general type.
  return createTaskList((results) => onResults?.(results as readonly TaskResult[]))
}

/** Returns a prober that uses an engine, whose batches the list receives. */
export function proberOver(engine: Engine, list: TaskList): Prober {
  const sessions = new Map<SeriesSession, number>()
  let opened = 0
  let isClosed = false

  const numberOf = (session: SeriesSession): number => {
    const number = sessions.get(session)
    if (number !== undefined) return number
    throw new ScoutError(
      'closed',
      'this session is closed or belongs to another prober: open a new one with openSession()',
    )
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
        // The registry maps each protocol to its result type, but the runner handles all of them and has only the general type.
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
    async setTasks(tasks) {
      if (isClosed) throw closedError()
      const change = list.replace(tasks)
      if (change.added.length === 0 && change.removed.length === 0) return
      try {
        await engine.changeTasks(change)
      } catch (error) {
        list.undo(change)
        throw error
      }
    },
    schedule: () => list.schedule,
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

function engineFor(options: ProberOptions, onBatch: TaskList['receive']): Engine {
  const { onStray = () => {}, worker = false, nameServer, resolve, maxInFlight, vantages } = options
  if (worker === false)
    return createEngine({
      onStray,
      onBatch,
      maxInFlight,
      resolve: resolve ?? resolveBySystem,
      nameServer: nameServerOrSystem(nameServer),
      vantages,
    })
  const unreachable = Object.entries({ resolve, ...(worker === true ? {} : { nameServer, maxInFlight, vantages }) })
  const [setting] = unreachable.find(([, value]) => value !== undefined) ?? []
  if (setting !== undefined) {
    throw new ScoutError(
      'invalid-option',
      `cannot pass ${setting} to another thread: pass it to serveProber in that thread`,
    )
  }
  const thread = worker === true ? startProbeThread({ nameServer, maxInFlight, vantages }) : worker
  return createThreadEngine(thread, { onStray, onBatch })
}

async function cancelledBy(signal: AbortSignal, { result, cancel }: StartedAttempt): Promise<Result> {
  // Any number of attempts may share one signal. Each removes its listener when it ends.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await result
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/**
 * Makes a single attempt with its own sockets.
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
