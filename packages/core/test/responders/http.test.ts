import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { probe } from '../../src/attempt/prober.ts'
import { type HttpResponderOptions, startHttpResponder } from '../../src/responders/http.ts'
import { open } from './http-client.ts'

describe('answers', () => {
  test('with its document at /, created for each request', async () => {
    let asked = 0
    const { port, counters } = await respond({ document: () => ({ asked: ++asked }) })
    for (const body of ['{"asked":1}', '{"asked":2}'])
      expect(await probe('http', `127.0.0.1:${port}`, { keepBytes: 100 })).toMatchObject({ ok: true, detail: { body } })
    expect(counters).toEqual({ answered: 2, rejected: 0, unsent: 0, refused: 0 })
  })

  test.for([
    ['0', 0],
    ['100000', 100_000],
    ['1048576', 1 << 20],
    ['1048577', 1 << 20],
    ['-1', 0],
    ['1.5', 0],
    ['many', 0],
  ] as const)('/bytes?size=%s with %i bytes', async ([size, bodyBytes]) => {
    const { port } = await respond()
    expect(await probe('http', `127.0.0.1:${port}/bytes?size=${size}`)).toMatchObject({
      ok: true,
      detail: { bodyBytes },
    })
  })

  test('/bytes with the same bytes whatever was requested before', async () => {
    const { port } = await respond()
    for (const size of [7, 100, 7, 13]) {
      expect(await probe('http', `127.0.0.1:${port}/bytes?size=${size}`, { keepBytes: 100 })).toMatchObject({
        detail: { body: 'scout '.repeat(20).slice(0, size) },
      })
    }
  })

  test('with the body on a path that takes one, up to its limit, if the request states the length', async () => {
    const received: unknown[] = []
    const { port, counters } = await respond({
      routes: {
        '/note': async ({ body }) => {
          received.push(body)
          return {}
        },
      },
      bodies: { '/note': 8 },
    })
    const send = async (body: string | ReadableStream) => {
      const init = { method: 'POST', body, duplex: 'half' } as const
      const response = await fetch(`http://127.0.0.1:${port}/note?a`, init)
      await response.arrayBuffer()
      return response.status
    }
    expect([await send('größe'), await send('123456789'), await send(new Blob(['hi']).stream())]).toEqual([
      200, 413, 411,
    ])
    expect(received).toEqual(['größe'])
    expect(counters).toMatchObject({ answered: 1, rejected: 2 })
  })

  test('with the results of its routes, and everything else with 404', async () => {
    const { port } = await respond({
      routes: {
        '/echo': async (request) => request,
        '/nothing': async () => undefined,
      },
    })
    const options = { method: 'POST', sendBytes: 5000, keepBytes: 100 } as const
    expect(await probe('http', `127.0.0.1:${port}/echo?a=1`, options)).toMatchObject({
      detail: { body: '{"method":"POST","url":"/echo?a=1","from":"127.0.0.1"}' },
    })
    for (const path of ['nothing', 'constructor', 'bytes/'])
      expect(await probe('http', `127.0.0.1:${port}/${path}`)).toMatchObject({ failure: { code: '404' } })
  })

  test('with 500 if its document or a route fails, and keeps running', async () => {
    const { port } = await respond({
      document: () => {
        throw new TypeError('a defect')
      },
      routes: {
        '/broken': () => Promise.reject(new Error('broken')),
        '/defect': () => {
          throw new TypeError('a defect')
        },
      },
    })
    for (const path of ['', '?a', 'broken', 'defect', 'broken'])
      expect(await probe('http', `127.0.0.1:${port}/${path}`)).toMatchObject({ failure: { code: '500' } })
  })

  test('with unmapped IPv4 addresses, even on a dual-stack socket', async () => {
    const { port } = await respond({ host: '::', routes: { '/from': async ({ from }) => ({ from }) } })
    expect(await probe('http', `127.0.0.1:${port}/from`, { keepBytes: 100 })).toMatchObject({
      detail: { body: '{"from":"127.0.0.1"}' },
    })
  })

  test('a large upload after reading it to the end', async () => {
    const { port } = await respond()
    expect(await probe('http', `127.0.0.1:${port}/`, { method: 'POST', sendBytes: 4 << 20 })).toMatchObject({
      ok: true,
    })
  })

  test('over IPv6', async () => {
    const { port } = await respond({ host: '::1' })
    expect(await probe('http', `http://[::1]:${port}/`)).toMatchObject({ ok: true })
  })
})

