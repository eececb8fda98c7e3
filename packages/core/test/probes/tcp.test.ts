import { beforeAll, describe, expect, test } from 'vitest'
import { blockFor } from '../../../../test/support/block.ts'
import {
  type Child,
  namespaces,
  routed,
  routelessAddress,
  silentAddress,
  startInNamespace,
} from '../../../../test/support/child.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { describeWith, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { desertedTcpPort, listenTcp } from '../../../../test/support/servers.ts'
import { probe } from '../../src/attempt/prober.ts'
import { formatHostPort } from '../../src/model/target.ts'

test.for([
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '[::1]'],
] as const)('times a handshake with %s', async ([host, written]) => {
  const port = await listenTcp(() => {}, host)
  const result = await probe('tcp', `${written}:${port}`)
  expect(result).toMatchObject({ ok: true, endpoint: { address: host, port }, detail: { isResetAtOnce: false } })
  expect(result.totalNs).toBe(result.phasesNs.connect)
  expect(result.totalNs).toBeGreaterThan(0)
})

test('reports its source port', async () => {
  const ports: (number | undefined)[] = []
  const port = await listenTcp((socket) => ports.push(socket.remotePort))
  const result = await probe('tcp', `127.0.0.1:${port}`)
  await eventually(() => ports.length === 1, 'the server has accepted')
  expect(result).toMatchObject({ ok: true, detail: { sourcePort: ports[0] } })
})

test('sends no data, and closes the connection', async () => {
  let receivedBytes = 0
  let isEnded = false
  const port = await listenTcp((socket) => {
    socket.on('data', (chunk) => {
      receivedBytes += chunk.length
    })
    socket.on('end', () => {
      isEnded = true
    })
  })
  await probe('tcp', `127.0.0.1:${port}`)
  await eventually(() => isEnded, 'the server sees the end')
  expect(receivedBytes).toBe(0)
})

test('a target that accepts and resets at once is up', async () => {
  const port = await listenTcp((socket) => socket.resetAndDestroy())
  for (let i = 0; i < 20; i++) expect(await probe('tcp', `127.0.0.1:${port}`)).toMatchObject({ ok: true })
})

testWith(nativePart)('a handshake has the time of the kernel even if it is reset at once', async () => {
  const port = await listenTcp((socket) => socket.resetAndDestroy())
  for (let i = 0; i < 20; i++)
    expect(await probe('tcp', `127.0.0.1:${port}`)).toMatchObject({
      clock: { rx: 'tcp-info' },
      detail: { sourcePort: expect.any(Number) },
    })
})

test('a handshake completed while the event loop was blocked past the deadline is not a timeout', async () => {
  const timeoutMs = 40
  const port = await listenTcp(() => {})
  const attempt = probe('tcp', `127.0.0.1:${port}`, { timeoutMs })
  blockFor(2 * timeoutMs)
  expect(await attempt).toMatchObject({ ok: true })
})

describe('fails as', () => {
  test('refused if nothing is listening', async () => {
    const port = await desertedTcpPort()
    const result = await probe('tcp', `127.0.0.1:${port}`)
    expect(result).toMatchObject({
      ok: false,
      phasesNs: {},
      failure: { reason: 'refused', phase: 'connect', code: 'ECONNREFUSED' },
    })
    expect(result.ok ? '' : result.failure.message.replace(`${port}`, 'PORT')).toMatchInlineSnapshot(
      `"tcp probe of 127.0.0.1:PORT: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)"`,
    )
  })
})

describeWith('ip', namespaces)('in a separate network, fails as', () => {
  let child: Child
  beforeAll(async () => {
    child = await startInNamespace()
    return () => child.close()
  })

  test('timeout if nothing comes back', async () => {
    const timeoutMs = 200
    const result = await child.probe('tcp', `${silentAddress}:80`, { timeoutMs })
    expect(result).toMatchObject({ ok: false, failure: { reason: 'timeout', phase: 'connect' } })
    expect(result.totalNs / 1e6 / timeoutMs).toBeGreaterThanOrEqual(1)
    expect(result.totalNs / 1e6 / timeoutMs).toBeLessThan(2)
  })

  testWith(nativePart)('timeout, with the number of retransmitted SYNs', async () => {
    // The kernel first retransmits after one second (RFC 6298 §2).
    const targets = { tcp: `${silentAddress}:80`, http: `http://${silentAddress}/` } as const
    for (const protocol of ['tcp', 'http'] as const) {
      const result = await child.probe(protocol, targets[protocol], { timeoutMs: 1_500 })
      expect(result).toMatchObject({ failure: { reason: 'timeout' }, detail: { synRetransmits: 1 } })
    }
  })

  test.for([
    ['unreachable', 'unreachable', 'EHOSTUNREACH'],
    ['prohibit', 'prohibited', 'EACCES'],
    ['blackhole', 'unreachable', 'EINVAL'],
  ] as const)('the kind of its route: %s is %s', async ([route, reason, code]) => {
    for (const address of routed[route])
      expect(await child.probe('tcp', formatHostPort(address, 80))).toMatchObject({
        ok: false,
        failure: { reason, code, phase: 'connect' },
      })
  })

  test('unreachable if there is no route', async () => {
    expect(await child.probe('tcp', `${routelessAddress}:80`)).toMatchObject({
      failure: { reason: 'unreachable', code: 'ENETUNREACH' },
    })
  })
})

test('leaves nothing open, with any result', async () => {
  const [open, deserted] = [await listenTcp((socket) => socket.end()), await desertedTcpPort()]
  const allClosed = await watchHandles()
  await Promise.all([open, deserted, open, deserted].map((port) => probe('tcp', `127.0.0.1:${port}`)))
  await allClosed()
})
