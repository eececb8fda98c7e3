import diagnostics from 'node:diagnostics_channel'
import { setImmediate as nextImmediate, setTimeout as passing } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { blockFor } from '../../../../test/support/block.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { probe } from '../../src/attempt/prober.ts'
import { type HttpResponderOptions, startHttpResponder } from '../../src/responders/http.ts'
import type { HttpServerOptions } from '../../src/responders/http-server.ts'
import { open, serve } from './http-client.ts'

const simple = (url: string) =>
  `GET ${url} HTTP/1.1\r\nhost: x:80\r\nconnection: keep-alive\r\nuser-agent: scout\r\n\r\n`
/** Node's parser skips an empty line before a request (RFC 9112 §2.2), so this is the same request, but not a simple one. */
const full = (text: string) => `\r\n${text}`

describe('the HTTP responder', () => {
  test('answers the requests of probes without node:http, also on a connection that is kept', async () => {
    const parsed = countParsed()
    const { port, counters } = await respond()
    for (const path of ['/', '/bytes?size=0', '/bytes?size=100000'])
      expect(await probe('http', `127.0.0.1:${port}${path}`)).toMatchObject({ ok: true })
    const { client, text } = await open(port)
    for (let i = 1; i <= 3; i++) {
      client.write(simple('/'))
      await eventually(() => text().split('{"n":1}').length === i + 1, 'the answer has come')
    }
    expect(parsed()).toBe(0)
    expect(counters).toEqual({ answered: 6, rejected: 0, unsent: 0, refused: 0 })
  })

  test('answers everything else with it, also after simple requests', async () => {
    const parsed = countParsed()
    const { port, counters } = await respond()
    const { client, text } = await open(port)
    const requests = [
      simple('/'),
      simple('/none'),
      simple('/bytes?size=7'),
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx',
    ]
    for (const [index, request] of requests.entries()) {
      client.write(request)
      await eventually(() => text().split('HTTP/1.1 ').length === index + 2, 'the answer has come')
    }
    expect(text().match(/HTTP\/1.1 \d+/g)).toEqual(['200', '404', '200', '200'].map((status) => `HTTP/1.1 ${status}`))
    expect(parsed()).toBe(3)
    expect(counters).toMatchObject({ answered: 3, rejected: 1 })
  })

  test('answers with 500 if the document fails', async () => {
    const { port } = await respond({
      document() {
        throw new Error('broken')
      },
    })
    expect(await probe('http', `127.0.0.1:${port}/`)).toMatchObject({ failure: { code: '500' } })
  })

  test.for(['/', '/bytes?size=0', '/bytes?size=7', '/bytes?size=131000', '/bytes?size=131071', '/bytes?size=999999'])(
    'answers %s with the same bytes as node:http',
    async (url) => {
      const { port } = await respond()
      const [own, nodes] = [await exchanged(port, [simple(url)]), await exchanged(port, [full(simple(url))])]
      expect(own.length).toBeGreaterThan(100)
      expect(own).toBe(nodes)
    },
  )

  test('answers any bytes, however they are split, as node:http does', { timeout: 60_000 }, async () => {
    const { port } = await respond({ routes: { '/echo': async ({ method, url }) => ({ method, url }) } })
    const sizes = fc.constantFrom('0', '7', '-1', '1e2', '00012', '200000', '7&size=8', '')
    const urls = fc.oneof(
      fc.constantFrom('/', '/?a', '//', '/none', '/bytes', '/echo', '/echo?a=%20', '*', 'http://x/'),
      sizes.map((size) => `/bytes?size=${size}`),
    )
    const mutation = fc.record({
      at: fc.nat(90),
      removed: fc.constantFrom(0, 0, 1, 2, 20),
      added: fc.constantFrom('', 'x', ' ', '\r', '\n', '\r\n', '\0', 'host: y\r\n', 'content-length: 3\r\n', ': '),
    })
    const mutated = fc
      .tuple(urls.map(simple), fc.option(mutation, { freq: 2, nil: undefined }))
      .map(([text, change]) => {
        if (change === undefined) return text
        return text.slice(0, change.at) + change.added + text.slice(change.at + change.removed)
      })
    const requests = fc.array(mutated, { minLength: 1, maxLength: 3 }).map((texts) => texts.join(''))
    const cuts = fc.oneof(
      fc.array(fc.nat(270), { maxLength: 3 }),
      fc.constant([]),
      // Between requests without a change.
      fc.constant([simple('/').length]),
    )
    await fc.assert(
      fc.asyncProperty(requests, cuts, async (text, cuts) => {
        const pieces = [0, ...cuts.toSorted((a, b) => a - b)].map((cut, i, all) => text.slice(cut, all[i + 1]))
        const [own, nodes] = await Promise.all([exchanged(port, pieces), exchanged(port, ['\r\n', ...pieces])])
        // What is no request ends the connection at once, on either way, and an answer that waits for its pace may be lost with it.
        const isWhole = [own, nodes].some((answers) => answers.includes('/end does not exist'))
        const [shorter = '', longer = ''] = [own, nodes].toSorted((a, b) => a.length - b.length)
        expect(isWhole ? shorter : longer.slice(0, shorter.length)).toBe(isWhole ? longer : shorter)
      }),
      { numRuns: 400 },
    )
  })
})

