import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { blockFor } from '../../../../test/support/block.ts'
import { type Child, namespaces, routed, startInNamespace } from '../../../../test/support/child.ts'
import { echoReplyTo } from '../../../../test/support/echo.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { describeWith, nativePart } from '../../../../test/support/requirements.ts'
import { desertedUdpPort, listenUdp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import { formatHostPort } from '../../src/model/target.ts'
import type { Stray } from '../../src/net/packets/exchange.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'

test.for([
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '[::1]'],
] as const)('times a datagram to %s and back', async ([host, written]) => {
  const responder = await respond({ host })
  const result = await probe('udp', `${written}:${responder.port}`)
  expect(result).toMatchObject({ ok: true, endpoint: { address: host }, detail: { payloadBytes: 64 } })
  expect(result.totalNs).toBe(result.phasesNs.echo)
  expect(result.totalNs).toBeGreaterThan(0)
})

test.for([24, 1472, 9000, 65_507])('carries a payload of %i bytes each way', async (payloadBytes) => {
  const responder = await respond()
  expect(await probe('udp', `127.0.0.1:${responder.port}`, { payloadBytes })).toMatchObject({
    ok: true,
    detail: { payloadBytes },
  })
})

test('numbers its datagrams across all endpoints', async () => {
  const { prober } = proberOfTest()
  const [one, two] = [await respond(), await respond()]
  const sequences: number[] = []
  for (const { port } of [one, two, one]) {
    const result = await prober.probe('udp', `127.0.0.1:${port}`)
    sequences.push(result.ok ? result.detail.sequence : Number.NaN)
  }
  const [first = 0] = sequences
  expect(sequences).toEqual([first, (first + 1) >>> 0, (first + 2) >>> 0])
})

describeWith(nativePart)('source ports', () => {
  test('are used in turn by each session, with any number of sessions', async () => {
    const { from, target } = await countPorts()
    const { prober } = proberOfTest()
    const sessions = [prober.openSession(), prober.openSession(), prober.openSession()]
    const ports = sessions.map((): number[] => [])
    for (let round = 0; round < 32; round++) {
      for (const [index, session] of sessions.entries()) {
        await prober.probe('udp', target, { session })
        ports[index]?.push(...from.splice(0))
      }
    }
    for (const walked of ports) {
      expect(new Set(walked).size).toBe(16)
      expect(walked.slice(16)).toEqual(walked.slice(0, 16))
    }
  })

  test('start at random if attempts have no session', async () => {
    const { from, target } = await countPorts()
    const { prober } = proberOfTest()
    for (let sent = 0; sent < 64; sent++) await prober.probe('udp', target)
    expect(new Set(from).size).toBeGreaterThan(8)
  })

  async function countPorts() {
    const from: number[] = []
    const server = await listenUdp((bytes, { port, address }, socket) => {
      from.push(port)
      socket.send(echoReplyTo(bytes), port, address)
    })
    return { from, target: `127.0.0.1:${server.address().port}` }
  }
})

