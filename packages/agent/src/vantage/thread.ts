import { Worker } from 'node:worker_threads'
import { createThreadProber } from '@scout/core'
import type { ThreadData, Vantage, VantageOptions } from './vantage.ts'

/**
 * Starts a vantage in a separate thread, so that other work of the agent does not delay timestamps or answers. Rejects with the error if it
 * cannot listen.
 */
export async function startVantageThread(options: VantageOptions): Promise<Vantage> {
  const { responder, paths, bodies, maxInFlight, ...handlers } = options
  // When run from source, the thread still needs the built program.
  const program = import.meta.url.endsWith('.ts') ? '../../dist/vantage/thread-main.js' : './thread-main.js'
  const workerData = { responder, paths, bodies, maxInFlight } satisfies ThreadData
  const prober = createThreadProber(new Worker(new URL(program, import.meta.url), { workerData }), handlers)
  const port = await prober.listening
  const { failed, counters, arrivals, silentMs, stop: close } = prober
  return { prober, hasThread: true, port, failed, counters, arrivals, silentMs, close }
}
