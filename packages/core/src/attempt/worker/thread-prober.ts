import type { Worker } from 'node:worker_threads'
import type { RouteRequest } from '../../responders/http.ts'
import { type Prober, type ProberOptions, proberOver } from '../prober.ts'
import type { CountersByResponder, FromThread } from './messages.ts'
import { createPulse } from './pulse.ts'
import { createThreadEngine } from './thread-engine.ts'

export interface ThreadProberOptions extends Pick<ProberOptions, 'onStray'> {
  /** Answers a request that a responder of the thread hands over; 404 where it returns nothing. */
  readonly onRequest?: (path: string, request: RouteRequest) => object | undefined
}

/** A prober in a thread that has responders, too. */
export interface ThreadProber extends Prober {
  /** Resolves to the port of the responders; rejects with what keeps them from listening. */
  readonly listening: Promise<number>
  /** Rejects when the thread ended without being stopped. */
  readonly failed: Promise<never>
  /** What the responders have counted, at most a second ago. */
  counters(): CountersByResponder
  /** For how long the thread has not answered when asked for a sign of life; 0 while it does. */
  silentMs(): number
  /** Closes the responders, then cancels what is under way. Resolves when the thread has ended. */
  stop(): Promise<void>
}

/** Probes in a thread that runs `serveProber` with responders. */
export function createThreadProber(
  thread: Worker,
  { onStray = () => {}, onRequest = () => undefined }: ThreadProberOptions = {},
): ThreadProber {
  let counters: CountersByResponder = {}
  let isStopping = false
  const failed = new Promise<never>((_, reject) => {
    thread.on('error', reject)
    thread.on('exit', (code) => {
      if (!isStopping) reject(new Error(`the probe thread ended with code ${code}`))
    })
  })
  // Its listeners get it; without any it is no unhandled rejection.
  failed.catch(() => {})
  const ended = new Promise<void>((resolve) => void thread.on('exit', () => resolve()))
  const opened = new Promise<number>((resolve) => {
    thread.on('message', (message: FromThread) => {
      switch (message.kind) {
        case 'listening':
          return resolve(message.port)
        case 'counted':
          counters = message.counters
          return
        case 'request':
          return engine.post({ kind: 'answered', id: message.id, content: onRequest(message.path, message.request) })
        case 'pong':
          return pulse.answered()
        default:
          return // of an attempt
      }
    })
  })
  const listening = Promise.race([opened, failed])
  listening.catch(() => {})
  const engine = createThreadEngine(thread, { onStray })
  const pulse = createPulse(() => engine.post({ kind: 'ping' }))
  void ended.then(pulse.stop)
  const prober = proberOver(engine)
  const close = () => {
    isStopping = true
    prober.close()
  }
  return {
    ...prober,
    listening,
    failed,
    counters: () => counters,
    silentMs: pulse.silentMs,
    close,
    async stop() {
      close()
      await ended
    },
  }
}
