import { Worker } from 'node:worker_threads'
import { closedError, ScoutError } from '../../model/errors.ts'
import type { Result } from '../../probes/result.ts'
import type { Engine, EngineOptions, Vantages } from '../engine.ts'
import type { FromThread, ToThread } from './messages.ts'

interface Waiting {
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/** Starts core's own program in a probe thread. When running from the sources, it still uses the built program. */
export function startProbeThread(data: {
  readonly nameServer?: string | undefined
  readonly vantages?: Vantages | undefined
}): Worker {
  const program = import.meta.url.endsWith('.ts') ? '../../../dist/attempt/worker/main.js' : './main.js'
  // Clear the flags of the caller's program: with --input-type, a thread that runs a file would not start.
  return new Worker(new URL(program, import.meta.url), { workerData: data, execArgv: [] })
}

interface ThreadEngine extends Engine {
  post(message: ToThread): void
}

/** Creates an engine over a thread that runs `serveProber`. If the thread ends unexpectedly, all pending attempts reject with its error. */
export function createThreadEngine(thread: Worker, { onStray }: Pick<EngineOptions, 'onStray'>): ThreadEngine {
  const waiting = new Map<number, Waiting>()
  let ids = 0
  let ended: Error | undefined

  const post = (message: ToThread) => thread.postMessage(message)
  const end = (error: Error) => {
    ended ??= error
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  }
  const take = (id: number) => {
    const entry = waiting.get(id)
    waiting.delete(id)
    return entry
  }
  thread.on('error', end)
  thread.on('exit', () => end(closedError()))
  thread.on('message', (message: FromThread) => {
    switch (message.kind) {
      case 'stray':
        return onStray(message.protocol, message.stray)
      case 'result':
        return take(message.id)?.resolve(message.result)
      case 'misuse':
        return take(message.id)?.reject(new ScoutError(message.code, message.message))
      default:
        return // a message of the responders: see createThreadProber
    }
  })

  return {
    post,
    start(request) {
      if (ended !== undefined) throw ended
      const id = ids++
      try {
        post({ kind: 'attempt', id, ...request })
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        throw new ScoutError('invalid-option', `cannot pass the options to another thread: ${why}; use plain data`, {
          cause,
        })
      }
      const result = new Promise<Result>((resolve, reject) => waiting.set(id, { resolve, reject }))
      return { result, cancel: () => post({ kind: 'cancel', id }) }
    },
    endSession(session) {
      if (ended === undefined) post({ kind: 'end session', session })
    },
    close() {
      ended ??= closedError()
      post({ kind: 'stop' })
    },
  }
}
