import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TLSSocket } from 'node:tls'
import { describe, expect, onTestFinished } from 'vitest'
import { selfSigned, selfSignedFor } from '../../../../test/support/certificate.ts'
import { startWithSystemStore, systemStores } from '../../../../test/support/child.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { listenTcp } from '../../../../test/support/servers.ts'
import { probe } from '../../src/attempt/prober.ts'
import type { OptionsOf } from '../../src/probes/index.ts'

const test = testWith('openssl')

describe('the name that TLS asks for', () => {
  test('is that of the URL without its final dot, which TLS does not have', async () => {
    const { port, names } = await serve()
    await probe('http', `https://127.0.0.1:${port}/`, { insecure: true, serverName: 'scout.test.' })
    expect(names).toEqual(['scout.test'])
  })

  test('is the host of a URL without its final dot, also for the certificate', async () => {
    const certificate = selfSigned('DNS:localhost')
    const { port, names } = await serve(certificate)
    const options = { ca: fileOf(certificate.cert), family: 'ipv4' } as const
    expect(await probe('http', `https://localhost.:${port}/`, options)).toMatchObject({ ok: true })
    expect(names).toEqual(['localhost'])
  })

  test('is the one that serverName names, which the certificate has to match', async () => {
    const certificate = selfSigned('DNS:scout.test')
    const { port, names } = await serve(certificate)
    const ca = fileOf(certificate.cert)
    const url = `https://127.0.0.1:${port}/`
    expect(await probe('http', url, { ca, serverName: 'scout.test' })).toMatchObject({ ok: true })
    expect(await probe('http', url, { ca, serverName: 'scout.test.' })).toMatchObject({ ok: true })
    expect(names).toEqual(['scout.test', 'scout.test'])
    for (const options of [{ ca }, { ca, serverName: 'other.test' }]) {
      expect(await probe('http', url, options)).toMatchObject({
        failure: { reason: 'tls', code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
      })
    }
  })
})

describe('the authorities of ca', () => {
  test('are trusted instead of all others, and read again when they are replaced', async () => {
    const [one, other] = [selfSigned('IP:127.0.0.1'), selfSigned('IP:127.0.0.1')]
    const { port } = await serve(one)
    const ca = fileOf(one.cert)
    const attempt = () => probe('http', `https://127.0.0.1:${port}/`, { ca })
    expect(await attempt()).toMatchObject({ ok: true })
    expect(await attempt()).toMatchObject({ ok: true })
    writeFileSync(ca, `${other.cert}${other.cert}`)
    expect(await attempt()).toMatchObject({ failure: { reason: 'tls', phase: 'tls' } })
    writeFileSync(ca, other.cert + one.cert)
    expect(await attempt()).toMatchObject({ ok: true })
  })

  test('are what a failure asks for, if the authority is unknown', async () => {
    const { port } = await serve()
    expect(await probe('http', `https://127.0.0.1:${port}/`)).toMatchObject({
      failure: { reason: 'tls', message: expect.stringContaining('name the file of its authority in the option ca') },
    })
  })

  test('that cannot be read are not supported, and nothing is sent', async () => {
    const { port, connections } = await serve()
    const cases = [
      ['/nonexistent/ca.pem', 'ENOENT'],
      [fileOf('no certificate'), 'it contains no certificate in PEM'],
      [tmpdir(), 'EISDIR'],
    ] as const
    for (const [ca, why] of cases) {
      expect(await probe('http', `https://127.0.0.1:${port}/`, { ca })).toMatchObject({
        failure: { reason: 'not-supported', phase: 'setup', message: expect.stringContaining(why) },
        phasesNs: {},
      })
    }
    expect(connections()).toBe(0)
  })

  testWith('openssl', systemStores)('may be those of this host', async () => {
    const certificate = selfSigned('IP:127.0.0.1')
    const { port } = await serve(certificate)
    const child = await startWithSystemStore(certificate.cert)
    onTestFinished(() => child.close())
    const url = `https://127.0.0.1:${port}/`
    expect(await child.probe('http', url, { ca: 'system' })).toMatchObject({ ok: true })
    expect(await probe('http', url, { ca: 'system' })).toMatchObject({ failure: { reason: 'tls' } })
  })
})

test('a failed handshake says what is wrong and what to do', { timeout: 60_000 }, async () => {
  const sound = selfSigned('IP:127.0.0.1')
  const [old, early] = [selfSignedFor('IP:127.0.0.1', 2020, 2021), selfSignedFor('IP:127.0.0.1', 2090, 2091)]
  const many = selfSigned(...Array.from({ length: 6 }, (_, index) => `DNS:${index}.test`))
  const trusting = ({ cert }: { readonly cert: string }) => ({ ca: fileOf(cert) })
  const insecure = { insecure: true }
  const answering = (text: string) => listenTcp((socket) => void socket.once('data', () => socket.end(text)))
  const cases: readonly (readonly [port: number, options: OptionsOf<'http'>])[] = [
    [(await serve(sound)).port, {}],
    [(await serve(old)).port, trusting(old)],
    [(await serve(early)).port, trusting(early)],
    [(await serve(sound)).port, { ...trusting(sound), serverName: 'scout.test' }],
    [(await serve(many)).port, { ...trusting(many), serverName: 'scout.test' }],
    [await answering('HTTP/1.1 400 Bad Request\r\n\r\n'), {}],
    [await answering(''), {}],
    [
      (await serve({ ...sound, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' })).port,
      insecure,
    ],
    [(await serve({ ...sound, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA' })).port, insecure],
    [(await serve({ ...sound, requestCert: true, rejectUnauthorized: true })).port, insecure],
    [(await serve({ ...sound, ALPNProtocols: ['h2'] })).port, insecure],
  ]
  const sentences: string[] = []
  for (const [port, options] of cases) {
    const result = await probe('http', `https://127.0.0.1:${port}/`, options)
    expect(result).toMatchObject({ failure: { reason: 'tls' } })
    sentences.push(result.ok ? '' : result.failure.message)
  }
  expect(`\n${sentences.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    cannot establish TLS with 127.0.0.1: its certificate is self-signed; name the file of its authority in the option ca
    cannot establish TLS with 127.0.0.1: its certificate has expired; renew it, or check the clock of this host
    cannot establish TLS with 127.0.0.1: its certificate is not valid yet; check the clocks of this host and of its authority
    cannot establish TLS with scout.test: its certificate is only for IP Address:127.0.0.1; probe another name, or set the option serverName
    cannot establish TLS with scout.test: its certificate is only for DNS:0.test, DNS:1.test, DNS:2.test, DNS:3.test and 2 more; probe another name, or set the option serverName
    cannot establish TLS with 127.0.0.1: it answered with bytes that are not TLS; if it serves plain HTTP there, write http instead of https
    cannot establish TLS with 127.0.0.1: it closed the connection during the handshake; check whether it expects TLS there
    cannot establish TLS with 127.0.0.1: it supports neither TLS 1.2 nor TLS 1.3; enable one of them there
    cannot establish TLS with 127.0.0.1: it has no cipher in common with this probe, or requires a client certificate, which this probe does not send
    cannot establish TLS with 127.0.0.1: it requires a client certificate, which this probe does not send
    cannot establish TLS with 127.0.0.1: it does not support HTTP/1.1 there (ALPN); this probe speaks no other
    "
  `)
})

test('the certificate has its days left in the detail, even if it is not verified', async () => {
  const { port } = await serve()
  for (const options of [{ insecure: true }, { insecure: true, status: '404' }]) {
    // Made for two days, of which the first has begun.
    expect(await probe('http', `https://127.0.0.1:${port}/`, options)).toMatchObject({
      detail: { statusCode: 200, certificateDaysLeft: 1 },
    })
  }
})

test('a server that sends session tickets without end is a bad reply, even if all arrive together with its answer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  const { key, cert } = selfSigned('IP:127.0.0.1')
  writeFileSync(join(folder, 'server.pem'), key + cert)
  const args = [
    's_server',
    '-accept',
    '127.0.0.1:0',
    '-cert',
    join(folder, 'server.pem'),
    '-www',
    '-num_tickets',
    '200',
  ]
  const server = spawn('openssl', args, { stdio: ['pipe', 'pipe', 'ignore'] })
  onTestFinished(() => {
    server.kill()
    rmSync(folder, { recursive: true })
  })
  let port = 0
  for await (const line of createInterface(server.stdout)) {
    port = Number(/^ACCEPT .*:(\d+)$/.exec(line)?.[1] ?? 0)
    if (port > 0) break
  }
  for (let i = 0; i < 5; i++) {
    const result = probe('http', `https://127.0.0.1:${port}/`, { insecure: true, timeoutMs: 10_000 })
    // A busy thread reads late.
    const busy = setInterval(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30 * i), 1)
    const failure = { reason: 'bad-reply', message: expect.stringContaining('more than 32 TLS session tickets') }
    expect(await result).toMatchObject({ failure })
    clearInterval(busy)
  }
})

async function serve(options: ServerOptions = selfSigned('IP:127.0.0.1')) {
  const names: unknown[] = []
  let connections = 0
  const server = createServer(options, (request, response) => {
    names.push((request.socket as TLSSocket & { readonly servername?: unknown }).servername)
    response.end('hello')
  })
  server.on('connection', () => connections++).on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: (server.address() as AddressInfo).port, names, connections: () => connections }
}

function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'ca.pem')
  writeFileSync(path, text)
  return path
}
