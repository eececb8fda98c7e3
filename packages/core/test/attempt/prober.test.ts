import { execFile } from 'node:child_process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import { ScoutError } from '../../src/model/errors.ts'
import { probeNamed } from '../../src/probes/index.ts'

describe('misuse', () => {
  const misuses: readonly [protocol: string, target: string, options?: object][] = [
    ['tpc', '127.0.0.1:80'],
    ['bittorrent', '127.0.0.1:80'],
    ['toString', '127.0.0.1:80'],
    ['tcp', '127.0.0.1'],
    ['tcp', '127.0.0.1:70000'],
    ['icmp', '[::g]'],
    ['tcp', '127.0.0.1:80', { timeout: 1 }],
    ['udp', '127.0.0.1:80', { payloadbytes: 100 }],
    ['udp', '127.0.0.1:80', { zzz: 100 }],
    ['tcp', '127.0.0.1:80', { timeoutMs: -1 }],
    ['tcp', '127.0.0.1:80', { timeoutMs: 0 }],
    ['tcp', '127.0.0.1:80', { timeoutMs: Number.NaN }],
    ['tcp', '127.0.0.1:80', { timeoutMs: '1s' }],
    ['tcp', '127.0.0.1:80', { timeoutMs: 700_000 }],
    ['tcp', '127.0.0.1:80', { timeoutMs: 5n }],
    ['tcp', '127.0.0.1:80', { family: 'ipv5' }],
    ['udp', '127.0.0.1:80', { payloadBytes: 23 }],
    ['udp', '127.0.0.1:80', { payloadBytes: 64.5 }],
    ['http', '127.0.0.1:80', { method: 'get' }],
    ['http', '127.0.0.1:80', { status: 'ok' }],
    ['http', '127.0.0.1:80', { headers: { 'bad name': 'x' } }],
    ['http', '127.0.0.1:80', { headers: { name: 'two\r\nlines' } }],
    ['http', '127.0.0.1:80', { headers: { Connection: 'close' } }],
    ['dns', 'example@127.0.0.1', { type: 'MX' }],
    ['dns', 'example@127.0.0.1', { rcode: 'NXDOMIAN' }],
  ]

  test('is rejected before the first packet, with one sentence that names the value and the remedy', async () => {
    const prober = proberOfTest()
    const sentences: string[] = []
    for (const [protocol, target, options] of misuses) {
      const error = await prober.probe(protocol as 'tcp', target, options).then(
        () => new Error(`${protocol} ${target} was not refused`),
        (error: unknown) => error as ScoutError,
      )
      expect(error).toBeInstanceOf(ScoutError)
      expect(error.message).not.toMatch(/\n|\.$|^[A-Z]/)
      sentences.push(error.message)
    }
    expect(`\n${sentences.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      there is no probe "tpc": did you mean tcp?
      there is no probe "bittorrent": choose one of http, tcp, syn, udp, icmp, dns, mtu, trace
      there is no probe "toString": choose one of http, tcp, syn, udp, icmp, dns, mtu, trace
      cannot probe "127.0.0.1": the port is missing: write 127.0.0.1:8081
      cannot probe "127.0.0.1:70000": port 70000 is not between 1 and 65535
      cannot probe "[::g]": "[::g]" is neither an address nor a host name
      the tcp probe has no option "timeout": did you mean timeoutMs?
      the udp probe has no option "payloadbytes": did you mean payloadBytes?
      the udp probe has no option "zzz": choose one of payloadBytes, key, light, dscp, timestamps, flows, volley, keep, plain, send, expect, timeoutMs, family, address
      option timeoutMs of the tcp probe: -1 is out of range: it must be more than 0 and at most 600000
      option timeoutMs of the tcp probe: 0 is out of range: it must be more than 0 and at most 600000
      option timeoutMs of the tcp probe: NaN is not a number: it must be more than 0 and at most 600000
      option timeoutMs of the tcp probe: "1s" is not a number: it must be more than 0 and at most 600000
      option timeoutMs of the tcp probe: 700000 is out of range: it must be more than 0 and at most 600000
      option timeoutMs of the tcp probe: 5n is not a number: it must be more than 0 and at most 600000
      option family of the tcp probe: "ipv5" is not one of any, ipv4, ipv6: did you mean ipv4?
      option payloadBytes of the udp probe: 23 is out of range: it must be at least 56 and at most 65507
      option payloadBytes of the udp probe: 64.5 is not a whole number: it must be at least 56 and at most 65507
      option method of the http probe: "get" is not one of GET, HEAD, POST, PUT, DELETE, OPTIONS: did you mean GET?
      option status of the http probe: "ok" is invalid: write status codes as 200, 200-399 or 200,404
      option headers of the http probe: { 'bad name': '(secret)' } is invalid: use letters, digits and - in names and one line per value; the probe itself sets connection, content-length, expect, keep-alive, transfer-encoding, upgrade
      option headers of the http probe: { name: '(secret)' } is invalid: use letters, digits and - in names and one line per value; the probe itself sets connection, content-length, expect, keep-alive, transfer-encoding, upgrade
      option headers of the http probe: { Connection: '(secret)' } is invalid: use letters, digits and - in names and one line per value; the probe itself sets connection, content-length, expect, keep-alive, transfer-encoding, upgrade
      option type of the dns probe: "MX" is not one of A, AAAA, SRV, PTR, TXT
      option rcode of the dns probe: "NXDOMIAN" is not one of NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE, BADVERS, BADCOOKIE: did you mean NXDOMAIN?
      "
    `)
  })

  test('is to pass a setting that cannot reach another thread', () => {
    expect(() => createProber({ worker: true, resolve: () => Promise.reject(new Error('never asked')) })).toThrow(
      'cannot pass resolve to another thread: pass it to serveProber in that thread',
    )
  })

  test('is identified by its code', () => {
    expect(() => probeNamed('tpc')).toThrow(expect.objectContaining({ name: 'ScoutError', code: 'unknown-probe' }))
  })
})

