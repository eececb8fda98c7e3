import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import {
  type Child,
  canDropRawSockets,
  linkLocalAddress,
  namespaces,
  routed,
  silentAddress,
  startInNamespace,
  startUnprivileged,
} from '../../../../test/support/child.ts'
import { capability, describeWith, testWith, withoutNativePart } from '../../../../test/support/requirements.ts'
import { listenTcp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'

const itPrivileged = testWith(capability('CAP_NET_RAW'))

itPrivileged.for([
  ['127.0.0.1', '127.0.0.1', 'ipv4'],
  ['::1', '::1', 'ipv6'],
  ['0:0::1', '::1', 'ipv6'],
] as const)('times an echo of %s', async ([target, address, family]) => {
  const result = await probe('icmp', target)
  expect(result).toMatchObject({ ok: true, endpoint: { address, family }, detail: { payloadBytes: 56 } })
  expect(result.totalNs).toBe(result.phasesNs.echo)
  expect(result.totalNs).toBeGreaterThan(0)
})

itPrivileged('reports the TTL of an IPv4 reply', async () => {
  expect(await probe('icmp', '127.0.0.1')).toMatchObject({ ok: true, detail: { ttl: 64 } })
})

itPrivileged.for([12, 1472, 65_507])('carries a payload of %i bytes', async (payloadBytes) => {
  expect(await probe('icmp', '127.0.0.1', { payloadBytes })).toMatchObject({ ok: true, detail: { payloadBytes } })
})

itPrivileged('does not mix up replies, although all attempts share one socket', async () => {
  const strays: string[] = []
  const [prober, other] = [1, 2].map(() => createProber({ onStray: (_, { kind }) => strays.push(kind) }))
  onTestFinished(() => {
    prober?.close()
    other?.close()
  })
  const results = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const chosen = index % 2 === 0 ? prober : other
      return chosen?.probe('icmp', `127.0.0.${1 + (index % 10)}`)
    }),
  )
  expect(results.filter((result) => result?.ok !== true)).toEqual([])
  expect(strays).toEqual([])
})

testWith(canDropRawSockets)('fails as not-permitted without CAP_NET_RAW, and names what to add', async () => {
  const child = await startUnprivileged()
  onTestFinished(() => child.close())
  const result = await child.probe('icmp', '127.0.0.1')
  expect(result).toMatchObject({ ok: false, failure: { reason: 'not-permitted', phase: 'setup' } })
  expect(result.ok ? '' : result.failure.message).toContain(
    'this process lacks CAP_NET_RAW (in a pod: securityContext.capabilities.add: ["NET_RAW"]; on a host: run as root)',
  )
  // Other probes are not affected.
  expect(await child.probe('tcp', `127.0.0.1:${await listenTcp(() => {})}`)).toMatchObject({ ok: true })
})

testWith(withoutNativePart)('fails as not-supported in a worker thread, where raw-socket would crash', async () => {
  assertBuilt('packages/core')
  const library = new URL('../../dist/index.js', import.meta.url).href
  const worker = new Worker(
    `import('${library}')
       .then(({ probe }) => probe('icmp', '127.0.0.1'))
       .then((result) => require('node:worker_threads').parentPort.postMessage(result))`,
    { eval: true },
  )
  onTestFinished(async () => void (await worker.terminate()))
  const [result] = await once(worker, 'message')
  expect(result).toMatchObject({ ok: false, failure: { reason: 'not-supported', phase: 'setup' } })
})

describeWith('ip', namespaces)('in a separate network', () => {
  let child: Child
  beforeAll(async () => {
    child = await startInNamespace()
    return () => child.close()
  })

  test('reaches a link-local address with a zone', async () => {
    expect(await child.probe('icmp', linkLocalAddress)).toMatchObject({
      ok: true,
      endpoint: { address: linkLocalAddress },
    })
  })

  test('fails as timeout if nothing comes back', async () => {
    const timeoutMs = 100
    const result = await child.probe('icmp', silentAddress, { timeoutMs })
    expect(result).toMatchObject({ failure: { reason: 'timeout', phase: 'echo' } })
    expect(result.totalNs / 1e6 / timeoutMs).toBeLessThan(2)
  })

  test.for([
    ['unreachable', 'unreachable', 'EHOSTUNREACH'],
    ['prohibit', 'prohibited', 'EACCES'],
    ['blackhole', 'unreachable', 'EINVAL'],
  ] as const)('fails by the kind of its route: %s is %s', async ([route, reason, code]) => {
    for (const address of routed[route])
      expect(await child.probe('icmp', address)).toMatchObject({ ok: false, failure: { reason, code } })
  })
})

test('rejects a payload larger than a packet can carry', async () => {
  await expect(probe('icmp', '127.0.0.1', { payloadBytes: 65_508 })).rejects.toThrow('65507')
})
