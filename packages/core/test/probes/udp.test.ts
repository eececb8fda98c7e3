import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { runAlone } from '../../../../test/support/alone.ts'
import { blockFor } from '../../../../test/support/block.ts'
import { type Child, namespaces, routed, startInNamespace } from '../../../../test/support/child.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { describeWith, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { desertedUdpPort, listenUdp } from '../../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../../test/support/stamp.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import type { TaskResult } from '../../src/attempt/task.ts'
import { addPackets, type PacketSum, type Packets } from '../../src/model/packets.ts'
import { formatHostPort } from '../../src/model/target.ts'
import type { Stray } from '../../src/net/packets/exchange.ts'
import type { UdpDetail } from '../../src/probes/udp.ts'
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

test.for([56, 1472, 9000, 65_507])('carries a payload of %i bytes each way', async (payloadBytes) => {
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

  test('of one attempt may be several, and it names those that are not answered', async () => {
    const { prober } = proberOfTest()
    let dead: readonly number[] = []
    const seen = new Set<number>()
    const server = await listenUdp((bytes, { port, address }, socket) => {
      seen.add(port)
      if (!dead.includes(port)) socket.send(stampAnswerTo(bytes), port, address)
    })
    const ask = (timeoutMs: number) =>
      prober.probe('udp', `127.0.0.1:${server.address().port}`, { flows: 16, timeoutMs })
    expect(await ask(5_000)).toMatchObject({ ok: true, packets: { sent: 16, returned: 16 } })
    expect(seen.size).toBe(16)
    dead = [...seen].slice(3, 5)
    for (const result of [await ask(300), await ask(300)]) {
      expect(result).toMatchObject({
        ok: false,
        failure: { reason: 'timeout', message: expect.stringContaining('2 of 16 flows fail (source ports ') },
        packets: { sent: 16, returned: 14 },
      })
      const failing = result.detail?.flows?.filter(({ rttNs }) => rttNs === undefined)
      expect(new Set(failing?.map(({ sourcePort }) => sourcePort))).toEqual(new Set(dead))
    }
  })

  async function countPorts() {
    const from: number[] = []
    const server = await listenUdp((bytes, { port, address }, socket) => {
      from.push(port)
      socket.send(stampAnswerTo(bytes), port, address)
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
      socket.send(stampAnswerTo(bytes, 'other'), from.port, from.address),
    )
    const result = await probe('udp', `127.0.0.1:${server.address().port}`, { key: 'secret', timeoutMs: 100 })
    expect(result.totalNs / 100e6).toBeGreaterThanOrEqual(1)
    expect(result).toMatchObject({ failure: { reason: 'bad-reply', phase: 'echo' } })
    expect(result.ok ? '' : result.failure.message.replace(/:\d+/, ':PORT')).toMatchInlineSnapshot(
      `"127.0.0.1:PORT answered with an HMAC made with a different key: use the same key on both sides"`,
    )
  })

  test('timeout if replies to other questions come back, which are counted as foreign', async () => {
    const { prober, strays } = proberOfTest()
    const server = await answer((reply) => Array.from({ length: 5 }, (_, bit) => withByte(reply, 48 + bit, 1 << bit)))
    expect(await prober.probe('udp', server, { timeoutMs: 100 })).toMatchObject({ failure: { reason: 'timeout' } })
    expect(strays.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'foreign'))
  })

  test('bad-reply at its deadline if another service answers, and says so', async () => {
    const { prober, strays } = proberOfTest()
    const server = await answer((reply, request) => [Buffer.of(), Buffer.from('hello'), request, reply.subarray(0, 40)])
    const result = await prober.probe('udp', server, { timeoutMs: 100 })
    expect(result).toMatchObject({ failure: { reason: 'bad-reply' } })
    expect(result.ok ? '' : result.failure.message.replace(/:\d+/, ':PORT')).toMatchInlineSnapshot(
      `"127.0.0.1:PORT answered, but not as a STAMP reflector with this key: another service is listening there, which needs the options send and expect, or a reflector with another key"`,
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
    ['cut off before its number', (reply) => reply.subarray(0, 112), /answered without the bytes it was sent/],
    ['short, with a right length of its padding', (reply) => shortReplyTo(reply), /answered with 124 bytes instead of/],
    [
      'extended',
      (reply) => Buffer.concat([reply, Buffer.of(0)]),
      /answered with 1401 bytes instead of .* extends answers$/,
    ],
    ['altered in its last byte', (reply) => withByte(reply, 1399, 1), /answered with other bytes than it was sent/],
    ['inverted behind its number', (reply) => invertedFrom(reply, 124), /answered with other bytes than it was sent/],
  ])('bad-reply if the answer is %s', async ([, sent, message]) => {
    const server = await answer((reply) => [sent(reply)], 'secret')
    const result = await probe('udp', server, { payloadBytes: 1400, key: 'secret', timeoutMs: 300 })
    expect(result).toMatchObject({ failure: { reason: 'bad-reply', message: expect.stringMatching(message) } })
  })

  /** Answers each request with what `replies` makes of the right reply. Returns the target. */
  async function answer(replies: (reply: Buffer, request: Buffer) => readonly Buffer[], key = ''): Promise<string> {
    const server = await listenUdp((bytes, from, socket) => {
      for (const reply of replies(Buffer.from(stampAnswerTo(bytes, key)), bytes))
        socket.send(reply, from.port, from.address)
    })
    return `127.0.0.1:${server.address().port}`
  }
})

