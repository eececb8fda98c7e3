import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'

/** Scrapes the metrics at this port so many times at once, in a separate thread. Returns the statuses, 0 for no answer, once all are there. */
export function scrape(port: number, count: number): { readonly statuses: () => readonly number[] | undefined } {
  const thread = new Worker(program, { eval: true, workerData: { port, count } })
  onTestFinished(async () => void (await thread.terminate()))
  let statuses: readonly number[] | undefined
  void once(thread, 'message').then(([all]) => {
    statuses = all as readonly number[]
  })
  return { statuses: () => statuses }
}

const program = `
const { get } = require('node:http')
const { parentPort, workerData: { port, count } } = require('node:worker_threads')
const one = () => new Promise((resolve) => {
  get({ port, host: '127.0.0.1', path: '/metrics', agent: false }, (response) => {
    response.resume().on('end', () => resolve(response.statusCode))
  }).on('error', () => resolve(0))
})
Promise.all(Array.from({ length: count }, one)).then((all) => parentPort.postMessage(all))
`
