import { execFile, spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type ClientRequest, createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { blockFor } from '../../../../test/support/block.ts'
import { assertBuilt } from '../../../../test/support/built.ts'
import { selfSigned } from '../../../../test/support/certificate.ts'
import { canDropRawSockets, startTrusting, startUnprivileged } from '../../../../test/support/child.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { capability, nativePart, testWith, withoutNativePart } from '../../../../test/support/requirements.ts'
import { desertedTcpPort, listenTcp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import type { OptionsOf, ResultOf } from '../../src/probes/index.ts'

const itWithTls = testWith('openssl')

describe('the phases', () => {
  test('of http are connect, write, server and transfer', async () => {
    const port = await serve((_, response) => response.end('hello'))
    const result = await probe('http', `http://127.0.0.1:${port}/`)
    expect(Object.keys(result.phasesNs)).toEqual(['connect', 'write', 'server', 'transfer'])
    expectPhasesToAddUp(result)
    expect(result).toMatchObject({ ok: true, detail: { statusCode: 200, bodyBytes: 5 } })
  })

  itWithTls('of https have tls between connect and write', async () => {
    const port = await serveTls((_, response) => response.end('hello'))
    const result = await probe('http', `https://127.0.0.1:${port}/`, { insecure: true })
    expect(Object.keys(result.phasesNs)).toEqual(['connect', 'tls', 'write', 'server', 'transfer'])
    expectPhasesToAddUp(result)
  })

  test('of a name start with its resolution', async () => {
    const port = await serve((_, response) => response.end())
    const result = await probe('http', `http://localhost:${port}/`, { family: 'ipv4' })
    expect(Object.keys(result.phasesNs)).toEqual(['resolve', 'connect', 'write', 'server', 'transfer'])
    expect(result.endpoint).toEqual({ host: 'localhost', address: '127.0.0.1', addressCount: 1, family: 'ipv4', port })
  })

  test('distinguish a slow server from a slow body', async () => {
    const think = { serverMs: 60, transferMs: 30 }
    const port = await serve((_, response) => {
      setTimeout(() => {
        response.write('first')
        setTimeout(() => response.end('last'), think.transferMs)
      }, think.serverMs)
    })
    const { server = 0, transfer = 0 } = (await probe('http', `127.0.0.1:${port}`)).phasesNs
    expect(server / 1e6 / think.serverMs).toBeGreaterThan(0.9)
    expect(transfer / 1e6 / think.transferMs).toBeGreaterThan(0.9)
  })

  testWith(nativePart)('do not grow if the event loop is blocked while the answer arrives', async () => {
    const { clock, phasesNs, blockedNs } = await attemptWhileBlocked({})
    expect(clock).toEqual({ tx: 'tcp-info', rx: 'tcp-info' })
    const { server = 0, transfer = 0 } = phasesNs
    expect(server + transfer).toBeLessThan(0.75 * blockedNs)
  })

  testWith(withoutNativePart)('include such delays without the native part', async () => {
    const { clock, phasesNs, blockedNs } = await attemptWhileBlocked({})
    expect(clock).toEqual({ tx: 'user', rx: 'user' })
    expect((phasesNs.server ?? 0) + (phasesNs.transfer ?? 0)).toBeGreaterThan(0.99 * blockedNs)
  })

  test('never go back: if the server answers before the request is complete, its phase is skipped', async () => {
    const port = await listenTcp((socket) => {
      // The server reads nothing, so the body cannot be sent.
      socket.pause()
      socket.write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n')
    })
    const result = await probe('http', `127.0.0.1:${port}`, { method: 'POST', sendBytes: 32 << 20, status: '413' })
    expect(Object.keys(result.phasesNs)).toEqual(['connect', 'write', 'transfer'])
    expectPhasesToAddUp(result)
  })
})

testWith(nativePart)('the first attempt of a process does not measure how its code is loaded', async () => {
  assertBuilt('packages/core')
  const program = `
    const { createProber } = await import(process.argv[1])
    const prober = createProber()
    const timesNs = []
    for (let i = 0; i < 10; i++) timesNs.push((await prober.probe('http', process.argv[2])).totalNs)
    prober.close()
    console.log(JSON.stringify(timesNs))`
  const core = new URL('../../dist/index.js', import.meta.url).href
  const url = `http://127.0.0.1:${await serve((_, response) => response.end('hello'))}/`
  const ratios: number[] = []
  // The best of a few, because other programs delay some of them.
  for (let i = 0; i < 5; i++) {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, core, url])
    const [first = 0, ...others] = JSON.parse(stdout) as readonly number[]
    ratios.push(first / (others.toSorted((a, b) => a - b)[4] ?? 0))
  }
  expect(Math.min(...ratios)).toBeLessThan(6)
})

