import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { runAlone } from '../../../../test/support/alone.ts'
import { blockFor } from '../../../../test/support/block.ts'
import { type Child, namespaces, routed, startInNamespace } from '../../../../test/support/child.ts'
import { echoReplyTo } from '../../../../test/support/echo.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { describeWith, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { desertedUdpPort, listenUdp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import type { TaskResult } from '../../src/attempt/task.ts'
import { formatHostPort } from '../../src/model/target.ts'
import type { Stray } from '../../src/net/packets/exchange.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'
import { encodeEchoDatagram } from '../../src/wire/echo-datagram.ts'

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
    sequences.push((result.ok ? result.detail.sequence : undefined) ?? Number.NaN)
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

  test('bad-reply at its deadline if nothing came but an answer made with another key', async () => {
    const server = await listenUdp((bytes, from, socket) =>
      socket.send(echoReplyTo(bytes, 'other'), from.port, from.address),
    )
    const result = await probe('udp', `127.0.0.1:${server.address().port}`, { key: 'secret', timeoutMs: 100 })
    expect(result.totalNs / 100e6).toBeGreaterThanOrEqual(1)
    expect(result).toMatchObject({ failure: { reason: 'bad-reply', phase: 'echo' } })
    expect(result.ok ? '' : result.failure.message.replace(/:\d+/, ':PORT')).toMatchInlineSnapshot(
      `"127.0.0.1:PORT answered with a tag made with a different key: use the same key on both sides"`,
    )
  })

  test('timeout if replies to other questions come back, which are counted as foreign', async () => {
    const { prober, strays } = proberOfTest()
    const server = await answer((reply) => Array.from({ length: 5 }, (_, bit) => withByte(reply, 8 + bit, 1 << bit)))
    expect(await prober.probe('udp', server, { timeoutMs: 100 })).toMatchObject({ failure: { reason: 'timeout' } })
    expect(strays.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'foreign'))
  })

  test('bad-reply at its deadline if another service answers, and says so', async () => {
    const { prober, strays } = proberOfTest()
    const server = await answer((reply, request) => [Buffer.of(), Buffer.from('hello'), request, reply.subarray(1)])
    const result = await prober.probe('udp', server, { timeoutMs: 100 })
    expect(result).toMatchObject({ failure: { reason: 'bad-reply' } })
    expect(result.ok ? '' : result.failure.message.replace(/:\d+/, ':PORT')).toMatchInlineSnapshot(
      `"127.0.0.1:PORT answered, but not as a responder of Scout: another service is listening there, which needs the options send and expect"`,
    )
    expect(strays.map(({ kind }) => kind)).toEqual(Array.from({ length: 4 }, () => 'foreign'))
    // The next attempt is not about it.
    expect(await prober.probe('udp', `127.0.0.1:${(await respond()).port}`)).toMatchObject({ ok: true })
  })

  test.for<[what: string, sent: (reply: Buffer) => Buffer, message: RegExp]>([
    [
      'cut off',
      (reply) => reply.subarray(0, 200),
      /answered with 200 bytes instead of the 1400 it was sent: .* cuts off answers$/,
    ],
    ['cut off within its tag', (reply) => reply.subarray(0, 20), /answered without the bytes it was sent/],
    ['short, with a right length and tag', (reply) => shortReplyTo(reply), /answered with 24 bytes instead of/],
    [
      'extended',
      (reply) => Buffer.concat([reply, Buffer.of(0)]),
      /answered with 1401 bytes instead of .* extends answers$/,
    ],
    ['altered in its last byte', (reply) => withByte(reply, 1399, 1), /answered with other bytes than it was sent/],
    ['inverted behind its tag', (reply) => invertedFrom(reply, 24), /answered with other bytes than it was sent/],
  ])('bad-reply if the answer is %s', async ([, sent, message]) => {
    const server = await answer((reply) => [sent(reply)])
    const result = await probe('udp', server, { payloadBytes: 1400, key: 'secret', timeoutMs: 300 })
    expect(result).toMatchObject({ failure: { reason: 'bad-reply', message: expect.stringMatching(message) } })
  })

  /** Answers each request with what `replies` makes of the right reply. Returns the target. */
  async function answer(replies: (reply: Buffer, request: Buffer) => readonly Buffer[]): Promise<string> {
    const server = await listenUdp((bytes, from, socket) => {
      for (const reply of replies(Buffer.from(echoReplyTo(bytes, 'secret')), bytes))
        socket.send(reply, from.port, from.address)
    })
    return `127.0.0.1:${server.address().port}`
  }
})

