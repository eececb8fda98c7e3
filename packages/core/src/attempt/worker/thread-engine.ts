import { Worker } from 'node:worker_threads'
import { closedError, messageOf, ScoutError } from '../../model/errors.ts'
import type { Result } from '../../probes/result.ts'
import type { Engine, EngineOptions, Vantages } from '../engine.ts'
import type { FromResponders, FromThread, ToThread } from './messages.ts'

interface Waiting {
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

interface Accepting extends Pick<Waiting, 'reject'> {
  readonly resolve: () => void
}

/** Starts core's own program in a probe thread. When running from the sources, it still uses the built program. */
export function startProbeThread(data: {
  readonly nameServer?: string | undefined
  readonly maxInFlight?: number | undefined
  readonly vantages?: Vantages | undefined
}): Worker {
  const program = import.meta.url.endsWith('.ts') ? '../../../dist/attempt/worker/main.js' : './main.js'
  // Clear the flags of the caller's program: with --input-type, a thread that runs a file would not start.
  return new Worker(new URL(program, import.meta.url), { workerData: data, execArgv: [] })
}

interface ThreadEngine extends Engine {
  post(message: ToThread): void
}

interface ThreadEngineOptions extends Pick<EngineOptions, 'onStray' | 'onBatch'> {
  /** Receives what the responders of the thread send. */
  readonly onOther?: (message: FromResponders) => void
}

/** Creates an engine over a thread that runs `serveProber`. If the thread ends unexpectedly, all pending attempts reject with its error. */
export function createThreadEngine(
  thread: Worker,
  { onStray, onBatch, onOther = () => {} }: ThreadEngineOptions,
): ThreadEngine {
  const waiting = new Map<number, Waiting>()
  const accepting = new Map<number, Accepting>()
  let ids = 0
  let ended: Error | undefined

  const post = (message: ToThread) => thread.postMessage(message)
  const end = (error: Error) => {
    ended ??= error
    for (const { reject } of [...waiting.values(), ...accepting.values()]) reject(ended)
    waiting.clear()
    accepting.clear()
  }
  thread.on('error', end)
  thread.on('exit', () => end(closedError()))
  thread.on('message', (message: FromThread) => {
    switch (message.kind) {
      case 'stray':
        return onStray(message.protocol, message.stray)
      case 'results':
        return onBatch(message)
      case 'result':
        return taken(waiting, message.id)?.resolve(message.result)
      case 'accepted':
        return taken(accepting, message.id)?.resolve()
      case 'misuse': {
        const asked = taken(waiting, message.id) ?? taken(accepting, message.id)
        return asked?.reject(new ScoutError(message.code, message.message))
      }
      default:
        return onOther(message)
    }
  })

  /** Posts a message with options of the caller, which may hold anything. */
  const postOptions = (message: ToThread) => {
    if (ended !== undefined) throw ended
    try {
      post(message)
    } catch (cause) {
      const why = messageOf(cause)
      throw new ScoutError('invalid-option', `cannot pass the options to another thread: ${why}; use plain data`, {
        cause,
      })
    }
  }

  return {
    post,
    start(request) {
      const id = ids++
      postOptions({ kind: 'attempt', id, ...request })
      const result = new Promise<Result>((resolve, reject) => waiting.set(id, { resolve, reject }))
      return { result, cancel: () => post({ kind: 'cancel', id }) }
    },
    async changeTasks(change) {
      const id = ids++
      postOptions({ kind: 'tasks', id, ...change })
      await new Promise<void>((resolve, reject) => accepting.set(id, { resolve, reject }))
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

function taken<T>(pending: Map<number, T>, id: number): T | undefined {
  const entry = pending.get(id)
  pending.delete(id)
  return entry
}
