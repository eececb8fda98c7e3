import { execFileSync } from 'node:child_process'
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { runAlone } from '../../../../test/support/alone.ts'
import { blockFor } from '../../../../test/support/block.ts'
import { namespaces } from '../../../../test/support/child.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { serve } from './http-client.ts'

test('beyond the limit on connections, the client with the most loses its oldest', async () => {
  const { port, counters } = await serve({ mostConnections: 4 })
  const many = [await open(port, '127.0.0.2')]
  for (let i = 0; i < 3; i++) many.push(await open(port, '127.0.0.2'))
  const other = await open(port, '127.0.0.3')
  expect(await answerTo(other)).toMatch(/^HTTP\/1.1 200 /)
  await eventually(() => many[0]?.closed === true, 'the oldest was closed')
  expect(many.map(({ closed }) => closed)).toEqual([true, false, false, false])
  expect(counters.refused).toBe(1)
})

test('beyond the limit on connections, a client that has the most itself is refused', async () => {
  const { port, counters } = await serve({ mostConnections: 4 })
  const others = [await open(port, '127.0.0.2'), await open(port, '127.0.0.2'), await open(port, '127.0.0.3')]
  const known = await open(port, '127.0.0.4')
  const refused = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' }).on('error', () => {})
  await eventually(() => refused.closed, 'the newcomer was closed')
  expect(others.some(({ closed }) => closed)).toBe(false)
  expect(await answerTo(known)).toMatch(/^HTTP\/1.1 200 /)
  expect(counters.refused).toBe(1)
})

test('beyond its own limit on connections, a client loses its oldest, and others none', async () => {
  const { port, counters } = await serve({ mostConnections: 10, mostPerClient: 2 })
  const other = await open(port, '127.0.0.3')
  const many = [await open(port, '127.0.0.2'), await open(port, '127.0.0.2'), await open(port, '127.0.0.2')]
  expect(await answerTo(many[2] ?? other)).toMatch(/^HTTP\/1.1 200 /)
  await eventually(() => many[0]?.closed === true, 'the oldest was closed')
  expect(many.map(({ closed }) => closed)).toEqual([true, false, false])
  expect(await answerTo(other)).toMatch(/^HTTP\/1.1 200 /)
  expect(counters.refused).toBe(1)
})

test('a client that does not take its answer in time loses its connection', async () => {
  let begun = 0
  const { port, counters } = await serve({
    answerMostMs: 200,
    answer: ({ response }) => {
      begun++
      response.end(Buffer.alloc(64 << 20))
    },
  })
  const client = await open(port, '127.0.0.2')
  client.pause()
  client.write(request)
  await eventually(() => begun === 1, 'the answer was begun')
  await eventually(() => counters.refused === 1, 'it was refused')
  client.resume()
  await eventually(() => client.closed, 'it was closed')
  expect(client.bytesRead).toBeLessThan(64 << 20)
})

test('a connection that waits for its next request is not late', async () => {
  const { port, counters } = await serve({ answerMostMs: 50 })
  const client = await open(port, '127.0.0.2')
  for (let i = 0; i < 3; i++) {
    expect(await answerTo(client)).toMatch(/^HTTP\/1.1 200 /)
    const untilMs = performance.now() + 100
    await eventually(() => performance.now() > untilMs, 'more than the limit has passed')
  }
  expect(counters.refused).toBe(0)
})

test('a connection that is idle for longer than the limit is closed', async () => {
  const { port, counters } = await serve({ idleMostMs: 50 })
  const client = await open(port, '127.0.0.2')
  await answerTo(client)
  await eventually(() => client.closed, 'it was closed')
  expect(counters.refused).toBe(0)
})

test('where half of all connections are open, none is kept after its answer', async () => {
  const { port, counters } = await serve({ mostConnections: 4, idleMostMs: 60_000 })
  const clients = [await open(port, '127.0.0.2'), await open(port, '127.0.0.3')]
  for (const client of clients) await answerTo(client)
  const next = await open(port, '127.0.0.4')
  await answerTo(next)
  await eventually(() => next.closed, 'it was closed')
  expect(clients.map(({ closed }) => closed)).toEqual([false, false])
  expect(counters.refused).toBe(0)
})