describe('rejects', () => {
  test.for<[what: string, request: string, status: string]>([
    ['an invalid path', 'GET // HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', '400'],
    ['an invalid address', 'GET http://[ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', '400'],
    ['a request without a host', 'GET / HTTP/1.1\r\n\r\n', '400'],
    ['a request with two hosts', 'GET / HTTP/1.1\r\nhost: x\r\nHost: x\r\n\r\n', '400'],
    ['garbage', '\x00\x01\x02 hello\r\n\r\n', '400'],
    ['TLS', '\x16\x03\x01\x02\x00\x01', '400'],
    ['headers without end', `GET / HTTP/1.1\r\nx: ${'x'.repeat(64 << 10)}`, '400'],
  ])('%s, counts it and keeps running', async ([, request, status]) => {
    const { port, counters } = await respond()
    const { client, text } = await open(port)
    client.write(request)
    await once(client, 'close')
    expect(text()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(counters).toMatchObject({ answered: 0, rejected: 1 })
    expect(await probe('http', `127.0.0.1:${port}`)).toMatchObject({ ok: true })
  })

  // They take as long as the limit they test, so run them concurrently.
  test.concurrent.for<[seconds: number, what: string, request: string, answer: RegExp]>([
    [5, 'is silent', '', /^HTTP\/1.1 408 /],
    [5, 'never ends the headers', 'GET / HTTP/1.1\r\nhost: x\r\n', /^HTTP\/1.1 408 /],
    [10, 'never ends its body', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n', /^$/],
  ])('after %i s a client that %s', { timeout: 20_000 }, async ([limit, , request, answer]) => {
    const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}) })
    const startMs = performance.now()
    // The client keeps its own side open, like an attacker who wants to occupy the connection.
    const client = connect({ host: '127.0.0.1', port: responder.port, allowHalfOpen: true })
    client.on('error', () => {})
    let text = ''
    client.setEncoding('latin1').on('data', (chunk) => (text += chunk))
    if (request !== '') client.write(request)
    await once(client, 'end')
    expect(text).toMatch(answer)
    const seconds = (performance.now() - startMs) / 1000
    await responder.close()
    client.destroy()
    expect(seconds).toBeGreaterThan(limit - 0.5)
    expect(seconds).toBeLessThan(limit + 3)
    expect(performance.now() / 1000 - startMs / 1000).toBeLessThan(limit + 4)
  })
})

