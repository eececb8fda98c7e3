import { execFileSync } from 'node:child_process'
import type { Socket } from 'node:net'
import { beforeAll, describe, expect, test } from 'vitest'
import { blockFor } from '../../../../test/support/block.ts'
import { assertBuilt } from '../../../../test/support/built.ts'
import {
  type Child,
  namespaces,
  routed,
  routelessAddress,
  silentAddress,
  startInNamespace,
  unshare,
} from '../../../../test/support/child.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { describeWith, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { desertedTcpPort, listenTcp } from '../../../../test/support/servers.ts'
import { probe } from '../../src/attempt/prober.ts'
import { formatHostPort } from '../../src/model/target.ts'
import type { ResultOf } from '../../src/probes/index.ts'

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

describe('a service', () => {
  const greeting = (text: string) => listenTcp((socket) => socket.write(text))
  const echo = () => listenTcp((socket) => socket.on('data', (bytes) => socket.write(bytes)))

  test('that speaks first is compared with what is expected', async () => {
    const port = await greeting('220 mail.test ESMTP\r\n')
    for (const expected of ['ESMTP', '/^220 .*smtp/i', 'hex:0d0a']) {
      const result = await probe('tcp', `127.0.0.1:${port}`, { expect: expected })
      expect(result).toMatchObject({ ok: true, detail: { answerBytes: 21, isResetAtOnce: false } })
      expect(Object.keys(result.phasesNs)).toEqual(['connect', 'answer'])
    }
  })

  test('that answers is compared with what is expected, over as many segments as it takes', async () => {
    const port = await listenTcp((socket) => {
      socket.setNoDelay().once('data', (bytes) => {
        socket.write(bytes.subarray(0, 3), () => setTimeout(() => socket.write('PONG\r\n'), 20))
      })
    })
    const result = await probe('tcp', `127.0.0.1:${port}`, { send: 'abcdef', expect: 'abcPONG' })
    expect(result).toMatchObject({ ok: true, detail: { answerBytes: expect.any(Number) } })
    expect((result.phasesNs.answer ?? 0) / 20e6).toBeGreaterThan(0.9)
    expect(result.totalNs).toBe(Object.values(result.phasesNs).reduce((sum, ns) => sum + ns, 0))
  })

  test('receives the bytes that are written, and any answer will do if none is expected', async () => {
    const received: Buffer[] = []
    const port = await listenTcp((socket) =>
      socket.on('data', (bytes) => {
        received.push(bytes)
        socket.write('x')
      }),
    )
    expect(await probe('tcp', `127.0.0.1:${port}`, { send: String.raw`a\r\n\x00\xff` })).toMatchObject({ ok: true })
    expect(Buffer.concat(received)).toEqual(Buffer.from([0x61, 13, 10, 0, 0xff]))
  })

  testWith(nativePart)('is timed by the kernel from the last byte sent to the answer', async () => {
    const port = await echo()
    expect(await probe('tcp', `127.0.0.1:${port}`, { send: 'x' })).toMatchObject({
      ok: true,
      clock: { tx: 'tcp-info', rx: 'tcp-info' },
    })
  })

  test.for<[what: string, answer: string, message: string]>([
    ['closes before its answer', '', 'closed the connection without PONG after 0 bytes'],
    ['closes after another answer', '-ERR\r\n', String.raw`without PONG after 6 bytes, which began with "-ERR\r\n"`],
  ])('that %s is a bad reply', async ([, answer, message]) => {
    const port = await listenTcp((socket) => socket.end(answer))
    expect(await probe('tcp', `127.0.0.1:${port}`, { expect: 'PONG' })).toMatchObject({
      failure: { reason: 'bad-reply', phase: 'answer', message: expect.stringContaining(message) },
    })
  })

  test('that answers otherwise, and keeps the connection, is a timeout that quotes it', async () => {
    const port = await greeting('-ERR\r\n')
    expect(await probe('tcp', `127.0.0.1:${port}`, { expect: 'PONG', timeoutMs: 200 })).toMatchObject({
      failure: {
        reason: 'timeout',
        phase: 'answer',
        message: String.raw`no answer within 200 ms that contains PONG, only 6 bytes, which began with "-ERR\r\n"`,
      },
    })
  })

  test('that never stops answering is a bad reply, soon', async () => {
    const pour = (socket: Socket) => {
      while (!socket.destroyed && socket.write('x'.repeat(10_000)));
      socket.once('drain', () => pour(socket))
    }
    const port = await listenTcp(pour)
    const allClosed = await watchHandles()
    const result = await probe('tcp', `127.0.0.1:${port}`, { expect: '/y$/', timeoutMs: 10_000 })
    expect(result).toMatchObject({ failure: { reason: 'bad-reply', phase: 'answer' } })
    expect(result.totalNs / 10_000e6).toBeLessThan(0.5)
    await allClosed()
  })

  test('that says nothing is a timeout of its answer, and one that resets is a reset', async () => {
    const silent = await listenTcp(() => {})
    expect(await probe('tcp', `127.0.0.1:${silent}`, { send: 'x', timeoutMs: 50 })).toMatchObject({
      failure: { reason: 'timeout', phase: 'answer' },
    })
    const resetting = await listenTcp((socket) => socket.once('data', () => socket.resetAndDestroy()))
    expect(await probe('tcp', `127.0.0.1:${resetting}`, { send: 'x' })).toMatchObject({
      failure: { reason: 'reset', phase: 'answer' },
    })
  })
})