describe('the response to a simple request', () => {
  test.for([
    [200, [], 'größe'],
    [404, ['content-type', 'application/json', 'content-length', '2'], '{}'],
    [503, ['scout-busy', '1', 'retry-after', '1', 'content-length', '3'], 'abc'],
    [200, ['content-length', '9'], Buffer.from('\xff bytes ')],
  ] satisfies [number, string[], string | Buffer][])(
    'with status %i and fields %j is byte for byte that of node:http',
    async ([status, fields, body]) => {
      const length = String(Buffer.byteLength(body))
      const all = fields.includes('content-length') ? fields : [...fields, 'content-length', length]
      const { port } = await serveSimple({
        answer: ({ response }) => void response.writeHead(status, all).end(body),
        answerSimple({ response }) {
          response.writeHead(status, all).end(body)
          return true
        },
      })
      expect(await exchanged(port, [simple('/')])).toBe(await exchanged(port, [full(simple('/'))]))
    },
  )

  test('is limited in time, however the client reads', async () => {
    const { port, counters } = await serveSimple({
      answerMostMs: 200,
      answerSimple({ response }) {
        response.writeHead(200, []).end(Buffer.alloc(64 << 20))
        return true
      },
    })
    const { client } = await open(port)
    client.pause()
    client.write(simple('/'))
    await eventually(() => counters.refused === 1, 'it was refused')
    client.resume()
    await eventually(() => client.closed, 'it was closed')
    expect(client.bytesRead).toBeLessThan(64 << 20)
  })

  test('comes before that to whatever the client sends meanwhile', async () => {
    const begin: (() => void)[] = []
    const { port } = await serveSimple({
      answer: ({ response }) => void response.end('second'),
      answerSimple({ response }) {
        begin.push(() => response.writeHead(200, ['content-length', '5']).end('first'))
        return true
      },
    })
    const { client, text } = await open(port)
    client.write(simple('/'))
    await eventually(() => begin.length === 1, 'it was read')
    client.write(simple('/'))
    await answerToOther(port)
    expect([begin.length, text()]).toEqual([1, ''])
    begin[0]?.()
    await eventually(() => text().endsWith('second'), 'both have come')
    expect(text().indexOf('first')).toBeGreaterThan(0)
  })

  test('does not let its client send more ahead than others', async () => {
    const { port, counters } = await serveSimple({ answerSimple: () => true })
    const { client } = await open(port)
    client.write(simple('/'))
    await answerToOther(port)
    client.write(simple('/').repeat(17))
    await eventually(() => client.closed, 'it was closed')
    expect(counters).toMatchObject({ refused: 1, rejected: 0 })
  })

  test('is over when the client leaves before it', async () => {
    let over = false
    const { port } = await serveSimple({
      answerSimple({ response }) {
        response.once('close', () => (over = true))
        return true
      },
    })
    const { client } = await open(port)
    client.write(simple('/'))
    client.end()
    await eventually(() => over && client.closed, 'both are over')
  })
})