describe('observed', () => {
  const itObserves = testWith(nativePart, capability('CAP_NET_RAW'))

  itObserves('the phases are those of the packets, by the kernel clock', async () => {
    const port = await serve((_, response) => {
      response.write('first')
      setTimeout(() => response.end('last'), 20)
    })
    const result = await probe('http', `127.0.0.1:${port}`, { observe: true })
    expect(result).toMatchObject({
      ok: true,
      clock: { tx: 'kernel', rx: 'kernel' },
      detail: { isObserved: true, bodyBytes: 9 },
    })
    expect(Object.keys(result.phasesNs)).toEqual(['connect', 'write', 'server', 'transfer'])
    expectPhasesToAddUp(result)
  })

  itObserves('no phase grows if the event loop is blocked while the answer arrives', async () => {
    const { clock, phasesNs, blockedNs } = await attemptWhileBlocked({ observe: true })
    expect(clock).toEqual({ tx: 'kernel', rx: 'kernel' })
    expect((phasesNs.server ?? 0) + (phasesNs.transfer ?? 0)).toBeLessThan(0.75 * blockedNs)
  })

  testWith(
    nativePart,
    capability('CAP_NET_RAW'),
    'openssl',
  )('with https only connect comes from packets, and the clock does not change', async () => {
    const port = await serveTls((_, response) => response.end('hello'))
    const result = await probe('http', `https://127.0.0.1:${port}/`, { insecure: true, observe: true })
    expect(Object.keys(result.phasesNs)).toEqual(['connect', 'tls', 'write', 'server', 'transfer'])
    expect(result).toMatchObject({ ok: true, clock: { tx: 'user', rx: 'user' }, detail: { isObserved: true } })
    expectPhasesToAddUp(result)
  })

  testWith(nativePart, canDropRawSockets)(
    'fails as not-permitted without CAP_NET_RAW, before it connects',
    async () => {
      const child = await startUnprivileged()
      onTestFinished(() => child.close())
      expect(await child.probe('http', `127.0.0.1:${await desertedTcpPort()}`, { observe: true })).toMatchObject({
        failure: { reason: 'not-permitted', phase: 'setup', message: expect.stringContaining('CAP_NET_RAW') },
        phasesNs: {},
      })
    },
  )

  testWith(withoutNativePart)('fails as not-supported without the native part, before it connects', async () => {
    expect(await probe('http', `127.0.0.1:${await desertedTcpPort()}`, { observe: true })).toMatchObject({
      failure: { reason: 'not-supported', phase: 'setup' },
      phasesNs: {},
    })
  })
})