describe('a neighbour that answers first', () => {
  test('with a tag made with another key does not fail an attempt, and is counted', async () => {
    const { prober, strays } = proberOfTest()
    const server = await listenUdp((bytes, from, socket) => {
      socket.send(echoReplyTo(bytes, 'wrong'), from.port, from.address)
      socket.send(echoReplyTo(bytes, 'secret'), from.port, from.address)
    })
    const target = `127.0.0.1:${server.address().port}`
    for (let i = 0; i < 5; i++) expect(await prober.probe('udp', target, { key: 'secret' })).toMatchObject({ ok: true })
    await eventually(() => strays.length === 5, 'the wrong ones were counted')
    expect(strays.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'foreign'))
  })

  test('with the right number, but from another address, has no success', async () => {
    const { prober, strays } = proberOfTest()
    const server = await listenUdp((bytes, from) => neighbour.send(echoReplyTo(bytes), from.port, from.address))
    const { port } = server.address()
    const neighbour = await listenUdp(() => {}, '127.0.0.2', port)
    expect(await prober.probe('udp', `127.0.0.1:${port}`, { timeoutMs: 200 })).toMatchObject({
      failure: { reason: 'timeout' },
    })
    // Without the native part the socket is connected to the target, and the kernel drops what others send.
    if (!nativePart.isMet) return
    await eventually(() => strays.length === 1, 'it is counted')
    expect(strays).toMatchObject([{ kind: 'foreign', from: { address: '127.0.0.2', port } }])
  })

  testWith(nativePart)('with the right number, but at another port of this host, has no success', async () => {
    const { prober, strays } = proberOfTest()
    const ports: number[] = []
    const server = await listenUdp((bytes, from, socket) => {
      ports.push(from.port)
      socket.send(echoReplyTo(bytes), ports[0] ?? 0, from.address)
    })
    const target = `127.0.0.1:${server.address().port}`
    const session = prober.openSession()
    expect(await prober.probe('udp', target, { session })).toMatchObject({ ok: true })
    // The next one leaves from another port, and is answered at that of the first, which is still open.
    expect(await prober.probe('udp', target, { session, timeoutMs: 200 })).toMatchObject({
      failure: { reason: 'timeout' },
    })
    expect(new Set(ports).size).toBe(2)
    await eventually(() => strays.length === 1, 'it is counted')
    expect(strays).toMatchObject([{ kind: 'foreign' }])
  })

  test('cannot tell from its own numbers those of others', async () => {
    const numbers: bigint[] = []
    const server = await listenUdp((bytes, from, socket) => {
      numbers.push(bytes.readBigUInt64BE(8))
      socket.send(echoReplyTo(bytes), from.port, from.address)
    })
    const { prober } = proberOfTest()
    for (let i = 0; i < 64; i++) await prober.probe('udp', `127.0.0.1:${server.address().port}`)
    // Each bit changes in about half of the steps from one to the next.
    for (let bit = 0n; bit < 64n; bit++) {
      const changes = numbers.filter((number, i) => i > 0 && ((number ^ (numbers[i - 1] ?? 0n)) >> bit) & 1n)
      expect(changes.length).toBeGreaterThan(8)
      expect(changes.length).toBeLessThan(56)
    }
    const steps = new Set(numbers.map((number, i) => BigInt.asUintN(64, number - (numbers[i - 1] ?? 0n))))
    expect(steps.size).toBe(64)
  })
})

