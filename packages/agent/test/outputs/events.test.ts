import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { createEvents, type EventSpans } from '../../src/outputs/api/events.ts'
import { startTestConsole } from '../support/console.ts'

const ofNow = (links: string) => `event: changed\ndata: {"links":"${links}","incidents":"i"}\n\n`

test('a stream begins with the present versions, reports each change once, and stays silent in between', async () => {
  let links = 'a'
  const { open } = await startEvents(() => links, { tickMs: 5 })
  const stream = await open()
  await stream.has(`retry: 2000\n${ofNow('a')}`)
  links = 'b'
  await stream.has(ofNow('b'))
  links = 'c'
  await stream.has(ofNow('c'))
  expect(stream.text()).toBe(`retry: 2000\n${ofNow('a')}${ofNow('b')}${ofNow('c')}`)
})

test('changes that follow each other within a tick are one event', async () => {
  let links = 0
  const { open } = await startEvents(() => String(links), { tickMs: 200 })
  const stream = await open()
  await stream.has(ofNow('0'))
  for (links = 1; links < 1_000; links++);
  await stream.has(ofNow('1000'))
  expect(stream.text().match(/event:/g)).toHaveLength(2)
})

test('an idle stream has comments, and no events', async () => {
  const { open } = await startEvents(() => 'a', { tickMs: 5, heartbeatMs: 20 })
  const stream = await open()
  await stream.has(':\n\n:\n\n')
  expect(stream.text()).toMatch(/^retry: 2000\nevent: changed\ndata: .*\n\n(:\n\n)+$/)
})

test('a stream ends after its time, and its client may open another', async () => {
  const { open } = await startEvents(() => 'a', { tickMs: 5, heartbeatMs: 5, mostMs: 30 })
  for (const stream of [await open(), await open()]) await eventually(stream.isClosed, 'the stream ended')
  const next = await open()
  await next.has(ofNow('a'))
})

test('a client that does not read is dropped', async () => {
  let links = ''
  const { open, sizes } = await startEvents(() => links, { tickMs: 1 })
  const stream = await open()
  stream.pause()
  const filling = setInterval(() => {
    links = `${sizes()} ${'x'.repeat(1 << 20)} ${Math.random()}`
  }, 1)
  onTestFinished(() => clearInterval(filling))
  await eventually(() => sizes() === 0, 'it was dropped', 30_000)
})

test('the console serves few streams at once, and ends them at once when it closes', async () => {
  const console = await startTestConsole()
  const open = () =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const request = get(`${console.url}/api/v1/events`, { agent: false }, resolve)
      request.on('error', reject)
    })
  const streams = await Promise.all(Array.from({ length: 16 }, open))
  for (const { statusCode, headers } of streams)
    expect([statusCode, headers['content-type'], headers['cache-control']]).toEqual([
      200,
      'text/event-stream',
      'no-cache',
    ])
  const more = await open()
  expect([more.statusCode, more.headers['retry-after']]).toEqual([503, '5'])
  more.resume()
  // They take none of the turns of documents, and one that leaves makes room.
  expect((await fetch(`${console.url}/api/v1/links`)).status).toBe(200)
  streams[0]?.destroy()
  await expect.poll(async () => headOf(await open()), { timeout: 10_000 }).toBe(200)
  const left = streams.slice(1)
  for (const stream of left) stream.on('error', () => {}).resume()
  await console.close()
  await eventually(() => left.every(({ closed }) => closed), 'all streams ended')
})

test('HEAD says what a stream is without opening one', async () => {
  const { url } = await startTestConsole()
  const response = await fetch(`${url}/api/v1/events`, { method: 'HEAD' })
  expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
    200,
    'text/event-stream',
    '',
  ])
})

function headOf(message: IncomingMessage): number | undefined {
  message.on('error', () => {}).resume()
  return message.statusCode
}

/** Serves streams at every path, on the versions that `links` returns. */
async function startEvents(links: () => string, spans: Partial<EventSpans>) {
  const events = createEvents({ changes: () => ({ links: links(), incidents: 'i' }), spans })
  const present = new Set<ServerResponse>()
  const server = createServer((_, response) => {
    present.add(response)
    response.once('close', () => present.delete(response))
    response.writeHead(200)
    events.add(response, 'client')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    events.close()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    sizes: () => present.size,
    async open() {
      const [response] = (await once(get({ port, host: '127.0.0.1', agent: false }), 'response')) as [IncomingMessage]
      let text = ''
      response.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      response.on('error', () => {})
      return {
        text: () => text,
        has: (part: string) => eventually(() => text.includes(part), `the stream has ${part}`),
        isClosed: () => response.closed,
        pause: () => void response.pause(),
      }
    },
  }
}