describe('the request', () => {
  test('has the requested method, path, headers and body', async () => {
    const seen: object[] = []
    const port = await serve((request, response) => {
      let bodyBytes = 0
      request.on('data', (chunk: Buffer) => {
        bodyBytes += chunk.length
      })
      request.on('end', () => {
        const { host, 'user-agent': agent, 'x-scout': own } = request.headers
        seen.push({ method: request.method, url: request.url, host, agent, own, bodyBytes })
        response.end()
      })
    })
    const options = {
      method: 'PUT',
      headers: { 'X-Scout': 'yes', 'User-Agent': 'kube-probe/1.36' },
      sendBytes: 100_000,
    } as const
    expect(await probe('http', `http://127.0.0.1:${port}/a/b?c=d#e`, options)).toMatchObject({ ok: true })
    expect(seen).toEqual([
      {
        method: 'PUT',
        url: '/a/b?c=d',
        host: `127.0.0.1:${port}`,
        agent: 'kube-probe/1.36',
        own: 'yes',
        bodyBytes: 100_000,
      },
    ])
  })

  test('states the length of its body where HTTP requires it, and keeps the connection open', async () => {
    const texts: string[] = []
    const port = await answerWith((socket, text) => {
      texts.push(text.replace(/:\d+/, ':PORT'))
      socket.end('HTTP/1.1 200 OK\r\n\r\n')
    })
    const requests: readonly OptionsOf<'http'>[] = [
      {},
      { method: 'DELETE' },
      { method: 'POST' },
      { method: 'PUT' },
      { method: 'POST', sendBytes: 5 },
      { sendBytes: 5, headers: { Host: 'other', 'X-Scout': 'é' } },
    ]
    for (const options of requests) {
      expect(await probe('http', `127.0.0.1:${port}/a?b#c`, options)).toMatchObject({ ok: true })
    }
    expect(texts.map((text) => text.split('\r\n').slice(0, -2))).toMatchInlineSnapshot(`
      [
        [
          "GET /a?b HTTP/1.1",
          "host: 127.0.0.1:PORT",
          "connection: keep-alive",
          "user-agent: scout",
        ],
        [
          "DELETE /a?b HTTP/1.1",
          "host: 127.0.0.1:PORT",
          "connection: keep-alive",
          "user-agent: scout",
        ],
        [
          "POST /a?b HTTP/1.1",
          "host: 127.0.0.1:PORT",
          "connection: keep-alive",
          "user-agent: scout",
          "content-length: 0",
        ],
        [
          "PUT /a?b HTTP/1.1",
          "host: 127.0.0.1:PORT",
          "connection: keep-alive",
          "user-agent: scout",
          "content-length: 0",
        ],
        [
          "POST /a?b HTTP/1.1",
          "host: 127.0.0.1:PORT",
          "connection: keep-alive",
          "user-agent: scout",
          "content-length: 5",
        ],
        [
          "GET /a?b HTTP/1.1",
          "host: other",
          "connection: keep-alive",
          "user-agent: scout",
          "x-scout: é",
          "content-length: 5",
        ],
      ]
    `)
  })

  test('goes to IPv6 addresses, too', async () => {
    const port = await serve((_, response) => response.end('six'), '::1')
    expect(await probe('http', `http://[::1]:${port}/`, { keepBytes: 3 })).toMatchObject({
      ok: true,
      endpoint: { host: '::1', address: '::1', family: 'ipv6', port },
      detail: { body: 'six' },
    })
  })

  test('uses a new connection each time', async () => {
    const connections = new Set<Socket>()
    const port = await serve((request, response) => {
      connections.add(request.socket)
      response.end()
    })
    for (let i = 0; i < 3; i++) await probe('http', `127.0.0.1:${port}`)
    expect(connections.size).toBe(3)
  })
})

