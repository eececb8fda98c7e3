import { Worker } from 'node:worker_threads'
import { createProber } from '@scout/core'
import type { FromThread, ThreadData, ToThread } from './messages.ts'
import { createPulse } from './pulse.ts'
import type { Vantage, VantageCounters, VantageOptions } from './vantage.ts'

/**
 * A vantage in a thread of its own, so that no work of the agent delays a stamp or an answer. Rejects with what kept it from
 * listening.
 */
export async function startVantageThread({ responder, paths, onRequest, onStray }: VantageOptions): Promise<Vantage> {
  // Sources that run unbuilt use the built program.
  const program = import.meta.url.endsWith('.ts') ? '../../dist/vantage/thread-main.js' : './thread-main.js'
  const thread = new Worker(new URL(program, import.meta.url), {
    workerData: { responder, paths } satisfies ThreadData,
  })
  const send = (message: ToThread) => thread.postMessage(message)
  let counters: VantageCounters = {}
  let isStopping = false

  const failed = new Promise<never>((_, reject) => {
    thread.on('error', reject)
    thread.on('exit', (code) => {
      if (!isStopping) reject(new Error(`the probe thread ended with code ${code}`))
    })
  })
  const ended = new Promise<void>((resolve) => void thread.on('exit', () => resolve()))
  // Whoever waits for it is told; until somebody does, it is no unhandled rejection.
  failed.catch(() => {})
  const listening = new Promise<number>((resolve) => {
    thread.on('message', (message: FromThread) => {
      switch (message.kind) {
        case 'listening':
          return resolve(message.port)
        case 'counted':
          counters = message.counters
          return
        case 'requested':
          return send({ kind: 'answered', id: message.id, content: onRequest(message.path, message.request) })
        case 'pong':
          return pulse.answered()
        case 'stopped':
          return prober.close()
      }
    })
  })
  const prober = createProber({ worker: thread, onStray })
  const pulse = createPulse(() => send({ kind: 'ping' }))
  void ended.then(pulse.stop)
  const port = await Promise.race([listening, failed])
  return {
    prober,
    port,
    failed,
    counters: () => counters,
    silentMs: pulse.silentMs,
    async close() {
      isStopping = true
      send({ kind: 'stop' })
      await ended
    },
  }
}