describe('a client that asks for more than it takes', () => {
  const bytes = 'GET /bytes?size=1048576 HTTP/1.1\r\nhost: x\r\n\r\n'

  test('gets one answer at a time, and every answer in the order of its requests', async () => {
    const { port, counters } = await respond({ routes: { '/echo': async ({ url }) => ({ url }) } })
    const { client, text } = await open(port)
    client.pause()
    const last = 'GET /echo?last HTTP/1.1\r\nhost: x\r\n\r\n'
    client.write(`${bytes.repeat(10)}${last}`)
    // The kernel takes some of the answers: requests of later connections are read after those of this one.
    for (let i = 0; i < 5; i++) await probe('http', `127.0.0.1:${port}/`)
    expect(counters.answered - 5).toBeLessThan(10)
    client.resume()
    await eventually(() => text().endsWith('{"url":"/echo?last"}'), 'the last answer has come')
    expect(counters).toMatchObject({ answered: 16, refused: 0 })
    expect(text().length).toBeGreaterThan(10 << 20)
  })

  test('loses its connection when it sends 200 requests ahead', async () => {
    const { port, counters } = await respond()
    const { client } = await open(port)
    client.pause()
    client.write(bytes.repeat(200))
    await eventually(() => counters.refused === 1, 'it was refused')
    expect(counters.answered).toBeLessThanOrEqual(1)
    client.resume()
    await eventually(() => client.closed, 'it was closed')
    expect(await probe('http', `127.0.0.1:${port}/`)).toMatchObject({ ok: true })
  })

  test('does not keep the bytes that others ask for from them, and gets 503 when it asks for far too many', async () => {
    const { port, counters } = await respond()
    const greedy = await Promise.all(Array.from({ length: 100 }, () => open(port, '127.0.0.2')))
    for (const { client } of greedy) client.write(bytes)
    const url = `127.0.0.1:${port}/bytes?size=1048576`
    expect(await probe('http', url, { timeoutMs: 3_000 })).toMatchObject({ ok: true, detail: { bodyBytes: 1 << 20 } })
    await eventually(() => greedy.some(({ text }) => text().startsWith('HTTP/1.1 503 ')), 'a 503 has come')
    expect(counters.answered).toBeLessThan(100)
    expect(counters.refused).toBeGreaterThan(0)
  })

  test('uses up its turn even if it leaves at once', async () => {
    const { port } = await respond()
    for (let i = 0; i < 300; i++) {
      const { client } = await open(port, '127.0.0.2')
      client.write(bytes)
      // Its request is read before that of the probe.
      if (i % 20 === 0) await probe('http', `127.0.0.1:${port}/`)
      client.destroy()
    }
    const url = `127.0.0.1:${port}/bytes?size=100000`
    expect(await probe('http', url, { timeoutMs: 500 })).toMatchObject({ ok: true })
  })

  test('shares a rate with others like it', async () => {
    const { port } = await respond()
    const readers = await Promise.all(Array.from({ length: 40 }, () => open(port)))
    const startMs = performance.now()
    for (const { client } of readers) client.write(bytes.repeat(4))
    const received = () => readers.reduce((sum, { client: { bytesRead } }) => sum + bytesRead, 0)
    await eventually(() => performance.now() - startMs > 1_000 || received() > 60 << 20, 'a second has passed')
    const seconds = (performance.now() - startMs) / 1000
    expect(received() / (seconds + 0.25)).toBeLessThan(8 << 20)
    expect(received()).toBeGreaterThan(4 << 20)
  })

  test('a client that holds uploads open does not keep others from theirs, and gets 503 for most of its own', async () => {
    const { port, counters } = await respond({ routes: { '/note': async () => ({}) }, bodies: { '/note': 100_000 } })
    const holders = Array.from({ length: 120 }, () => connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' }))
    onTestFinished(() => holders.forEach((holder) => void holder.destroy()))
    let unavailable = 0
    for (const holder of holders) {
      holder.on('error', () => {}).on('data', (text) => (unavailable += String(text).includes(' 503 ') ? 1 : 0))
      holder.write(`POST /note HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(50_000)}`)
    }
    const upload = { method: 'POST', sendBytes: 1_000, timeoutMs: 10_000 } as const
    expect(await probe('http', `127.0.0.1:${port}/note`, upload)).toMatchObject({ ok: true })
    await eventually(() => unavailable === 116, 'all but four were refused')
    expect(counters.refused).toBe(116)
  })

  test('gets 411 for a body in chunks, whose small ones take more memory than a large body', async () => {
    const { port } = await respond({ routes: { '/note': async () => ({}) }, bodies: { '/note': 100_000 } })
    const { client, text } = await open(port)
    const head = 'POST /note HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'
    client.write(`${head}${'1\r\nx\r\n'.repeat(20_000)}0\r\n\r\n`)
    await eventually(() => text().startsWith('HTTP/1.1 '), 'an answer has come')
    expect(text()).toMatch(/^HTTP\/1.1 411 /)
  })

  test('that waits to be asked for its body is asked for it, in its turn', async () => {
    const { port } = await respond({ routes: { '/note': async ({ body }) => ({ body }) }, bodies: { '/note': 100 } })
    const { client, text } = await open(port)
    client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    client.write('POST /note HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n')
    await eventually(() => text().includes('HTTP/1.1 100 '), 'it was asked')
    expect(text()).toMatch(/^HTTP\/1.1 200 /)
    client.write('hi')
    await eventually(() => text().includes('{"body":"hi"}'), 'the answer has come')
  })

  test('uploads at the rate of a reader, after a burst', async () => {
    const { port } = await respond()
    const startMs = performance.now()
    const upload = { method: 'POST', sendBytes: 8 << 20, timeoutMs: 10_000 } as const
    expect(await probe('http', `127.0.0.1:${port}/`, upload)).toMatchObject({ ok: true })
    expect(performance.now() - startMs).toBeGreaterThan(700)
  })
})

describe('closing', () => {
  test('ends a client in the middle of its request after a second', async () => {
    const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}) })
    const { client } = await open(responder.port)
    client.write('GET / HTTP/1.1\r\nhost: x')
    await probe('http', `127.0.0.1:${responder.port}`) // connections are accepted in order
    const startMs = performance.now()
    await responder.close()
    expect(performance.now() - startMs).toBeLessThan(3_000)
  })

  test('ends a client that does not take its answer after a second', async () => {
    const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}) })
    const slow = await Promise.all(Array.from({ length: 8 }, () => open(responder.port)))
    for (const { client } of slow) {
      client.pause()
      client.write('GET /bytes?size=1048576 HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(8))
    }
    await eventually(() => responder.counters.answered >= 8, 'the answers were begun')
    const startMs = performance.now()
    await responder.close()
    expect(performance.now() - startMs).toBeLessThan(3_000)
  })

  test('leaves nothing open', async () => {
    const allClosed = await watchHandles()
    const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}) })
    await probe('http', `127.0.0.1:${responder.port}`)
    await responder.close()
    await allClosed()
  })

  test('does not wait for idle connections', async () => {
    const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}) })
    const { client, text } = await open(responder.port)
    client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await eventually(() => text().includes('{}'), 'the answer has come')
    const startMs = performance.now()
    await responder.close()
    expect(performance.now() - startMs).toBeLessThan(500)
  })

  test('ends rejected connections that the other side never closed', async () => {
    const allClosed = await watchHandles()
    const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}) })
    const client = connect({ host: '127.0.0.1', port: responder.port, allowHalfOpen: true })
    client.on('error', () => {})
    client.resume()
    client.write('garbage\r\n\r\n')
    await eventually(() => responder.counters.rejected === 1, 'it was turned down')
    await responder.close()
    client.destroy()
    await allClosed()
  })
})

test('a port in use is an error, and leaves nothing open', async () => {
  const { port } = await respond()
  const allClosed = await watchHandles()
  await expect(startHttpResponder({ host: '127.0.0.1', port, document: () => ({}) })).rejects.toThrow('EADDRINUSE')
  await allClosed()
})

async function respond(options: Partial<HttpResponderOptions> = {}) {
  const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}), ...options })
  onTestFinished(() => responder.close())
  return responder
}
