import { ScoutError } from './errors.ts'
import type { Stray } from './net/exchange.ts'
import { createSockets } from './net/sockets.ts'
import type { Result } from './probe.ts'
import { isProtocol, type Protocol, probeNamed } from './probes/index.ts'
import type { ResolveName } from './resolve.ts'
import { prepare, run } from './run.ts'

export interface AttemptRequest {
  readonly protocol: string
  readonly target: string
  readonly options: object
  readonly signal?: AbortSignal | undefined
}

/** Makes attempts: in this thread, or in another that does nothing else. */
export interface Engine {
  /** @throws {ScoutError} for misuse, before the first packet. */
  attempt(request: AttemptRequest): Promise<Result>
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
  const closing = new AbortController()
  const context = { sockets, resolve, nameServer, closing: closing.signal }
  return {
    async attempt({ protocol, target, options, signal }) {
      if (closing.signal.aborted) throw closedError()
      const probe = probeNamed(protocol)
      return run(probe, prepare(probe, { target, options }, context), { ...context, signal })
    },
    close() {
      sockets.close()
      closing.abort()
    },
  }
}

export function closedError(): ScoutError {
  return new ScoutError('closed', 'this prober was closed: create another')
}
