import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import { namespaces } from '../../../../test/support/child.ts'
import { describeWith, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { createProber, type Prober } from '../../src/attempt/prober.ts'
import type { Protocol } from '../../src/probes/index.ts'
import { createNetwork, type Network, networkNeeds } from '../net/native/network.ts'

const responders = `
  const { startDnsResponder, startHttpResponder, startUdpResponder } = await import(process.argv[1])
  await startHttpResponder({ host: '::', port: 8081, document: () => ({}) })
  await startUdpResponder({ host: '::', port: 8081 })
  await startDnsResponder({ host: '::', port: 5300, addressesOf: () => ['10.0.0.1'] })
  console.log('ready')
`

describeWith(...networkNeeds)('a vantage', () => {
  let network: Network
  let stop = async () => {}
  const home = () => readlinkSync('/proc/thread-self/ns/net')

  beforeAll(async () => {
    assertBuilt('packages/core')
    network = createNetwork()
    const core = new URL('../../dist/index.js', import.meta.url).href
    const command = ['netns', 'exec', network.far.name, process.execPath, '--input-type=module', '-e', responders, core]
    const child = spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    await once(child.stdout, 'data')
    stop = async () => {
      child.kill()
      await exited
    }
  })

  afterAll(async () => {
    await stop()
    network.remove()
  })

  const probersOf: readonly (readonly [string, () => Prober])[] = [
    ['in this thread', () => createProber({ vantages: { near: network.near.path } })],
    ['in a separate thread', () => createProber({ vantages: { near: network.near.path }, worker: true })],
  ]
  for (const [where, makeProber] of probersOf) {
    describe(where, () => {
      test.for([
        ['udp', (host: string) => `${host}:8081`, {}],
        ['tcp', (host: string) => `${host}:8081`, {}],
        ['syn', (host: string) => `${host}:8081`, {}],
        ['http', (host: string) => `http://${host}:8081/`, {}],
        ['icmp', (host: string) => host.replaceAll(/[[\]]/g, ''), {}],
        ['dns', (host: string) => `scout@${host}:5300`, { requireAnswer: false }],
        ['dns', (host: string) => `scout@${host}:5300`, { transport: 'tcp', requireAnswer: false }],
      ] as const)('probes with %s from its network namespace', async ([protocol, targetAt, options]) => {
        const before = home()
        const prober = makeProber()
        onTestFinished(() => prober.close())
        for (const host of [network.far.ipv4, `[${network.far.ipv6}]`]) {
          const target = targetAt(host)
          const probing = prober.probe<Protocol>(protocol, target, { ...options, vantage: 'near', timeoutMs: 3_000 })
          expect(await probing).toMatchObject({ ok: true })
        }
        expect(home()).toBe(before)
      })

      test.for([
        ['icmp', (host: string) => host, {}, 'ok'],
        ['tcp', (host: string) => `[${host}]:9`, {}, 'refused'],
        ['syn', (host: string) => `[${host}]:9`, {}, 'refused'],
        ['udp', (host: string) => `[${host}]:9`, {}, 'refused'],
        ['http', (host: string) => `http://[${host}]:9/`, {}, 'refused'],
        // These connect by sockets of Node.
        ['http', (host: string) => `https://[${host}]:9/`, {}, 'refused'],
        ['dns', (host: string) => `scout@[${host}]:9`, { transport: 'tcp' }, 'refused'],
      ] as const)(
        '%s looks up the interface of a link-local address in it',
        async ([protocol, target, options, expected]) => {
          const prober = makeProber()
          onTestFinished(() => prober.close())
          const own = network.router.run('ip', '-6', '-o', 'address', 'show', 'dev', 'left', 'scope', 'link')
          const [address = ''] = /fe80:[0-9a-f:]+/.exec(own) ?? []
          const result = await prober.probe<Protocol>(protocol, target(`${address}%eth0`), {
            ...options,
            vantage: 'near',
            timeoutMs: 2_000,
          })
          expect(result.ok ? 'ok' : result.failure.reason).toBe(expected)
          const wrong = await prober.probe<Protocol>(protocol, target(`${address}%left`), {
            ...options,
            vantage: 'near',
          })
          expect(wrong).toMatchObject({ failure: { reason: 'local-error', code: 'ENODEV' } })
        },
      )

      test('fails as refused if nothing is listening there', async () => {
        const prober = makeProber()
        onTestFinished(() => prober.close())
        for (const protocol of ['tcp', 'syn', 'udp'] as const) {
          const result = await prober.probe(protocol, `${network.far.ipv4}:9`, { vantage: 'near' })
          expect(result).toMatchObject({ failure: { reason: 'refused' } })
        }
      })
    })
  }

  test('of this process does not reach the target of another', async () => {
    const prober = createProber({ vantages: { near: network.near.path } })
    onTestFinished(() => prober.close())
    const results = [undefined, 'near'].map((vantage) =>
      prober.probe('udp', `${network.far.ipv4}:8081`, { vantage, timeoutMs: 500 }),
    )
    expect((await Promise.all(results)).map(({ ok }) => ok)).toEqual([false, true])
  })

  test('that the prober does not have is misuse', async () => {
    const prober = createProber({ vantages: { near: network.near.path, far: network.far.path } })
    onTestFinished(() => prober.close())
    await expect(prober.probe('tcp', '127.0.0.1:9', { vantage: 'naer' })).rejects.toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        message: 'there is no vantage "naer": choose one of near, far',
      }),
    )
  })

  test('that no longer exists is a failure of this host', async () => {
    const prober = createProber({ vantages: { gone: '/run/netns/scout-gone' } })
    onTestFinished(() => prober.close())
    for (const protocol of ['udp', 'tcp'] as const) {
      const result = await prober.probe(protocol, '127.0.0.1:9', { vantage: 'gone' })
      expect(result).toMatchObject({ failure: { reason: 'local-error', code: 'ENOENT' } })
      expect(result.ok ? '' : result.failure.message).toMatch(
        /^cannot enter the network namespace \/run\/netns\/scout-gone: ENOENT$/,
      )
    }
  })
})

/** Of a user namespace that owns the other network namespace and not its own: entering is permitted, returning is not. */
const oneWay = `
  const { readlinkSync } = await import('node:fs')
  const { spawn } = await import('node:child_process')
  const { createProber } = await import(process.argv[1])
  const home = () => readlinkSync('/proc/thread-self/ns/net')
  const before = home()
  const other = spawn('unshare', ['--net', 'sh', '-c', 'echo there; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => other.stdout.once('data', resolve))
  const prober = createProber({ vantages: { other: '/proc/' + other.pid + '/ns/net' } })
  const result = await prober.probe('udp', '127.0.0.1:9', { vantage: 'other', timeoutMs: 200 })
  console.log(result.ok ? 'ok' : result.failure.reason, home() === before ? 'at home' : 'stranded')
  prober.close()
  other.kill()
`

testWith(
  namespaces,
  nativePart,
  'unshare',
)('a vantage with no way back is not entered', async () => {
  assertBuilt('packages/core')
  const core = new URL('../../dist/index.js', import.meta.url).href
  const command = ['--user', '--map-root-user', process.execPath, '--input-type=module', '-e', oneWay, core]
  const { stdout } = await promisify(execFile)('unshare', command)
  expect(stdout).toBe('not-permitted at home\n')
})