describe('a connection with simple requests', () => {
  test('whose next one this process reads late has its answer, even if that has to wait', async () => {
    const begin: (() => void)[] = []
    const { port } = await serveSimple({
      idleMostMs: 500,
      answerSimple({ response }) {
        begin.push(() => response.writeHead(200, ['content-length', '2']).end('ok'))
        return true
      },
    })
    const { client, text } = await open(port)
    client.write(simple('/'))
    await eventually(() => begin.length === 1, 'it was read')
    begin[0]?.()
    await eventually(() => text().endsWith('ok'), 'the answer has come')
    client.write(simple('/'))
    blockFor(1_000)
    await eventually(() => begin.length === 2, 'the next was read')
    // The time limit on idle connections is looked at meanwhile.
    await passing(300)
    begin[1]?.()
    await eventually(() => text().split('ok').length === 3, 'its answer has come')
  })

  test('is closed when it is idle for longer than the limit', async () => {
    const { port, counters } = await serveSimple({ idleMostMs: 50 })
    const { client, text } = await open(port)
    client.write(simple('/'))
    await eventually(() => client.closed, 'it was closed')
    expect(text()).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(counters).toMatchObject({ refused: 0, rejected: 0 })
  })

  test('is not kept where half of all are open', async () => {
    const { port } = await serveSimple({ mostConnections: 2, idleMostMs: 60_000 })
    const [first, second] = [await open(port), await open(port, '127.0.0.2')]
    await eventually(() => first.client.readyState === 'open', 'both are open')
    second.client.write(simple('/'))
    await eventually(() => second.client.closed, 'it was closed')
    expect(second.text()).toContain('\r\nConnection: close\r\n')
  })

  test('is ended at once when the server closes', async () => {
    const server = await serveSimple({ idleMostMs: 60_000 })
    const { client, text } = await open(server.port)
    client.write(simple('/'))
    await eventually(() => text() !== '', 'the answer has come')
    const startMs = performance.now()
    await server.close(10_000)
    expect(performance.now() - startMs).toBeLessThan(5_000)
  })

  test('that the client resets counts as rejected, as with node:http', async () => {
    const { port, counters } = await serveSimple()
    for (const request of [simple('/'), full(simple('/'))]) {
      const { client, text } = await open(port)
      client.write(request)
      await eventually(() => text() !== '', 'the answer has come')
      const before = counters.rejected
      client.resetAndDestroy()
      await eventually(() => counters.rejected === before + 1, 'it was counted')
    }
  })
})

/** Counts the requests that Node parses from now on. */
function countParsed(): () => number {
  let parsed = 0
  const count = () => void parsed++
  diagnostics.subscribe('http.server.request.start', count)
  onTestFinished(() => void diagnostics.unsubscribe('http.server.request.start', count))
  return () => parsed
}

/** Sends these pieces in turn and returns what comes back until the connection ends, without the time of day. */
async function exchanged(port: number, pieces: readonly string[]): Promise<string> {
  const { client, text } = await open(port)
  client.setNoDelay(true)
  // Ends the connection after its answer, wherever the bytes before it are whole requests.
  const end = 'GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'
  for (const piece of [...pieces, end]) {
    client.write(piece, 'latin1')
    await nextImmediate()
  }
  // What is incomplete is ended by its client, once nothing more comes.
  const timer = setTimeout(() => client.end(), 150)
  client.on('data', () => timer.refresh())
  await eventually(() => client.closed, 'it was closed')
  clearTimeout(timer)
  return text().replaceAll(/Date: [^\r]+/g, 'Date: now')
}

async function answerToOther(port: number): Promise<void> {
  const { client, text } = await open(port)
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await eventually(() => text() !== '', 'the answer has come')
}

async function respond(options: Partial<HttpResponderOptions> = {}) {
  const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({ n: 1 }), ...options })
  onTestFinished(() => responder.close())
  return responder
}

/** Starts a server that answers simple requests with `ok` itself. */
function serveSimple(options: Partial<HttpServerOptions> = {}) {
  return serve({
    answerSimple({ response }) {
      response.writeHead(200, ['content-length', '2']).end('ok')
      return true
    },
    ...options,
  })
}