test('a client that sends too many requests ahead is refused before the rest of them is parsed', async () => {
  let parsed = 0
  const count = () => void parsed++
  diagnostics.subscribe('http.server.request.start', count)
  onTestFinished(() => void diagnostics.unsubscribe('http.server.request.start', count))
  const { port, counters } = await serve({ answer: () => {} })
  const client = await open(port, '127.0.0.2')
  client.write(request.repeat(2_000))
  await eventually(() => client.closed, 'it was closed')
  expect(parsed).toBeLessThan(20)
  expect(counters).toMatchObject({ refused: 1, rejected: 0 })
})

test('a client that sends much ahead is refused, however few requests it is', async () => {
  const { port, counters } = await serve({ answer: () => {} })
  const client = await open(port, '127.0.0.2')
  // One is being answered, and two wait.
  client.write(largeRequest.repeat(3))
  const small = await open(port, '127.0.0.3')
  small.write(request.repeat(10))
  client.write(largeRequest)
  await eventually(() => client.closed, 'it was closed')
  expect(small.closed).toBe(false)
  expect(counters).toMatchObject({ refused: 1, rejected: 0 })
})

test('requests that wait are refused where those of all clients together are too large', async () => {
  const { port, counters } = await serve({ mostConnections: 400, answer: () => {} })
  const clients: Socket[] = []
  for (let i = 0; i < 160; i++) clients.push(await open(port, '127.0.0.2'))
  for (const client of clients) client.write(largeRequest.repeat(3))
  // 15,000 bytes of two waiting requests of each: 4 MiB are those of some 140.
  await eventually(() => counters.refused > 10, 'some were refused')
  expect(clients.filter(({ closed }) => !closed).length).toBeGreaterThan(100)
})

test('of a thousand header fields, few more than a hundred are kept', async () => {
  let kept = 0
  const { port } = await serve({
    answer({ request: { rawHeaders }, response }) {
      kept = rawHeaders.length / 2
      response.end('ok')
    },
  })
  const client = await open(port, '127.0.0.2')
  client.write(request.replace('\r\n\r\n', `\r\n${'x: y\r\n'.repeat(1_000)}\r\n`))
  await once(client, 'data')
  // The parser hands them over in portions.
  expect(kept).toBeLessThan(150)
})

test('what takes long waits until everyone is accepted, so that a quick answer comes soon', async () => {
  const order: string[] = []
  const server = await serve({
    async answer({ request: { url = '' }, response }) {
      if (url === '/slow') {
        await server.allAccepted()
        blockFor(5)
      }
      order.push(url)
      response.end('ok')
    },
  })
  const paths = [...Array.from({ length: 80 }, () => '/slow'), '/quick']
  for (const path of paths) {
    const client = connect(server.port, '127.0.0.1').resume()
    client.write(request.replace('/', path))
    onTestFinished(() => void client.destroy())
  }
  await eventually(() => order.length === paths.length, 'all have their answer')
  expect(order.indexOf('/quick')).toBeLessThan(8)
})

test('new connections without end delay what takes long by two seconds', { timeout: 20_000 }, async () => {
  const { port, allAccepted } = await serve()
  const clients: Socket[] = []
  const more = () => {
    clients.push(connect(port, '127.0.0.1').on('error', () => {}))
    next = setImmediate(more)
  }
  let next = setImmediate(more)
  const startMs = performance.now()
  await allAccepted()
  clearImmediate(next)
  for (const client of clients) client.destroy()
  expect(performance.now() - startMs).toBeGreaterThan(1_900)
})

test.each([
  ['reads simple requests', { answerSimple: () => false }],
  ['leaves all to node:http', {}],
])(
  'a client that has reset its connection before it was accepted is rejected by a server that %s',
  async (_, options) => {
    const { port, counters } = await serve(options)
    for (let i = 0; i < 3; i++)
      execFileSync(process.execPath, [
        '-e',
        `const socket = require('net').connect(${port}, '127.0.0.1', () => socket.resetAndDestroy())`,
      ])
    expect(await answerTo(await open(port, '127.0.0.3'))).toMatch(/^HTTP\/1.1 200 /)
    await eventually(() => counters.rejected === 3, 'they were counted')
  },
)

