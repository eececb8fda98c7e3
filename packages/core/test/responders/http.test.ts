import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { probe } from '../../src/attempt/prober.ts'
import { type HttpResponderOptions, startHttpResponder } from '../../src/responders/http.ts'

describe('answers', () => {
  test('with its document at /, created for each request', async () => {
    let asked = 0
    const { port, counters } = await respond({ document: () => ({ asked: ++asked }) })
    for (const body of ['{"asked":1}', '{"asked":2}'])
      expect(await probe('http', `127.0.0.1:${port}`, { keepBytes: 100 })).toMatchObject({ ok: true, detail: { body } })
    expect(counters).toEqual({ answered: 2, rejected: 0, unsent: 0 })
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

  test('with the results of its routes, and everything else with 404', async () => {
    const { port } = await respond({
      routes: {
        '/echo': async (request) => request,
        '/nothing': async () => undefined,
      },
    })
    const options = { method: 'POST', sendBytes: 5000, keepBytes: 100 } as const
    expect(await probe('http', `127.0.0.1:${port}/echo?a=1`, options)).toMatchObject({
      detail: { body: '{"url":"/echo?a=1","from":"127.0.0.1"}' },
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

  // Both take as long as the limit they test, so run them concurrently.
  test.concurrent.for<[what: string, request: string]>([
    ['is silent', ''],
    ['never ends the headers', 'GET / HTTP/1.1\r\nhost: x\r\n'],
  ])('after 5 s a client that %s', { timeout: 10_000 }, async ([, request]) => {
    const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({}) })
    const startMs = performance.now()
    // The client keeps its own side open, like an attacker who wants to occupy the connection.
    const client = connect({ host: '127.0.0.1', port: responder.port, allowHalfOpen: true })
    client.on('error', () => {})
    client.resume()
    if (request !== '') client.write(request)
    await once(client, 'end')
    const seconds = (performance.now() - startMs) / 1000
    await responder.close()
    client.destroy()
    expect(seconds).toBeGreaterThan(4.5)
    expect(seconds).toBeLessThan(8)
    expect(performance.now() / 1000 - startMs / 1000).toBeLessThan(9)
  })
})

describe('closing', () => {
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

async function open(port: number): Promise<{ readonly client: Socket; readonly text: () => string }> {
  const client = connect({ host: '127.0.0.1', port })
  let received = ''
  client.on('error', () => {})
  client.setEncoding('latin1').on('data', (chunk: string) => {
    received += chunk
  })
  await once(client, 'connect')
  onTestFinished(() => void client.destroy())
  return { client, text: () => received }
}
