import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

/** @typedef {import('./simulation.mjs').Fault} Fault */
/** @typedef {import('./simulation.mjs').Healthy} Healthy */
/** @typedef {import('./simulation.mjs').Message} Message */

const program = new URL('simulation.mjs', import.meta.url)

/**
 * Runs simulations on every core. What each finds depends on nothing else. Ends early if the signal aborts it.
 *
 * @param {readonly (Healthy | Fault)[]} simulations
 * @param {{ readonly signal: AbortSignal, readonly onMessage: (message: Message) => void }} options
 */
export async function simulate(simulations, { signal, onMessage }) {
  const cores = availableParallelism()
  const workers = Array.from({ length: cores }, (_, core) => {
    const part = simulations.map((simulation, index) => ({ index, simulation }))
    return new Worker(program, { workerData: part.filter(({ index }) => index % cores === core) }).on(
      'message',
      onMessage,
    )
  })
  const end = () => {
    for (const worker of workers) void worker.terminate()
  }
  signal.addEventListener('abort', end)
  try {
    // Rejects with the error of a worker.
    await Promise.all(workers.map((worker) => once(worker, 'exit')))
  } finally {
    signal.removeEventListener('abort', end)
    end()
  }
}
