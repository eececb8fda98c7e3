import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { createThreadProber, type ThreadProberOptions } from '../../src/attempt/worker/thread-prober.ts'

const core = new URL('../../dist/index.js', import.meta.url).href

/** Serves a prober with an HTTP responder that forwards /question. */
const program = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData.core).then(async ({ nameServerOrSystem, resolveBySystem, serveProber, startHttpResponder }) => {
    await serveProber(parentPort, {
      resolve: resolveBySystem,
      nameServer: nameServerOrSystem(),
      responders: {
        async start(handOver) {
          const routes = { '/question': (request) => handOver('/question', request) }
          const { port: given } = workerData
          const http = await startHttpResponder({ host: '127.0.0.1', port: given, document: () => ({}), routes })
          const arrivals = () => new Map([['10.0.0.1', 5]])
          return { port: http.port, counters: () => ({ http: { ...http.counters } }), arrivals, close: http.close }
        },
      },
    })
  })
`

function startThread(options: ThreadProberOptions = {}, port = 0) {
  assertBuilt('packages/core')
  const thread = new Worker(program, { eval: true, workerData: { core, port }, execArgv: [] })
  const prober = createThreadProber(thread, options)
  onTestFinished(() => prober.stop())
  return { thread, prober }
}

test('a thread probes, answers, and forwards requests that the other thread answers', async () => {
  const asked: string[] = []
  const { prober } = startThread({
    onRequest(path, { from }) {
      asked.push(`${path} ${from}`)
      return { answer: 42 }
    },
  })
  const port = await prober.listening
  const result = await prober.probe('http', `http://127.0.0.1:${port}/question`, { keepBytes: 100 })
  expect(result).toMatchObject({ ok: true, detail: { body: '{"answer":42}' } })
  expect(asked).toEqual(['/question 127.0.0.1'])
  await eventually(() => prober.counters()['http']?.answered === 1, 'its counters')
  expect([...prober.arrivals()]).toEqual([['10.0.0.1', 5]])
  await eventually(() => prober.silentMs() === 0, 'a sign of life')
})

test('the thread fails with the error of responders that cannot listen', async () => {
  const taken = await listenTcp(() => {})
  const { prober } = startThread({}, taken)
  await expect(prober.listening).rejects.toThrow('EADDRINUSE')
  await expect(prober.failed).rejects.toThrow('EADDRINUSE')
})

test('stopping cancels attempts in progress, then ends the thread', async () => {
  let asked = 0
  const silent = await listenUdp(() => void asked++)
  const { thread, prober } = startThread()
  const port = await prober.listening
  const result = prober.probe('udp', `127.0.0.1:${silent.address().port}`)
  await eventually(() => asked > 0, 'the datagram')
  await prober.stop()
  expect(await result).toMatchObject({ ok: false, failure: { reason: 'cancelled' } })
  expect(thread.threadId).toBe(-1)
  await expect(prober.probe('udp', `127.0.0.1:${port}`)).rejects.toThrow(expect.objectContaining({ code: 'closed' }))
})

test('delivers the results of its tasks', async () => {
  const results: string[] = []
  const { prober } = startThread({
    onResults: (batch) => void results.push(...batch.map(({ id, result }) => `${id} ${result.ok}`)),
  })
  const target = `127.0.0.1:${await prober.listening}`
  await prober.setTasks([{ id: 'a', protocol: 'tcp', target, intervalMs: 50 }])
  await eventually(() => results.length > 1, 'results')
  expect(new Set(results)).toEqual(new Set(['a true']))
})

test('stopping terminates a thread that is stuck', async () => {
  const stuck = new Worker('for (;;);', { eval: true })
  const prober = createThreadProber(stuck)
  const [result] = await Promise.allSettled([prober.probe('tcp', '127.0.0.1:9'), prober.stop()])
  expect(stuck.threadId).toBe(-1)
  expect(result).toMatchObject({ status: 'rejected', reason: { code: 'closed' } })
})

test('a thread that ends without being stopped has failed', async () => {
  const { thread, prober } = startThread()
  await prober.listening
  await thread.terminate()
  await expect(prober.failed).rejects.toThrow('the probe thread ended with code 1')
})
