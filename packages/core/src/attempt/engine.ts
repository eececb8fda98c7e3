import { closedError, ScoutError } from '../model/errors.ts'
import { FailureError } from '../model/failure.ts'
import type { ResolveName } from '../net/host/resolve.ts'
import type { Stray } from '../net/packets/exchange.ts'
import { createSockets, type Sockets } from '../net/sockets.ts'
import { isProtocol, type Protocol, probeNamed } from '../probes/index.ts'
import type { Probe } from '../probes/probe.ts'
import type { Result } from '../probes/result.ts'
import { OwnSession } from '../probes/session.ts'
import { createDeadlines } from '../time/deadline.ts'
import { type PacketAttempt, packetAttemptOf, startPacket } from './packet-attempt.ts'
import { createPacketRounds } from './packet-rounds.ts'
import { createPlacement } from './placement.ts'
import { createResultBatches } from './result-batches.ts'
import { createRounds } from './rounds.ts'
import { prepare, type Request, run } from './run.ts'
import {
  checkInterval,
  checkPerInterval,
  type NumberedTask,
  type PreparedTask,
  type ResultBatch,
  type TaskChange,
} from './task.ts'

export interface AttemptRequest {
  readonly protocol: string
  readonly target: string
  readonly options: object
  /** Whether the caller has already cancelled it. If so, nothing is sent. */
  readonly isCancelled: boolean
  /** Number of its session (default: a new one that ends with the attempt). */
  readonly session?: number
  /** Name of the vantage to probe from (default: the thread's own network namespace). */
  readonly vantage?: string
}

/** An attempt in progress. */
export interface StartedAttempt {
  /** Success or failure. A rejection is a bug, or misuse reported by another thread. */
  readonly result: Promise<Result>
  cancel(): void
}

/** Makes attempts, in this thread or in a separate one. */
export interface Engine {
  /**
   * Starts an attempt.
   * @throws {ScoutError} for misuse, before the first packet
   */
  start(request: AttemptRequest): StartedAttempt
  /**
   * Removes tasks, then adds others. Rejects with a `ScoutError` for misuse, and then changes nothing. Results of removed tasks may still
   * be delivered from another thread.
   */
  changeTasks(change: TaskChange): Promise<void>
  /** Closes a session. Its number must not be reused. */
  endSession(session: number): void
  /** Delivers the results of tasks so far, then cancels all attempts in progress. */
  close(): void
}

export interface EngineOptions {
  readonly onStray: (protocol: Protocol, stray: Stray) => void
  /** Receives the results of tasks, and at most a second after it changed their schedule. */
  readonly onBatch: (batch: ResultBatch) => void
  /** Maximum number of attempts of tasks in flight in this thread; further due ones wait in order (default: 256). */
  readonly maxInFlight?: number | undefined
  readonly resolve: ResolveName
  readonly nameServer: () => string
  readonly vantages?: Vantages | undefined
}

/** Paths of network namespaces (`/proc/1/ns/net`) to probe from, keyed by the name that attempts use. */
export type Vantages = Readonly<Record<string, string>>

interface Launch {
  readonly probe: Probe
  readonly request: Request
  readonly sockets: Sockets
  readonly session: OwnSession
  readonly isCancelled?: boolean
  /** Called when it has ended. */
  readonly onEnded?: () => void
}

const defaultMaxInFlight = 256