describe('fails as', () => {
  test('refused if nothing is listening, every time', async () => {
    const { prober } = proberOfTest()
    const target = `127.0.0.1:${await desertedUdpPort()}`
    for (let i = 0; i < 3; i++) {
      expect(await prober.probe('udp', target)).toMatchObject({
        ok: false,
        failure: { reason: 'refused', phase: 'echo', code: expect.stringMatching(/^(ECONNREFUSED|ICMP 3\/3)$/) },
      })
    }
  })

  test('timeout if the responder has another key, but not if both have the same', async () => {
    const responder = await respond({ key: 'secret' })
    const target = `127.0.0.1:${responder.port}`
    expect(await probe('udp', target, { key: 'other', timeoutMs: 50 })).toMatchObject({
      failure: { reason: 'timeout' },
    })
    expect(responder.counters).toMatchObject({ answered: 0, rejected: 1 })
    expect(await probe('udp', target, { key: 'secret' })).toMatchObject({ ok: true })
  })

  test('bad-reply if the answer was made with another key', async () => {
    const server = await listenUdp((bytes, from, socket) =>
      socket.send(echoReplyTo(bytes, 'other'), from.port, from.address),
    )
    const result = await probe('udp', `127.0.0.1:${server.address().port}`, { key: 'secret' })
    expect(result).toMatchObject({ failure: { reason: 'bad-reply', phase: 'echo' } })
    expect(result.ok ? '' : result.failure.message.replace(/:\d+/, ':PORT')).toMatchInlineSnapshot(
      `"127.0.0.1:PORT answered with a tag made with a different key: use the same key on both sides"`,
    )
  })

  test('timeout if garbage comes back, which is counted as foreign', async () => {
    const { prober, strays } = proberOfTest()
    const server = await listenUdp((bytes, from, socket) => {
      const reply = echoReplyTo(bytes)
      const otherSession = Buffer.from(reply)
      otherSession[8] = (otherSession[8] ?? 0) ^ 1
      for (const garbage of [Buffer.of(), Buffer.from('hello'), reply.subarray(0, 40), bytes, otherSession])
        socket.send(garbage, from.port, from.address)
    })
    expect(await prober.probe('udp', `127.0.0.1:${server.address().port}`, { timeoutMs: 50 })).toMatchObject({
      failure: { reason: 'timeout' },
    })
    expect(strays.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'foreign'))
  })
})

describeWith('ip', namespaces)('in a separate network, fails as', () => {
  let child: Child
  beforeAll(async () => {
    child = await startInNamespace()
    return () => child.close()
  })

  test.for([
    ['unreachable', 'unreachable', 'EHOSTUNREACH'],
    ['prohibit', 'prohibited', 'EACCES'],
    ['blackhole', 'unreachable', 'EINVAL'],
  ] as const)('the kind of its route: %s is %s', async ([route, reason, code]) => {
    for (const address of routed[route])
      expect(await child.probe('udp', formatHostPort(address, 7))).toMatchObject({
        ok: false,
        failure: { reason, code, phase: 'echo' },
      })
  })
})

describe('an answer', () => {
  test('that arrives twice is counted as a duplicate', async () => {
    const { prober, strays } = proberOfTest()
    const server = await listenUdp((bytes, from, socket) => {
      for (let i = 0; i < 2; i++) socket.send(echoReplyTo(bytes), from.port, from.address)
    })
    expect(await prober.probe('udp', `127.0.0.1:${server.address().port}`)).toMatchObject({ ok: true })
    await eventually(() => strays.length === 1, 'the second answer has come')
    expect(strays).toMatchObject([{ kind: 'duplicate', from: { address: '127.0.0.1' } }])
    expect(strays[0]?.afterNs).toBeGreaterThan(0)
  })

  test('that waits in the socket while the event loop is blocked is not a timeout', async () => {
    const timeoutMs = 500
    const { prober } = proberOfTest()
    // The answer reaches the kernel before the event loop is blocked past the deadline, and is read only afterwards.
    const server = await listenUdp((bytes, from, socket) => {
      socket.send(echoReplyTo(bytes), from.port, from.address, () => blockFor(timeoutMs + 10))
    })
    const result = await prober.probe('udp', `127.0.0.1:${server.address().port}`, { timeoutMs })
    expect(result).toMatchObject({ ok: true })
    // The kernel's timestamps exclude the time the event loop was blocked; our own include it.
    const isInTime = result.totalNs / 1e6 < timeoutMs
    expect(isInTime).toBe(result.clock.rx === 'kernel')
  })
})

async function respond({ host = '127.0.0.1', key = '' } = {}) {
  const responder = await startUdpResponder({ host, port: 0, key })
  onTestFinished(() => responder.close())
  return responder
}

function proberOfTest() {
  const strays: Stray[] = []
  const prober = createProber({ onStray: (_, stray) => strays.push(stray) })
  onTestFinished(() => prober.close())
  return { prober, strays }
}
