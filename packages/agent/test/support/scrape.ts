import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'

/** Requests a path at this port so many times at once, in a separate thread. Returns the statuses, 0 for no answer, once all are there. */
export function scrape(
  port: number,
  count: number,
  path = '/metrics',
): { readonly statuses: () => readonly number[] | undefined } {
  const thread = new Worker(program, { eval: true, workerData: { port, count, path } })
  onTestFinished(async () => void (await thread.terminate()))
  let statuses: readonly number[] | undefined
  void once(thread, 'message').then(([all]) => {
    statuses = all as readonly number[]
  })
  return { statuses: () => statuses }
}

const program = `
const { get } = require('node:http')
const { parentPort, workerData: { port, count, path } } = require('node:worker_threads')
const one = () => new Promise((resolve) => {
  get({ port, host: '127.0.0.1', path, agent: false }, (response) => {
    response.resume().on('end', () => resolve(response.statusCode))
  }).on('error', () => resolve(0))
})
Promise.all(Array.from({ length: count }, one)).then((all) => parentPort.postMessage(all))
`
