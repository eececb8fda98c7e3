import type { Worker } from 'node:worker_threads'
import type { RouteRequest } from '../../responders/http.ts'
import type { Arrivals } from '../../responders/udp.ts'
import { type Prober, type ProberOptions, proberOver, taskListOf } from '../prober.ts'
import type { CountersByResponder, FromResponders } from './messages.ts'
import { createPulse } from './pulse.ts'
import { createThreadEngine } from './thread-engine.ts'

export interface ThreadProberOptions extends Pick<ProberOptions, 'onStray' | 'onResults'> {
  /** Answers a request forwarded by a responder of the thread. If it returns undefined, the responder answers 404. */
  readonly onRequest?: (path: string, request: RouteRequest) => object | undefined | Promise<object | undefined>
}

/** A prober in a thread that also runs responders. */
export interface ThreadProber extends Prober {
  /** Resolves to the port of the responders; rejects if they cannot listen. */
  readonly listening: Promise<number>
  /** Rejects if the thread ends without being stopped. */
  readonly failed: Promise<never>
  /** Returns the counters of the responders, at most a second old. */
  counters(): CountersByResponder
  /** Returns from where the UDP responder has had requests, as of a second ago. */
  arrivals(): Arrivals
  /** Returns how long the thread has failed to answer the heartbeat; 0 while it answers. */
  silentMs(): number
  /**
   * Closes the responders, then cancels attempts in progress. Resolves when the thread has ended; a thread that does not end within two
   * seconds, because it is stuck, is terminated.
   */
  stop(): Promise<void>
}

/** How long a thread may take to end. */
const endMostMs = 2_000

/** Creates a prober over a thread that runs `serveProber` with responders. */
export function createThreadProber(
  thread: Worker,
  { onStray = () => {}, onRequest = () => undefined, ...options }: ThreadProberOptions = {},
): ThreadProber {
  let counters: CountersByResponder = {}
  let arrivals: Arrivals = new Map()
  let isStopping = false
  const failed = new Promise<never>((_, reject) => {
    thread.on('error', reject)
    thread.on('exit', (code) => {
      if (!isStopping) reject(new Error(`the probe thread ended with code ${code}`))
    })
  })
  // Mark as handled, so that it is not an unhandled rejection if nobody listens.
  failed.catch(() => {})
  const ended = new Promise<void>((resolve) => void thread.on('exit', () => resolve()))
  let onListening: (port: number) => void = () => {}
  const opened = new Promise<number>((resolve) => {
    onListening = resolve
  })
  const answer = async ({ id, path, request }: Extract<FromResponders, { kind: 'request' }>) =>
    engine.post({ kind: 'answered', id, content: await onRequest(path, request) })
  const listening = Promise.race([opened, failed])
  listening.catch(() => {})
  const onOther = (message: FromResponders) => {
    switch (message.kind) {
      case 'listening':
        return onListening(message.port)
      case 'counted':
        counters = message.counters
        arrivals = message.arrivals
        return
      case 'request':
        return void answer(message)
      case 'pong':
        return pulse.answered()
    }
  }
  const tasks = taskListOf(options)
  const engine = createThreadEngine(thread, { onStray, onBatch: tasks.receive, onOther })
  const pulse = createPulse(() => engine.post({ kind: 'ping' }))
  void ended.then(pulse.stop)
  const prober = proberOver(engine, tasks)
  const close = () => {
    isStopping = true
    prober.close()
  }
  return {
    ...prober,
    listening,
    failed,
    counters: () => counters,
    arrivals: () => arrivals,
    silentMs: pulse.silentMs,
    close,
    async stop() {
      close()
      const timer = setTimeout(() => void thread.terminate(), endMostMs)
      await ended
      clearTimeout(timer)
    },
  }
}