describe('a neighbour that answers first', () => {
  test('with a tag made with another key does not fail an attempt, and is counted', async () => {
    const { prober, strays } = proberOfTest()
    const server = await listenUdp((bytes, from, socket) => {
      socket.send(stampAnswerTo(bytes, 'wrong'), from.port, from.address)
      socket.send(stampAnswerTo(bytes, 'secret'), from.port, from.address)
    })
    const target = `127.0.0.1:${server.address().port}`
    for (let i = 0; i < 5; i++) expect(await prober.probe('udp', target, { key: 'secret' })).toMatchObject({ ok: true })
    await eventually(() => strays.length === 5, 'the wrong ones were counted')
    expect(strays.map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'foreign'))
  })

  test('with the right number, but from another address, has no success', async () => {
    const { prober, strays } = proberOfTest()
    const server = await listenUdp((bytes, from) => neighbour.send(stampAnswerTo(bytes), from.port, from.address))
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
      socket.send(stampAnswerTo(bytes), ports[0] ?? 0, from.address)
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
      numbers.push(bytes.readBigUInt64BE(48))
      socket.send(stampAnswerTo(bytes), from.port, from.address)
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

describe('a reflector', () => {
  test.for(['', 'secret'])(
    'of this version says with the key %j how long it took, and with which TTL it was asked',
    async (key) => {
      const responder = await respond({ key })
      const result = await probe('udp', `127.0.0.1:${responder.port}`, { key })
      expect(result).toMatchObject({ ok: true, detail: { residenceNs: expect.any(Number) } })
      if (!result.ok) return
      expect(result.detail.residenceNs).toBeGreaterThan(0)
      expect(result.detail.residenceNs).toBeLessThan(1e9)
      expect(result.detail.senderTtl).toBe(nativePart.isMet ? 64 : undefined)
    },
  )

  test('that is slow does not lengthen the round trip, except for what it does not admit', async () => {
    const delayMs = 200
    const answerAfter = async (admittedMs: number) => {
      const server = await listenUdp((bytes, from, socket) => {
        const answer = Buffer.from(stampAnswerTo(bytes))
        const receivedMs = performance.now() + delayMs - admittedMs
        setTimeout(() => {
          const fraction = BigInt(Math.floor(((performance.now() - receivedMs) / 1e3) * 2 ** 32))
          answer.writeBigUInt64BE(answer.readBigUInt64BE(16) + fraction, 4)
          socket.send(answer, from.port, from.address)
        }, delayMs)
      })
      return probe('udp', `127.0.0.1:${server.address().port}`, { timeoutMs: 5_000 })
    }
    expect((await answerAfter(delayMs)).totalNs).toBeLessThan(delayMs * 0.5e6)
    // Longer than the round trip: its clock is wrong, and nothing is taken out.
    const wrong = await answerAfter(10_000)
    expect(wrong.totalNs).toBeGreaterThan(delayMs * 0.9e6)
    expect(wrong).toMatchObject({ ok: true, detail: expect.not.objectContaining({ residenceNs: expect.anything() }) })
  })

  test('that keeps count tells of each direction what it lost', async () => {
    const fates = ['answered', 'forth', 'answered', 'back', 'forth', 'back', 'answered', 'answered']
    const lost = await lossesOver(fates)
    expect(lost).toEqual([undefined, { forth: 1, back: 0 }, { forth: 1, back: 2 }, { forth: 0, back: 0 }])
  })

  test('that has begun again is no sign of loss', async () => {
    const lost = await lossesOver(['answered', 'answered', 'restart', 'forth', 'answered'])
    expect(lost).toEqual([undefined, { forth: 0, back: 0 }, undefined, undefined])
  })

  testWith(
    'ip',
    'nft',
    namespaces,
  )('tells exactly what a firewall drops in each direction', () => {
    const results = runAlone(droppingInOneDirection) as readonly {
      way: string
      dropped: number
      lost: object
      counted: object
    }[]
    expect(results.map(({ way }) => way)).toEqual(['forth', 'back'])
    for (const { way, dropped, lost, counted } of results) {
      expect(dropped).toBeGreaterThan(5)
      expect(lost).toEqual({ forth: 0, back: 0, [way]: dropped })
      expect(counted, 'as packets that arrived').toEqual(lost)
    }
  })

  testWith(nativePart)('tells it also the series of a task', async () => {
    const details: UdpDetail[] = []
    let asked = 0
    const server = await listenUdp((bytes, from, socket) => {
      // Every fourth is lost on its way there, and the one behind it on its way back.
      if (asked++ % 4 === 1) return
      const number = asked - 1 - Math.floor((asked + 2) / 4)
      if (asked % 4 !== 3) socket.send(stampAnswerTo(bytes, '', number), from.port, from.address)
    })
    const prober = createProber({
      onResults: (batch) => {
        for (const { result } of batch) if (result.ok && result.protocol === 'udp') details.push(result.detail)
      },
    })
    onTestFinished(() => prober.close())
    const target = `127.0.0.1:${server.address().port}`
    const options = { timeoutMs: 1_000 }
    await prober.setTasks([{ id: 'a', protocol: 'udp', target, intervalMs: 25, options }])
    await eventually(() => details.length >= 12, 'results')
    const lost = details.flatMap((detail) => lostOf(detail) ?? [])
    expect(lost.length).toBe(details.length - 1)
    expect(lost.filter(({ forth, back }) => forth + back > 0).length).toBeGreaterThan(3)
    for (const one of lost)
      expect([
        { forth: 0, back: 0 },
        { forth: 1, back: 1 },
      ]).toContainEqual(one)
  })

  test('of TWAMP Light, which drops the payload, is understood where it is expected', async () => {
    const { prober, strays } = proberOfTest()
    const server = await listenUdp((bytes, from, socket) =>
      socket.send(stampAnswerTo(bytes).subarray(0, 41), from.port, from.address),
    )
    const target = `127.0.0.1:${server.address().port}`
    expect(await prober.probe('udp', target, { light: true })).toMatchObject({
      ok: true,
      detail: { payloadBytes: 41, senderTtl: 64 },
    })
    expect(await prober.probe('udp', target, { timeoutMs: 100 })).toMatchObject({
      failure: { reason: 'bad-reply', message: expect.stringContaining('without the bytes it was sent') },
    })
    expect(strays.map(({ kind }) => kind)).toEqual(['foreign'])
  })

  test('of TWAMP Light has no success with another time or number than it was asked with', async () => {
    const { prober } = proberOfTest()
    const server = await listenUdp((bytes, from, socket) => {
      const answer = Buffer.from(stampAnswerTo(bytes).subarray(0, 44))
      for (const at of [27, 32, 34, 35]) socket.send(withByte(answer, at, 1), from.port, from.address)
    })
    const target = `127.0.0.1:${server.address().port}`
    expect(await prober.probe('udp', target, { light: true, timeoutMs: 100 })).toMatchObject({ ok: false })
  })

  test('whose answer brings back another time than it was asked with has altered it', async () => {
    const server = await listenUdp((bytes, from, socket) =>
      socket.send(withByte(Buffer.from(stampAnswerTo(bytes)), 35, 1), from.port, from.address),
    )
    expect(await probe('udp', `127.0.0.1:${server.address().port}`, { timeoutMs: 300 })).toMatchObject({
      failure: { reason: 'bad-reply', message: expect.stringContaining('answered with other bytes than it was sent') },
    })
  })

  testWith('scapy')('of another author is understood', async () => {
    const program = `
import socket, time
from scapy.contrib.stamp import *
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
sequence = 0
while True:
    data, sender = s.recvfrom(2048)
    now = time.time() + 2208988800
    asked = STAMPSessionSenderTestUnauthenticated(data[:44])
    answer = STAMPSessionReflectorTestUnauthenticated(
        seq=sequence, ts=now, ssid=asked.ssid, ts_rx=now, seq_sender=asked.seq, ttl_sender=64)
    bytes_ = bytearray(bytes(answer))
    bytes_[28:36] = data[4:12]
    bytes_[36:38] = data[12:14]
    sequence += 1
    s.sendto(bytes(bytes_) + data[44:], sender)`
    const child = spawn('/usr/bin/python3', ['-c', program], { stdio: ['ignore', 'pipe', 'ignore'] })
    onTestFinished(() => void child.kill())
    const [line] = await once(child.stdout, 'data')
    const { prober } = proberOfTest()
    const session = prober.openSession()
    const target = `127.0.0.1:${String(line).trim()}`
    for (const lost of [{}, { lostForth: 0, lostBack: 0 }, { lostForth: 0, lostBack: 0 }]) {
      const result = await prober.probe('udp', target, { session, timeoutMs: 5_000 })
      expect(result).toMatchObject({ ok: true, detail: { payloadBytes: 64, senderTtl: 64, ...lost } })
    }
  })

  function lostOf({ lostForth: forth, lostBack: back }: UdpDetail) {
    return forth === undefined || back === undefined ? undefined : { forth, back }
  }

  /** Probes once for each fate, and returns what each answer told of both directions. */
  async function lossesOver(fates: readonly string[]) {
    const { prober } = proberOfTest()
    let reflected = 0
    let fate: string | undefined
    const server = await listenUdp((bytes, from, socket) => {
      if (fate === 'restart') reflected = 0
      if (fate === 'forth') return
      const answer = stampAnswerTo(bytes, '', reflected++)
      if (fate !== 'back') socket.send(answer, from.port, from.address)
    })
    const session = prober.openSession()
    const lost: unknown[] = []
    for (fate of fates) {
      const timeoutMs = fate === 'forth' || fate === 'back' ? 50 : 5_000
      const result = await prober.probe('udp', `127.0.0.1:${server.address().port}`, { session, timeoutMs })
      if (result.ok) lost.push(lostOf(result.detail))
    }
    return lost
  }
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

  test('is an echo server if it sends back what it is sent, and nothing else', async () => {
    const requests = new Set<string>()
    const server = await listenUdp((bytes, from, socket) => {
      requests.add(bytes.toString('hex'))
      if (bytes.length === 64) socket.send(withByte(bytes, 63, 1), from.port, from.address)
      else socket.send(bytes, from.port, from.address)
    })
    const target = `127.0.0.1:${server.address().port}`
    for (let i = 0; i < 3; i++) {
      const options = { plain: true, payloadBytes: 1_000 }
      expect(await probe('udp', target, options)).toMatchObject({ ok: true, detail: { payloadBytes: 1_000 } })
    }
    // Nobody can know what an echo is without having seen its request.
    expect(requests.size).toBe(3)
    expect(await probe('udp', target, { plain: true, timeoutMs: 100 })).toMatchObject({
      failure: { reason: 'bad-reply', message: expect.stringMatching(/, but not with what it was sent$/) },
    })
    const reflector = await respond()
    expect(await probe('udp', `127.0.0.1:${reflector.port}`, { plain: true, timeoutMs: 100 })).toMatchObject({
      ok: false,
    })
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

/** A tenth of what arrives at the responder, and then of what it answers, is dropped at random. */
const droppingInOneDirection = `
  import { execFileSync } from 'node:child_process'
  const { createProber, startUdpResponder } = await import(process.env.CORE)
  const nft = (text) => execFileSync('nft', [text], { encoding: 'utf8' })
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  nft('add table inet scout')
  nft('add chain inet scout in { type filter hook input priority 0; }')
  const prober = createProber()
  for (const [way, field] of [['forth', 'dport'], ['back', 'sport']]) {
    const session = prober.openSession()
    const lost = { forth: 0, back: 0 }
    const counted = { forth: 0, back: 0 }
    const ask = async () => {
      const { ok, detail, packets } = await prober.probe('udp', '127.0.0.1:' + responder.port, { session, timeoutMs: 150 })
      lost.forth += detail?.lostForth ?? 0
      lost.back += detail?.lostBack ?? 0
      counted.forth += packets.lostForth ?? 0
      counted.back += (packets.arrived ?? packets.returned) - packets.returned
      return ok
    }
    while (!(await ask())) continue
    nft('add rule inet scout in udp ' + field + ' ' + responder.port + ' numgen random mod 10 == 0 counter drop')
    for (let i = 0; i < 250; i++) await ask()
    const dropped = Number(/packets ([0-9]+)/.exec(nft('list table inet scout'))[1])
    nft('flush chain inet scout in')
    while (!(await ask())) continue
    console.log(JSON.stringify({ way, dropped, lost, counted }))
  }
  prober.close()
  await responder.close()
`

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
  const short = Buffer.from(reply.subarray(0, 124))
  short.writeUInt16BE(8, 114)
  return short
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

describe('packets of a task that arrive twice', () => {
  test.for(['request', 'answer'] as const)('are counted, and not taken for lost ones: each %s', async (which) => {
    const counted: Packets[] = []
    let reflected = 100
    const server = await listenUdp((bytes, from, socket) => {
      const number = reflected++
      socket.send(stampAnswerTo(bytes, '', number), from.port, from.address)
      const copy = stampAnswerTo(bytes, '', which === 'answer' ? number : reflected++)
      socket.send(copy, from.port, from.address)
    })
    const prober = createProber({
      onResults: (batch) => counted.push(...batch.flatMap(({ result }) => result.packets ?? [])),
    })
    onTestFinished(() => prober.close())
    await prober.setTasks([{ id: 'a', protocol: 'udp', target: `127.0.0.1:${server.address().port}`, intervalMs: 25 }])
    await eventually(() => counted.length >= 10, 'results')
    const sum = counted.reduce<PacketSum>(addPackets, { sent: 0, returned: 0, duplicated: 0, reordered: 0, late: 0 })
    // The copy of one answer may come after the next one.
    expect(sum.duplicated).toBeGreaterThan(counted.length / 2)
    expect(sum).toMatchObject({ lostForth: 0, duplicatedForth: which === 'request' ? sum.duplicated : 0 })
  })
})

describe('an answer', () => {
  test('that arrives twice is counted as a duplicate', async () => {
    const { prober, strays } = proberOfTest()
    const server = await listenUdp((bytes, from, socket) => {
      for (let i = 0; i < 2; i++) socket.send(stampAnswerTo(bytes), from.port, from.address)
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
      socket.send(stampAnswerTo(bytes), from.port, from.address, () => blockFor(timeoutMs + 10))
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