describe('the answer', () => {
  const body = 'scout '.repeat(50_000)

  test.for<[options: OptionsOf<'http'>, detail: object]>([
    [{}, { statusCode: 200, bodyBytes: body.length }],
    [{ keepBytes: 11 }, { statusCode: 200, bodyBytes: body.length, body: 'scout scout' }],
    [{ method: 'HEAD' }, { statusCode: 200, bodyBytes: 0 }],
  ])('is counted, and kept up to the requested size: %o', async ([options, detail]) => {
    const port = await serve((_, response) => response.end(body))
    expect(await probe('http', `127.0.0.1:${port}`, options)).toMatchObject({ ok: true, detail })
  })

  test('may come in chunks, or end with the connection', async () => {
    const answers = [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabcde',
    ]
    for (const answer of answers) {
      const port = await answerWith((socket) => socket.end(answer))
      expect(await probe('http', `127.0.0.1:${port}`, { keepBytes: 9 })).toMatchObject({
        ok: true,
        detail: { bodyBytes: 5, body: 'abcde' },
      })
    }
  })

  test.for<[status: number, expected: string | undefined, isOk: boolean]>([
    [200, undefined, true],
    [399, undefined, true],
    [400, undefined, false],
    [503, undefined, false],
    [404, '404', true],
    [404, '200,404-410', true],
    [200, '201-299', false],
  ])('with status %s where %s is expected: ok is %s', async ([statusCode, status, isOk]) => {
    const port = await serve((_, response) => response.writeHead(statusCode).end())
    const result = await probe('http', `127.0.0.1:${port}`, status === undefined ? {} : { status })
    expect(result.ok).toBe(isOk)
    if (result.ok) return
    expect(result.failure).toMatchObject({ reason: 'bad-status', code: String(statusCode) })
    expect(result.detail).toEqual({ statusCode, bodyBytes: 0 })
  })

  test('with a redirect is not followed', async () => {
    let requests = 0
    const port = await serve((_, response) => {
      requests++
      response.writeHead(302, { location: '/elsewhere' }).end()
    })
    expect(await probe('http', `127.0.0.1:${port}`)).toMatchObject({ ok: true, detail: { statusCode: 302 } })
    expect(requests).toBe(1)
  })

  test.for<[what: string, answer: string, detail: object]>([
    [
      'follow an informational response',
      'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
      { statusCode: 204 },
    ],
    ['follow a 100 that nobody asked for', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc', { bodyBytes: 3 }],
    [
      'state the length of a body that a 204 cannot have',
      'HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\n',
      { bodyBytes: 0 },
    ],
    [
      'state the length of a body that a 304 omits',
      'HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n',
      { bodyBytes: 0 },
    ],
    [
      'be followed by bytes that do not belong to it',
      'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcgarbage',
      { bodyBytes: 3 },
    ],
    ['be followed by a second one', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na'.repeat(2), { bodyBytes: 1 }],
  ])('may %s', async ([, answer, detail]) => {
    const port = await answerWith((socket) => socket.end(answer))
    expect(await probe('http', `127.0.0.1:${port}`)).toMatchObject({ ok: true, detail })
  })

  test('that switches protocols without naming one is a bad status', async () => {
    const port = await answerWith((socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'))
    expect(await probe('http', `127.0.0.1:${port}`)).toMatchObject({ failure: { reason: 'bad-status', code: '101' } })
  })
})

describe('fails', () => {
  const head = 'HTTP/1.1 200 OK\r\n'
  const cases: readonly [what: string, answer: (socket: Socket) => void, reason: string, phase: string][] = [
    ['an answer that is not HTTP', (socket) => socket.end('220 mail.example ESMTP\r\n'), 'bad-reply', 'transfer'],
    ['headers without end', (socket) => socket.write(`${head}x: ${'x'.repeat(1 << 20)}`), 'bad-reply', 'transfer'],
    ['a close instead of an answer', (socket) => socket.end(), 'bad-reply', 'server'],
    ['a close within the headers', (socket) => socket.end(`${head}content-`), 'bad-reply', 'transfer'],
    [
      'a close within a body of known length',
      (socket) => socket.end(`${head}content-length: 9\r\n\r\nabc`),
      'bad-reply',
      'transfer',
    ],
    [
      'a close within the last body of known length',
      (socket) => socket.end(`${head}connection: close\r\ncontent-length: 9\r\n\r\nabc`),
      'bad-reply',
      'transfer',
    ],
    [
      'a close within chunks',
      (socket) => socket.end(`${head}transfer-encoding: chunked\r\n\r\n9\r\nabc`),
      'bad-reply',
      'transfer',
    ],
    [
      'a close within the last chunks',
      (socket) => socket.end(`${head}connection: close\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc`),
      'bad-reply',
      'transfer',
    ],
    [
      'an unrequested switch of protocols',
      (socket) => socket.end('HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
      'bad-reply',
      'transfer',
    ],
    ['a reset instead of an answer', (socket) => socket.resetAndDestroy(), 'reset', 'server'],
    [
      'a reset within a body of known length',
      (socket) => resetAfter(socket, `${head}content-length: 9\r\n\r\nabc`),
      'reset',
      'transfer',
    ],
    [
      'a reset within the last body of known length',
      (socket) => resetAfter(socket, `${head}connection: close\r\ncontent-length: 9\r\n\r\nabc`),
      'reset',
      'transfer',
    ],
    ['a reset within a body of unknown length', (socket) => resetAfter(socket, `${head}\r\nabc`), 'reset', 'transfer'],
    [
      'a reset within chunks',
      (socket) => resetAfter(socket, `${head}transfer-encoding: chunked\r\n\r\n9\r\nabc`),
      'reset',
      'transfer',
    ],
  ]

  test.for(cases)('on %s', async ([, answer, reason, phase]) => {
    const port = await answerWith(answer)
    const result = await probe('http', `127.0.0.1:${port}`)
    expect(result).toMatchObject({ ok: false, failure: { reason, phase } })
    expect(result.ok ? '' : result.failure.message).toMatch(/^[^\n]+[^.\n]$/)
  })

  test('as refused if nothing is listening', async () => {
    const port = await desertedTcpPort()
    expect(await probe('http', `127.0.0.1:${port}`)).toMatchObject({
      ok: false,
      failure: { reason: 'refused', phase: 'connect', code: 'ECONNREFUSED' },
    })
  })

  test('in its own phase if the server resets within the request', async () => {
    const port = await answerWith((socket) => socket.pause().resetAndDestroy())
    const result = await probe('http', `127.0.0.1:${port}`, { method: 'POST', sendBytes: 32 << 20 })
    expect(result).toMatchObject({ failure: { reason: 'reset', phase: 'write' } })
    expect(Object.keys(result.phasesNs)).toEqual(['connect'])
  })

  test.for<[what: string, phase: string, answer: (socket: Socket) => void]>([
    ['a silent server', 'server', () => {}],
    ['headers that trickle', 'transfer', (socket) => socket.write(head)],
    ['a body that trickles', 'transfer', (socket) => socket.write(`${head}\r\n`, () => trickleInto(socket))],
  ])('at its deadline on %s', async ([, phase, answer]) => {
    const port = await answerWith(answer)
    const allClosed = await watchHandles()
    const timeoutMs = 100
    const result = await probe('http', `127.0.0.1:${port}`, { timeoutMs })
    expect(result).toMatchObject({ ok: false, failure: { reason: 'timeout', phase } })
    expect(result.totalNs / 1e6 / timeoutMs).toBeGreaterThan(0.9)
    expect(result.totalNs / 1e6 / timeoutMs).toBeLessThan(3)
    await allClosed()
  })
})

test('a failure keeps what was received before it', async () => {
  const port = await answerWith((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabcde'))
  const result = await probe('http', `127.0.0.1:${port}`, { timeoutMs: 200 })
  expect(result).toMatchObject({ failure: { reason: 'timeout', phase: 'transfer' } })
  expect(result.detail).toEqual({ statusCode: 200, bodyBytes: 5 })
})

describe('https', () => {
  itWithTls('rejects an untrusted certificate unless verification is off', async () => {
    const port = await serveTls((_, response) => response.end())
    const result = await probe('http', `https://127.0.0.1:${port}/`)
    expect(result).toMatchObject({ failure: { reason: 'tls', phase: 'tls', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } })
    expect(result.ok ? '' : result.failure.message).toMatchInlineSnapshot(
      `"cannot establish TLS with 127.0.0.1: its certificate is self-signed; name the file of its authority in the option ca"`,
    )
    expect(await probe('http', `https://127.0.0.1:${port}/`, { insecure: true })).toMatchObject({ ok: true })
  })

  itWithTls('accepts only a certificate of a trusted authority for the requested name or address', async () => {
    const names = ['localhost', '127.0.0.1', '[::1]']
    const certificate = selfSigned('DNS:localhost', 'IP:127.0.0.1', 'IP:::1')
    const child = await startTrusting(certificate.cert)
    onTestFinished(() => child.close())
    const port = await serveTls((_, response) => response.end(), certificate, '::')
    for (const name of names) expect(await child.probe('http', `https://${name}:${port}/`)).toMatchObject({ ok: true })

    const other = selfSigned('DNS:other.example')
    const distrusting = await startTrusting(other.cert)
    onTestFinished(() => distrusting.close())
    const otherPort = await serveTls((_, response) => response.end(), other, '::')
    for (const name of names) {
      expect(await distrusting.probe('http', `https://${name}:${otherPort}/`)).toMatchObject({
        failure: { reason: 'tls', phase: 'tls', code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
      })
    }
  })

  itWithTls('sends the requested name to the server', async () => {
    const names: (string | boolean)[] = []
    const port = await serveTls((request, response) => {
      names.push((request.socket as unknown as { servername: string | boolean }).servername)
      response.end()
    })
    await probe('http', `https://localhost:${port}/`, { insecure: true, family: 'ipv4' })
    await probe('http', `https://127.0.0.1:${port}/`, { insecure: true })
    expect(names).toEqual(['localhost', false])
  })

  itWithTls('fails as tls if the server requires a client certificate', async () => {
    const port = await serveTls(() => {}, { requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' })
    expect(await probe('http', `https://127.0.0.1:${port}/`, { insecure: true })).toMatchObject({
      // OpenSSL versions name the protocol of the alert differently.
      failure: { reason: 'tls', phase: 'tls', code: expect.stringMatching(/^ERR_SSL_.*_ALERT_HANDSHAKE_FAILURE$/) },
    })
  })

  itWithTls('fails as tls if the server requires one only after the handshake', async () => {
    const port = await serveByOpenssl('-Verify', '1', '-tls1_3')
    expect(await probe('http', `https://127.0.0.1:${port}/`, { insecure: true })).toMatchObject({
      failure: { reason: 'tls', code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' },
    })
  })

  test('fails as tls if the server does not support TLS', async () => {
    const port = await serve((_, response) => response.end())
    const result = await probe('http', `https://127.0.0.1:${port}/`)
    expect(result).toMatchObject({ failure: { reason: 'tls', phase: 'tls', code: 'ERR_SSL_WRONG_VERSION_NUMBER' } })
    expect(result.ok ? '' : result.failure.message.replace(/:\d+/, '')).toMatchInlineSnapshot(
      `"cannot establish TLS with 127.0.0.1: it answered with bytes that are not TLS; if it serves plain HTTP there, write http instead of https"`,
    )
  })

  test('fails as tls if the server hangs up, and as reset if it resets', async () => {
    const closing = await answerWith((socket) => socket.end())
    expect(await probe('http', `https://127.0.0.1:${closing}/`)).toMatchObject({
      failure: { reason: 'tls', phase: 'tls' },
    })
    const resetting = await answerWith((socket) => socket.resetAndDestroy())
    expect(await probe('http', `https://127.0.0.1:${resetting}/`)).toMatchObject({
      failure: { reason: 'reset', phase: 'tls', code: 'ECONNRESET' },
    })
  })

  test('fails at its deadline if the server stalls the handshake', async () => {
    const port = await listenTcp((socket) => socket.resume())
    const allClosed = await watchHandles()
    expect(await probe('http', `https://127.0.0.1:${port}/`, { timeoutMs: 50 })).toMatchObject({
      failure: { reason: 'timeout', phase: 'tls' },
    })
    await allClosed()
  })
})

test('an abort ends the attempt in any phase', async () => {
  let isAnswering = false
  const port = await answerWith((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc')
    isAnswering = true
  })
  const allClosed = await watchHandles()
  const caller = new AbortController()
  const result = probe('http', `127.0.0.1:${port}`, { signal: caller.signal })
  await eventually(() => isAnswering, 'the answer is under way')
  caller.abort()
  expect(await result).toMatchObject({ ok: false, failure: { reason: 'cancelled' } })
  await allClosed()
})

/** Makes an attempt and blocks the event loop as soon as the request has left, for far longer than a server needs on a loaded machine. */
async function attemptWhileBlocked(options: OptionsOf<'http'>) {
  const port = await serveApart()
  const prober = createProber()
  onTestFinished(() => prober.close())
  const blockedMs = 400
  const probing = prober.probe('http', `127.0.0.1:${port}`, { ...options, method: 'POST', sendBytes: 10 })
  await requestWritten()
  blockFor(blockedMs)
  return { ...(await probing), blockedNs: 1e6 * blockedMs }
}

/** Starts a server in a separate thread, which keeps answering while this event loop is blocked. */
async function serveApart(): Promise<number> {
  const program = `
    const { createServer } = require('node:http')
    const server = createServer((request, response) => {
      request.resume()
      response.write('first')
      setTimeout(() => response.end('last'), 5)
    })
    server.listen(0, '127.0.0.1', () => require('node:worker_threads').parentPort.postMessage(server.address().port))`
  const worker = new Worker(program, { eval: true })
  onTestFinished(async () => void (await worker.terminate()))
  const [port] = await once(worker, 'message')
  return Number(port)
}

/** Resolves when the kernel has accepted the next request, and before the event loop reads the answer. */
async function requestWritten(): Promise<void> {
  await new Promise<void>((resolve) => {
    const started = (message: unknown) => {
      const { request } = message as { readonly request: ClientRequest }
      // Not a request that only warms up.
      if (request.method === 'POST') request.on('finish', resolve)
    }
    subscribe('http.client.request.start', started)
    onTestFinished(() => void unsubscribe('http.client.request.start', started))
  })
}

function expectPhasesToAddUp(result: ResultOf<'http'>): void {
  const times = Object.values(result.phasesNs)
  expect(Math.min(...times)).toBeGreaterThan(0)
  expect(result.totalNs).toBe(times.reduce((sum, ns) => sum + ns, 0))
}

async function serve(listener: RequestListener, host = '127.0.0.1'): Promise<number> {
  return listening(createHttpServer(listener), host)
}

async function serveTls(listener: RequestListener, options: ServerOptions = {}, host = '127.0.0.1'): Promise<number> {
  const certificate = 'cert' in options ? {} : selfSigned('DNS:localhost', 'IP:127.0.0.1')
  return listening(createHttpsServer({ ...certificate, ...options }, listener), host)
}

/** Starts an OpenSSL server, because Node's own does not send this alert. */
async function serveByOpenssl(...options: readonly string[]): Promise<number> {
  const { key, cert } = selfSigned('DNS:localhost')
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  writeFileSync(join(folder, 'server.pem'), key + cert)
  const args = ['s_server', '-accept', '127.0.0.1:0', '-cert', join(folder, 'server.pem'), '-www', ...options]
  const server = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'ignore'] })
  onTestFinished(() => {
    server.kill()
    rmSync(folder, { recursive: true })
  })
  for await (const line of createInterface(server.stdout)) {
    const port = /^ACCEPT .*:(\d+)$/.exec(line)?.[1]
    if (port !== undefined) return Number(port)
  }
  throw new Error('openssl s_server ended before it listened')
}

async function listening(server: ReturnType<typeof createHttpServer>, host: string): Promise<number> {
  server.listen({ host, port: 0 })
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** Starts a server that calls `answer` when the first bytes of a request arrive. */
async function answerWith(answer: (socket: Socket, request: string) => void): Promise<number> {
  return listenTcp((socket) => socket.once('data', (bytes) => answer(socket, bytes.toString('latin1'))))
}

/** Resets once the other side has read the written bytes, because a reset discards what is still in its buffers. */
function resetAfter(socket: Socket, text: string): void {
  socket.write(text)
  setTimeout(() => socket.resetAndDestroy(), 20)
}

function trickleInto(socket: Socket): void {
  if (!socket.destroyed) socket.write('scout ', () => setTimeout(trickleInto, 5, socket))
}