describe('a service other than a Scout responder', () => {
  test.for([
    [{ send: 'PING\\r\\n' }, 'PING\r\n'],
    [{ send: 'hex:00 ff', expect: 'PONG' }, '\0\xff'],
    [{ send: 'x', expect: '/^pong [0-9]+$/i' }, 'x'],
    [{ expect: 'hex:504f4e47' }, ''],
  ] as const)('succeeds with %o', async ([options, received]) => {
    const requests: string[] = []
    const server = await listenUdp((bytes, from, socket) => {
      requests.push(bytes.toString('latin1'))
      socket.send('PONG 1', from.port, from.address)
    })
    const { prober } = proberOfTest()
    const target = `127.0.0.1:${server.address().port}`
    const results = await Promise.all([1, 2, 3].map(() => prober.probe('udp', target, options)))
    for (const result of results) expect(result).toMatchObject({ ok: true, detail: { payloadBytes: 6 } })
    expect(requests).toEqual([received, received, received])
  })

  test('fails as bad-reply with what it answered, if that is not what was expected', async () => {
    const server = await listenUdp((_, from, socket) => socket.send('-ERR\r\n', from.port, from.address))
    const target = `127.0.0.1:${server.address().port}`
    const result = await probe('udp', target, { send: 'PING', expect: '+PONG', timeoutMs: 100 })
    expect(result).toMatchObject({ failure: { reason: 'bad-reply' } })
    expect(result.ok ? '' : result.failure.message.replace(/:\d+/, ':PORT')).toMatchInlineSnapshot(
      `"127.0.0.1:PORT answered "-ERR\\r\\n", but nothing that contains +PONG"`,
    )
  })

  test('fails as timeout if it is silent, and as refused if it is not there', async () => {
    const silent = await listenUdp(() => {})
    const options = { send: 'x', timeoutMs: 100 }
    expect(await probe('udp', `127.0.0.1:${silent.address().port}`, options)).toMatchObject({
      failure: { reason: 'timeout' },
    })
    expect(await probe('udp', `127.0.0.1:${await desertedUdpPort()}`, options)).toMatchObject({
      failure: { reason: 'refused' },
    })
  })

  testWith('ip', namespaces, nativePart).for([
    ['one port', '41000 41000', /received its datagrams in the socket that sent them: nothing else listens there/],
    ['two ports', '41000 41001', /ECONNREFUSED|ICMP type 3 code 3|the socket that sent them/],
  ] as const)('is refused if the kernel lets the probe ask itself, with a choice of %s', ([, range, sentence]) => {
    const results = runAlone(askingItself, { RANGE: range }) as readonly { reason: string; message: string }[]
    expect(results).toHaveLength(10)
    for (const { reason, message } of results) {
      expect(reason).toBe('refused')
      expect(message).toMatch(sentence)
    }
  })

  test('is repeated by a task', async () => {
    const results: TaskResult[] = []
    const prober = createProber({ onResults: (batch) => results.push(...batch) })
    onTestFinished(() => prober.close())
    const server = await listenUdp((_, from, socket) => socket.send('PONG', from.port, from.address))
    const target = `127.0.0.1:${server.address().port}`
    await prober.setTasks([{ id: 'a', protocol: 'udp', target, intervalMs: 20, options: { send: 'PING' } }])
    await eventually(() => results.length > 3, 'results')
    expect(results.filter(({ result }) => !result.ok)).toEqual([])
  })
})

const askingItself = `
  import { execFileSync } from 'node:child_process'
  const { createProber } = await import(process.env.CORE)
  const prober = createProber()
  // The packet engine takes its ports first.
  await prober.probe('udp', '127.0.0.1:9')
  execFileSync('sysctl', ['-qw', 'net.ipv4.ip_local_port_range=' + process.env.RANGE])
  for (let i = 0; i < 10; i++) {
    const { ok, failure } = await prober.probe('udp', '127.0.0.1:41000', { send: 'PING' })
    console.log(JSON.stringify({ reason: ok ? 'ok' : failure.reason, message: failure?.message ?? '' }))
  }
  process.exit()
`

function withByte(bytes: Buffer, at: number, difference: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ difference
  return changed
}

function invertedFrom(bytes: Buffer, at: number): Buffer {
  return Buffer.from(bytes.map((byte, i) => (i < at ? byte : byte ^ 0xff)))
}

function shortReplyTo(reply: Buffer): Buffer {
  const number = reply.readBigUInt64BE(8)
  return Buffer.from(encodeEchoDatagram({ kind: 'reply', number }, 24, 'secret'))
}

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
