import { closedError, ScoutError } from '../model/errors.ts'
import { FailureError } from '../model/failure.ts'
import type { ResolveName } from '../net/host/resolve.ts'
import type { Stray } from '../net/packets/exchange.ts'
import { createSockets, type Sockets } from '../net/sockets.ts'
import { isProtocol, type Protocol, probeNamed } from '../probes/index.ts'
import type { Result } from '../probes/result.ts'
import { OwnSession } from '../probes/session.ts'
import { createDeadlines } from '../time/deadline.ts'
import { prepare, run } from './run.ts'

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
  /** Closes a session. Its number must not be reused. */
  endSession(session: number): void
  /** Cancels all attempts in progress. */
  close(): void
}

export interface EngineOptions {
  readonly onStray: (protocol: Protocol, stray: Stray) => void
  readonly resolve: ResolveName
  readonly nameServer: () => string
  readonly vantages?: Vantages | undefined
}

/** Paths of network namespaces (`/proc/1/ns/net`) to probe from, keyed by the name that attempts use. */
export type Vantages = Readonly<Record<string, string>>

/** Creates an engine that makes attempts in this thread, over shared sockets. */
export function createEngine({ onStray, resolve, nameServer, vantages = {} }: EngineOptions): Engine {
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

  return {
    start({ protocol, target, options, isCancelled, session: number, vantage }) {
      if (isClosed) throw closedError()
      const probe = probeNamed(protocol)
      const request = prepare(probe, { target, options }, { nameServer })
      const sockets = socketsOf(vantage)
      const deadline = deadlines.start(request.options.timeoutMs)
      if (isCancelled) deadline.cancel()
      const session = number === undefined ? new OwnSession() : sessionOf(number)
      const onEnded = () => {
        deadlines.clear(deadline)
        if (number === undefined) session.close()
      }
      return {
        result: run(probe, request, { sockets, resolve, deadline, session, onEnded }),
        cancel: () => deadline.cancel(),
      }
    },
    endSession(number) {
      sessions.get(number)?.close()
      sessions.delete(number)
    },
    close() {
      isClosed = true
      deadlines.endAll(new FailureError('cancelled', 'the prober was closed during this attempt'))
      for (const session of sessions.values()) session.close()
      sessions.clear()
      for (const sockets of [own, ...others.values()]) sockets.close()
    },
  }
}
