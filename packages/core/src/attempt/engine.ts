import { closedError } from '../model/errors.ts'
import type { ResolveName } from '../net/host/resolve.ts'
import type { Stray } from '../net/packets/exchange.ts'
import { createSockets } from '../net/sockets.ts'
import { isProtocol, type Protocol, probeNamed } from '../probes/index.ts'
import type { Result } from '../probes/result.ts'
import { createDeadlines } from '../time/deadline.ts'
import { prepare, run } from './run.ts'

export interface AttemptRequest {
  readonly protocol: string
  readonly target: string
  readonly options: object
  /** Its caller has given up already: nothing is sent. */
  readonly isCancelled: boolean
}

/** An attempt under way. */
export interface StartedAttempt {
  /** Whatever comes of it; a rejection is a defect, or misuse told by another thread. */
  readonly result: Promise<Result>
  cancel(): void
}

/** Makes attempts: in this thread, or in another that does nothing else. */
export interface Engine {
  /** @throws {ScoutError} for misuse, before the first packet. */
  start(request: AttemptRequest): StartedAttempt
  /** Cancels what is under way. */
  close(): void
}

export interface EngineOptions {
  readonly onStray: (protocol: Protocol, stray: Stray) => void
  readonly resolve: ResolveName
  readonly nameServer: () => string
}

/** Attempts in this thread, over shared sockets. */
export function createEngine({ onStray, resolve, nameServer }: EngineOptions): Engine {
  const sockets = createSockets((protocol, stray) => {
    if (isProtocol(protocol)) onStray(protocol, stray)
  })
  const deadlines = createDeadlines()
  let isClosed = false
  return {
    start({ protocol, target, options, isCancelled }) {
      if (isClosed) throw closedError()
      const probe = probeNamed(protocol)
      const request = prepare(probe, { target, options }, { nameServer })
      const deadline = deadlines.start(request.options.timeoutMs)
      if (isCancelled) deadline.cancel()
      return {
        result: run(probe, request, { sockets, resolve, deadline, onEnded: deadlines.clear }),
        cancel: () => deadline.cancel(),
      }
    },
    close() {
      isClosed = true
      sockets.close()
      deadlines.cancelAll()
    },
  }
}