describe('a session', () => {
  test('is misuse if it is closed, or belongs to a closed or another prober', async () => {
    const [prober, other] = [proberOfTest(), proberOfTest()]
    const session = prober.openSession()
    await expect(other.probe('tcp', '127.0.0.1:9', { session })).rejects.toThrow(
      'this session is closed or belongs to another prober: open a new one with openSession()',
    )
    session.close()
    await expect(prober.probe('tcp', '127.0.0.1:9', { session })).rejects.toThrow(
      expect.objectContaining({ name: 'ScoutError', code: 'closed' }),
    )
    prober.close()
    expect(() => prober.openSession()).toThrow('this prober is closed: create a new one')
  })
})

describe('a closed prober', () => {
  test('rejects further attempts', async () => {
    const prober = createProber()
    prober.close()
    await expect(prober.probe('tcp', '127.0.0.1:80')).rejects.toThrow(
      expect.objectContaining({ code: 'closed', message: 'this prober is closed: create a new one' }),
    )
  })

  test.for<[protocol: 'http' | 'udp' | 'dns', targetOf: (port: number) => string]>([
    ['http', (port) => `127.0.0.1:${port}`],
    ['udp', (port) => `127.0.0.1:${port}`],
    ['dns', (port) => `scout@127.0.0.1:${port}`],
  ])('cancels attempts in progress: %s', async ([protocol, targetOf]) => {
    let asked = 0
    const onAsked = () => void asked++
    const port =
      protocol === 'http'
        ? await listenTcp((socket) => socket.on('data', onAsked))
        : (await listenUdp(onAsked)).address().port
    const allClosed = await watchHandles()
    const prober = createProber()
    const result = prober.probe(protocol, targetOf(port))
    await eventually(() => asked > 0, 'the server was asked')
    prober.close()
    expect(await result).toMatchObject({ ok: false, failure: { reason: 'cancelled' } })
    await allClosed()
  })

  test('opens no socket for an attempt that was still resolving its name', async () => {
    let resolved = () => {}
    const prober = createProber({
      resolve: () =>
        new Promise((resolve) => {
          resolved = () => resolve([{ address: '127.0.0.1', family: 'ipv4' }])
        }),
    })
    const allClosed = await watchHandles()
    const result = prober.probe('udp', 'scout.example:7')
    prober.close()
    resolved()
    expect(await result).toMatchObject({ ok: false, failure: { reason: 'cancelled', phase: 'resolve' } })
    await allClosed()
  })
})

test('a process that closes its probers at once after their attempts began ends', async () => {
  assertBuilt('packages/core')
  // The first source port is random, and one of sixteen is open in any case.
  const program = `
    const { createProber } = await import(process.argv[1])
    for (let round = 0; round < 8; round++) {
      const prober = createProber()
      prober.probe('udp', '127.0.0.1:9').then(({ failure }) => console.log(failure.reason))
      prober.close()
    }`
  const core = new URL('../../dist/index.js', import.meta.url).href
  const command = ['--input-type=module', '--eval', program, core]
  const { stdout } = await promisify(execFile)(process.execPath, command, { timeout: 15_000 })
  expect(stdout).toBe('cancelled\n'.repeat(8))
})

test('many attempts may share one signal', async () => {
  const warnings: string[] = []
  const onWarning = (warning: Error) => warnings.push(warning.message)
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  const silent = await listenUdp(() => {})
  const prober = proberOfTest()
  const caller = new AbortController()
  const attempts = Array.from({ length: 50 }, () =>
    prober.probe('udp', `127.0.0.1:${silent.address().port}`, { signal: caller.signal }),
  )
  caller.abort()
  for (const result of await Promise.all(attempts)) expect(result).toMatchObject({ failure: { reason: 'cancelled' } })
  await nextTurn()
  expect(warnings).toEqual([])
})

test('resolves names with the given function', async () => {
  const port = await listenTcp(() => {})
  const prober = createProber({ resolve: async () => [{ address: '127.0.0.1', family: 'ipv4' }] })
  onTestFinished(() => prober.close())
  expect(await prober.probe('tcp', `scout.example:${port}`)).toMatchObject({
    ok: true,
    endpoint: { host: 'scout.example', address: '127.0.0.1', port },
  })
})

test('queries the given name server if the target has none', async () => {
  const silent = await listenUdp(() => {})
  const prober = createProber({ nameServer: `127.0.0.1:${silent.address().port}` })
  onTestFinished(() => prober.close())
  expect(await prober.probe('dns', 'scout.example', { timeoutMs: 10 })).toMatchObject({
    target: `scout.example@127.0.0.1:${silent.address().port}`,
    endpoint: { address: '127.0.0.1' },
    failure: { reason: 'timeout' },
  })
})

test('a single attempt leaves nothing open', async () => {
  const port = await listenTcp((socket) => socket.end())
  const allClosed = await watchHandles()
  expect(
    await probe('tcp', `127.0.0.1:${port}`, { timeoutMs: 1000, signal: new AbortController().signal }),
  ).toMatchObject({
    ok: true,
  })
  await allClosed()
})

function proberOfTest() {
  const prober = createProber()
  onTestFinished(() => prober.close())
  return prober
}