describeWith('ip', namespaces)('a port without a listener', () => {
  test('is refused even if the kernel connects the probe to itself', () => {
    // Of two ports, Linux prefers the even one for connections (net/ipv4/inet_hashtables.c), so that some go to where they come from.
    const program = `
      const { createProber } = await import(process.argv[1])
      const prober = createProber()
      const results = []
      for (let i = 0; i < 40; i++)
        for (const protocol of ['tcp', 'http']) results.push(await prober.probe(protocol, '127.0.0.1:41000'))
      prober.close()
      console.log(JSON.stringify(results))`
    const setup = 'ip link set lo up && sysctl -qw net.ipv4.ip_local_port_range="41000 41001" && exec "$@"'
    const node = [process.execPath, '--input-type=module', '-e', program, builtCore()]
    const output = execFileSync(unshare[0], [...unshare.slice(1), 'sh', '-c', setup, 'sh', ...node], {
      encoding: 'utf8',
    })
    const results = JSON.parse(output) as readonly ResultOf<'tcp' | 'http'>[]
    for (const result of results) expect(result).toMatchObject({ ok: false, failure: { reason: 'refused' } })
    const messages = results.map((result) => (result.ok ? '' : result.failure.message))
    expect(messages.some((message) => message.includes('the connection reached itself'))).toBe(true)
  })
})

describeWith('ip', namespaces)('what this host lacks is no failure of the path', () => {
  test.for([
    ['descriptors', 'prlimit --nofile=60 --pid', 'EMFILE'],
    ['ports', 'sysctl -qw net.ipv4.ip_local_port_range="41000 41009" # for', 'EADDRNOTAVAIL'],
  ] as const)('if it has no more %s', ([, limit, code]) => {
    const program = `
      const { createServer, connect } = await import('node:net')
      const { createProber, outcomeOf } = await import(process.argv[1])
      const server = createServer((socket) => socket.on('error', () => {}))
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      const target = '127.0.0.1:' + server.address().port
      const prober = createProber()
      for (const protocol of ['tcp', 'http']) await prober.probe(protocol, target, { timeoutMs: 50 })
      // Later, because Node needs descriptors to load its modules.
      ;(await import('node:child_process')).execSync(process.argv[2] + ' ' + process.pid)
      // Takes all that there is.
      let failed = false
      const taken = []
      while (!failed && taken.length < 200)
        await new Promise((resolve) => {
          const socket = connect(server.address().port, '127.0.0.1', resolve)
          socket.on('error', () => { failed = true; resolve() })
          taken.push(socket)
        })
      const results = []
      for (const protocol of ['tcp', 'http']) results.push(await prober.probe(protocol, target))
      console.log(JSON.stringify(results.map((result) => ({ outcome: outcomeOf(result), ...result.failure }))))
      process.exit()`
    const node = [process.execPath, '--input-type=module', '-e', program, builtCore(), limit]
    const setup = 'ip link set lo up && exec "$@"'
    const output = execFileSync(unshare[0], [...unshare.slice(1), 'sh', '-c', setup, 'sh', ...node], {
      encoding: 'utf8',
    })
    const results = JSON.parse(output) as readonly object[]
    expect(results).toHaveLength(2)
    for (const result of results) {
      expect(result).toMatchObject({ code, message: expect.stringContaining('this ') })
      expect(result).not.toMatchObject({ outcome: 'failure' })
      expect(result).not.toMatchObject({ outcome: 'success' })
    }
  })
})

test('leaves nothing open, with any result', async () => {
  const [open, deserted] = [await listenTcp((socket) => socket.end()), await desertedTcpPort()]
  const allClosed = await watchHandles()
  await Promise.all([open, deserted, open, deserted].map((port) => probe('tcp', `127.0.0.1:${port}`)))
  await allClosed()
})

/** Returns the built package, for another process. */
function builtCore(): string {
  assertBuilt('packages/core')
  return new URL('../../dist/index.js', import.meta.url).href
}
