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
import { selfSigned } from '../../../../test/support/certificate.ts'
import { startWithSystemStore, systemStores } from '../../../../test/support/child.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { probe } from '../../src/attempt/prober.ts'

const test = testWith('openssl')

describe('the name that TLS asks for', () => {
  test('is that of the URL without its final dot, which TLS does not have', async () => {
    const { port, names } = await serve()
    await probe('http', `https://127.0.0.1:${port}/`, { insecure: true, serverName: 'scout.test.' })
    expect(names).toEqual(['scout.test'])
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

test('the certificate has its days left in the detail, even if it is not verified', async () => {
  const { port } = await serve()
  for (const options of [{ insecure: true }, { insecure: true, status: '404' }]) {
    // Made for two days, of which the first has begun.
    expect(await probe('http', `https://127.0.0.1:${port}/`, options)).toMatchObject({
      detail: { statusCode: 200, certificateDaysLeft: 1 },
    })
  }
})

test('a server that sends session tickets without end is a bad reply', async () => {
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
    expect(await probe('http', `https://127.0.0.1:${port}/`, { insecure: true })).toMatchObject({
      failure: { reason: 'bad-reply', message: expect.stringContaining('more than 32 TLS session tickets') },
    })
  }
})

async function serve(options: ServerOptions = selfSigned('IP:127.0.0.1')) {
  const names: unknown[] = []
  let connections = 0
  const server = createServer(options, (request, response) => {
    names.push((request.socket as TLSSocket & { readonly servername?: unknown }).servername)
    response.end('hello')
  })
  server.on('connection', () => connections++)
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
