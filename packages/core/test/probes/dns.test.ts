import type { Socket } from 'node:net'
import { type DecodedPacket, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { desertedTcpPort, desertedUdpPort, listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import type { Stray } from '../../src/net/packets/exchange.ts'
import type { OptionsOf } from '../../src/probes/index.ts'
import { startDnsResponder } from '../../src/responders/dns.ts'

describe('asks', () => {
  test.for(['udp', 'tcp'] as const)('over %s', async (transport) => {
    const port = await respond({ 'scout.example': ['10.0.0.1', '10.0.0.2', 'fd00::1'] })
    const result = await probe('dns', `Scout.Example.@127.0.0.1:${port}`, { transport })
    expect(result).toMatchObject({
      ok: true,
      detail: {
        rcode: 'NOERROR',
        isTruncated: false,
        isAuthoritative: true,
        records: [{ type: 'A', ttlSeconds: 5, data: '10.0.0.1' }, { data: '10.0.0.2' }],
      },
    })
    expect(Object.keys(result.phasesNs)).toEqual(transport === 'udp' ? ['query'] : ['connect', 'query'])
    expect(result.totalNs).toBe(Object.values(result.phasesNs).reduce((sum, ns) => sum + ns, 0))
  })

  test('for addresses of either family', async () => {
    const port = await respond({ 'scout.example': ['10.0.0.1', 'fd00::1'] }, '::1')
    expect(await probe('dns', `scout.example@[::1]:${port}`, { type: 'AAAA' })).toMatchObject({
      ok: true,
      detail: { records: [{ type: 'AAAA', data: 'fd00::1' }] },
    })
  })

  test.for<[target: string, options: OptionsOf<'dns'>, question: object]>([
    ['example', {}, { name: 'example', type: 'A' }],
    ['10.1.2.3', { type: 'PTR' }, { name: '3.2.1.10.in-addr.arpa', type: 'PTR' }],
    ['fd00::1', { type: 'PTR' }, { name: `1.${'0.'.repeat(29)}d.f.ip6.arpa`, type: 'PTR' }],
    ['1.1.10.in-addr.arpa', { type: 'PTR' }, { name: '1.1.10.in-addr.arpa', type: 'PTR' }],
    ['_scout._tcp.example', { type: 'SRV' }, { name: '_scout._tcp.example', type: 'SRV' }],
  ])('for %s with %o', async ([name, options, question]) => {
    const seen: DecodedPacket[] = []
    const port = await answerByUdp((query) => {
      seen.push(query)
      return [answer(query)]
    })
    expect(await probe('dns', `${name}@127.0.0.1:${port}`, options)).toMatchObject({ ok: true })
    expect(seen[0]?.questions).toMatchObject([question])
  })

  test('for recursion and large answers by default', async () => {
    const seen: object[] = []
    const port = await answerByUdp((query) => {
      seen.push({
        recurses: query.flag_rd,
        edns: query.additionals?.map((record) => 'udpPayloadSize' in record && record.udpPayloadSize),
      })
      return [answer(query)]
    })
    await probe('dns', `example@127.0.0.1:${port}`)
    await probe('dns', `example@127.0.0.1:${port}`, { recursion: false, ednsBytes: 0 })
    expect(seen).toEqual([
      { recurses: true, edns: [1232] },
      { recurses: false, edns: [] },
    ])
  })
})

describe('an answer', () => {
  test.for([
    [1, 'FORMERR'],
    [2, 'SERVFAIL'],
    [3, 'NXDOMAIN'],
    [5, 'REFUSED'],
  ] as const)('with code %i is bad-status and names %s', async ([code, rcode]) => {
    const port = await answerByUdp((query) => [answer(query, { flags: code })])
    expect(await probe('dns', `example@127.0.0.1:${port}`)).toMatchObject({
      ok: false,
      failure: { reason: 'bad-status', phase: 'query', code: rcode },
    })
    expect(await probe('dns', `example@127.0.0.1:${port}`, { rcode })).toMatchObject({ ok: true, detail: { rcode } })
  })

  test('of NXDOMAIN is bad-status with an explanation', async () => {
    const port = await respond({})
    const result = await probe('dns', `scout.example@127.0.0.1:${port}`)
    expect(result.ok ? '' : result.failure.message).toMatchInlineSnapshot(
      `"127.0.0.1 answered NXDOMAIN to A scout.example (the name does not exist: check its spelling, namespace and top-level domain)"`,
    )
  })

  test('that is truncated is marked as such', async () => {
    const port = await answerByUdp((query) => [answer(query, { flags: TRUNCATED_RESPONSE })])
    expect(await probe('dns', `example@127.0.0.1:${port}`)).toMatchObject({ ok: true, detail: { isTruncated: true } })
  })

  test.for<[what: string, forge: (query: DecodedPacket) => Buffer]>([
    ['to another name', (query) => answer(query, { questions: [{ name: 'evil.example', type: 'A' }] })],
    ['to another type', (query) => answer(query, { questions: [{ name: 'example', type: 'AAAA' }] })],
    ['to no question', (query) => answer(query, { questions: [] })],
    ['cut off', (query) => answer(query).subarray(0, 20)],
  ])('%s is bad-reply over udp and tcp', async ([, forge]) => {
    const udp = await answerByUdp((query) => [forge(query)])
    const tcp = await answerByTcp((query) => framed(forge(query)))
    for (const [port, transport] of [
      [udp, 'udp'],
      [tcp, 'tcp'],
    ] as const) {
      expect(await probe('dns', `example@127.0.0.1:${port}`, { transport })).toMatchObject({
        failure: { reason: 'bad-reply', phase: 'query' },
      })
    }
  })

  test('is still accepted after garbage, which is counted', async () => {
    const strays: Stray[] = []
    const prober = createProber({ onStray: (_, stray) => strays.push(stray) })
    onTestFinished(() => prober.close())
    const port = await answerByUdp((query) => [
      Buffer.of(),
      Buffer.from('x'),
      encode({ ...query, type: 'query' }),
      answer(query, { id: ((query.id ?? 0) + 1) & 0xffff }),
      answer(query),
      answer(query),
    ])
    expect(await prober.probe('dns', `example@127.0.0.1:${port}`)).toMatchObject({ ok: true })
    await eventually(() => strays.length === 5, 'all has come')
    expect(strays.map(({ kind }) => kind)).toEqual(['foreign', 'foreign', 'foreign', 'foreign', 'duplicate'])
  })
})

describe('over tcp', () => {
  test('an answer may arrive byte by byte', async () => {
    const port = await listenTcp((socket) => {
      socket.setNoDelay(true)
      socket.once('data', (bytes) => {
        const whole = framed(answer(decode(bytes.subarray(2))))
        const next = (from: number) => {
          if (from < whole.length) socket.write(whole.subarray(from, from + 1), () => setImmediate(next, from + 1))
        }
        next(0)
      })
    })
    expect(await probe('dns', `example@127.0.0.1:${port}`, { transport: 'tcp' })).toMatchObject({ ok: true })
  })

  test.for<[what: string, reply: (socket: Socket, query: DecodedPacket) => void, reason: string]>([
    ['a close instead of an answer', (socket) => socket.end(), 'bad-reply'],
    ['a close within an answer', (socket, query) => socket.end(framed(answer(query)).subarray(0, 9)), 'bad-reply'],
    ['an answer of no length', (socket) => socket.end(Buffer.of(0, 0)), 'bad-reply'],
    ['garbage', (socket) => socket.end(framed(Buffer.from('garbage'))), 'bad-reply'],
    ['the question itself', (socket, query) => socket.end(framed(encode({ ...query, type: 'query' }))), 'bad-reply'],
    ['an answer to another id', (socket, query) => socket.end(framed(answer(query, { id: 77 }))), 'bad-reply'],
    ['a reset', (socket) => socket.resetAndDestroy(), 'reset'],
  ])('fails on %s', async ([, reply, reason]) => {
    const port = await listenTcp((socket) => socket.once('data', (bytes) => reply(socket, decode(bytes.subarray(2)))))
    expect(await probe('dns', `example@127.0.0.1:${port}`, { transport: 'tcp' })).toMatchObject({
      failure: { reason, phase: 'query' },
    })
  })

  test('fails at its deadline if the server is silent, and closes the connection', async () => {
    const port = await listenTcp((socket) => socket.resume())
    const allClosed = await watchHandles()
    expect(await probe('dns', `example@127.0.0.1:${port}`, { transport: 'tcp', timeoutMs: 50 })).toMatchObject({
      failure: { reason: 'timeout', phase: 'query' },
    })
    await allClosed()
  })
})

test('fails as refused if nothing is listening', async () => {
  for (const [transport, port, phase] of [
    ['udp', await desertedUdpPort(), 'query'],
    ['tcp', await desertedTcpPort(), 'connect'],
  ] as const) {
    expect(await probe('dns', `example@127.0.0.1:${port}`, { transport })).toMatchObject({
      failure: { reason: 'refused', phase, code: expect.stringMatching(/^(ECONNREFUSED|ICMP 3\/3)$/) },
    })
  }
})

async function respond(addresses: Readonly<Record<string, readonly string[]>>, host = '127.0.0.1'): Promise<number> {
  const responder = await startDnsResponder({ host, port: 0, addressesOf: (name) => addresses[name] })
  onTestFinished(() => responder.close())
  return responder.port
}

async function answerByUdp(reply: (query: DecodedPacket) => readonly Buffer[]): Promise<number> {
  const server = await listenUdp((bytes, from, socket) => {
    for (const message of reply(decode(bytes))) socket.send(message, from.port, from.address)
  })
  return server.address().port
}

async function answerByTcp(reply: (query: DecodedPacket) => Buffer): Promise<number> {
  return listenTcp((socket) => socket.once('data', (bytes) => socket.end(reply(decode(bytes.subarray(2))))))
}

function answer({ id = 0, questions = [] }: DecodedPacket, packet: Packet = {}): Buffer {
  return encode({ type: 'response', id, questions, ...packet })
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}