/** Creates an engine that makes attempts in this thread, over shared sockets. */
export function createEngine(options: EngineOptions): Engine {
  const { onStray, onBatch, maxInFlight = defaultMaxInFlight, resolve, nameServer, vantages = {} } = options
  const socketsIn = (namespace: string | undefined) =>
    createSockets({
      namespace,
      onStray: (protocol, stray) => {
        if (isProtocol(protocol)) onStray(protocol, stray)
      },
    })
  const own = socketsIn(undefined)
  const others = new Map(Object.entries(vantages).map(([name, path]) => [name, socketsIn(path)]))
  const deadlines = createDeadlines()
  const sessions = new Map<number, OwnSession>()
  /** Cancel attempts in the packet engine. */
  const packets = new Set<(reason: FailureError) => void>()
  let isClosed = false

  const sessionOf = (number: number): OwnSession => {
    const known = sessions.get(number)
    if (known !== undefined) return known
    const session = new OwnSession()
    sessions.set(number, session)
    return session
  }

  const socketsOf = (vantage: string | undefined): Sockets => {
    const sockets = vantage === undefined ? own : others.get(vantage)
    if (sockets !== undefined) return sockets
    const names = [...others.keys()].join(', ')
    throw new ScoutError(
      'invalid-option',
      `there is no vantage "${vantage}": ${names === '' ? 'the prober has no vantages' : `choose one of ${names}`}`,
    )
  }

  /** Makes an attempt in the packet engine, which costs a fraction of one in this thread. */
  const launchPacket = (attempt: PacketAttempt): StartedAttempt => {
    const { result, cancel } = startPacket(attempt)
    packets.add(cancel)
    void result.then(() => packets.delete(cancel))
    return { result, cancel: () => cancel(new FailureError('cancelled', 'the caller cancelled the attempt')) }
  }

  const launch = ({ probe, request, sockets, session, isCancelled, onEnded }: Launch): StartedAttempt => {
    const deadline = deadlines.start(request.options.timeoutMs)
    if (isCancelled === true) deadline.cancel()
    const ended = () => {
      deadlines.clear(deadline)
      onEnded?.()
    }
    return {
      result: run(probe, request, { sockets, resolve, deadline, session, onEnded: ended }),
      cancel: () => deadline.cancel(),
    }
  }

  const batches = createResultBatches((results) => onBatch({ results, schedule: repeater.counters }))
  const repeater = createPacketRounds({ batches, others: createRounds({ start: launch, maxInFlight, batches }) })
  const placeOf = createPlacement()

  /** Everything about a task that can be done once and not for each attempt. */
  const prepareTask = (task: NumberedTask): PreparedTask => {
    const { number, protocol, target, options, vantage, perInterval = 1 } = task
    const probe = probeNamed(protocol)
    checkInterval(task.intervalMs)
    checkPerInterval(perInterval)
    return {
      number,
      probe,
      request: prepare(probe, { target, ...(options === undefined ? {} : { options }) }, { nameServer }),
      sockets: socketsOf(vantage),
      session: new OwnSession(),
      place: placeOf(task),
      perInterval,
    }
  }

  return {
    start({ protocol, target, options, isCancelled, session: number, vantage }) {
      if (isClosed) throw closedError()
      const probe = probeNamed(protocol)
      const request = prepare(probe, { target, options }, { nameServer })
      const sockets = socketsOf(vantage)
      const packet = number === undefined && !isCancelled ? packetAttemptOf(probe, request, sockets) : undefined
      if (packet !== undefined) return launchPacket(packet)
      const session = number === undefined ? new OwnSession() : sessionOf(number)
      const onEnded = () => {
        if (number === undefined) session.close()
      }
      return launch({ probe, request, sockets, session, isCancelled, onEnded })
    },
    async changeTasks({ added, removed }) {
      if (isClosed) throw closedError()
      const prepared = added.map(prepareTask)
      const ending = new Set(removed)
      // What has ended is delivered, so that it is counted.
      if (ending.size > 0) {
        repeater.collect(ending)
        batches.flush()
      }
      repeater.remove(ending)
      batches.forget(removed)
      repeater.add(prepared)
    },
    endSession(number) {
      sessions.get(number)?.close()
      sessions.delete(number)
    },
    close() {
      isClosed = true
      repeater.collect()
      batches.flush()
      repeater.stop()
      const reason = new FailureError('cancelled', 'the prober was closed during this attempt')
      deadlines.endAll(reason)
      for (const cancel of packets) cancel(reason)
      for (const session of sessions.values()) session.close()
      sessions.clear()
      for (const sockets of [own, ...others.values()]) sockets.close()
    },
  }
}