test('a client that expects what no server does gets its answer in turn, and no more ahead than others', async () => {
  const { port, counters } = await serve()
  const odd = request.replace('\r\n\r\n', '\r\nexpect: x\r\n\r\n')
  const client = await open(port, '127.0.0.2')
  const answered = once(client, 'data')
  client.write(odd)
  expect(String((await answered)[0])).toMatch(/^HTTP\/1.1 200 /)
  const many = await open(port, '127.0.0.2')
  many.pause()
  many.write(odd.repeat(200))
  await eventually(() => many.closed || counters.refused === 1, 'it was refused')
  expect(counters.refused).toBe(1)
})

test('a client that sends nothing is told so after five seconds by a server that reads simple requests, too', async () => {
  const { port } = await serve({ answerSimple: () => false })
  const client = await open(port, '127.0.0.2')
  const [told] = await once(client, 'data')
  expect(String(told)).toMatch(/^HTTP\/1.1 408 /)
})

test('a client whose request this process reads late is answered nevertheless', { timeout: 20_000 }, async () => {
  const { port, counters } = await serve()
  const client = await open(port, '127.0.0.2')
  expect(await answerTo(await open(port, '127.0.0.3'))).toMatch(/^HTTP\/1.1 200 /) // so the first is accepted, too
  const answered = once(client, 'data')
  client.write(request)
  // More than the time for headers, and that between two looks for clients beyond it.
  blockFor(8_000)
  expect(String((await answered)[0])).toMatch(/^HTTP\/1.1 200 /)
  expect(counters.rejected).toBe(0)
})

testWith('ip', namespaces)('where a process may open few files, three quarters of them are for other things', () => {
  const [result] = runAlone(besideIdleClients, { CLIENTS: idleClients })
  expect(result).toEqual({ failures: [], kept: 64 })
})

/** Probes a healthy peer from a process that may open 256 files, while others hold idle connections to its responder. */
const besideIdleClients = `
  import { execFileSync, spawn } from 'node:child_process'
  import { createInterface } from 'node:readline'
  const { createProber, startHttpResponder } = await import(process.env.CORE)
  const others = spawn(process.execPath, ['-e', process.env.CLIENTS], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: others.stdout })[Symbol.asyncIterator]()
  const target = '127.0.0.1:' + (await lines.next()).value
  const prober = createProber()
  // Loads what is loaded on demand.
  for (const protocol of ['tcp', 'http']) await prober.probe(protocol, target)
  execFileSync('prlimit', ['--nofile=256', '--pid', String(process.pid)])
  const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}) })
  others.stdin.write(String(responder.port))
  const kept = Number((await lines.next()).value)
  const failures = []
  for (let i = 0; i < 20; i++) {
    const probing = ['tcp', 'http'].flatMap((protocol) => Array.from({ length: 10 }, () => prober.probe(protocol, target)))
    for (const { ok, failure } of await Promise.all(probing)) if (!ok) failures.push(failure.message)
  }
  console.log(JSON.stringify({ failures, kept }))
  others.kill()
  process.exit()
`

/** A healthy peer, whose process also makes 300 requests to the port that it reads, and keeps the connections. */
const idleClients = `
  const { connect, createServer } = require('node:net')
  const peer = createServer((socket) => socket.resume().end('HTTP/1.1 204 No Content\\r\\n\\r\\n').on('error', () => {}))
  peer.listen(0, '127.0.0.1', () => console.log(peer.address().port))
  process.stdin.on('data', (port) => {
    let open = 0
    let settled = 0
    const settle = () => {
      if (++settled === 300) console.log(open)
    }
    for (let i = 0; i < 300; i++) {
      const client = connect(Number(port), '127.0.0.1', () => client.write('GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n'))
      client.once('data', () => (open++, settle()))
      client.on('error', () => {}).on('close', () => (client.bytesRead > 0 ? open-- : settle()))
    }
  })
`

const request = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'
const largeRequest = request.replace('\r\n\r\n', `\r\nx: ${'y'.repeat(15_000)}\r\n\r\n`)

async function open(port: number, localAddress: string): Promise<Socket> {
  const client = connect({ host: '127.0.0.1', port, localAddress })
  client.on('error', () => {})
  client.setEncoding('latin1').resume()
  await once(client, 'connect')
  onTestFinished(() => void client.destroy())
  return client
}

async function answerTo(client: Socket): Promise<string> {
  const answered = once(client, 'data')
  client.write(request)
  return String((await answered)[0])
}
