import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import { type Answer, type DecodedPacket, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { desertedTcpPort, desertedUdpPort, listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import type { Stray } from '../../src/net/packets/exchange.ts'
import type { OptionsOf, ResultOf } from '../../src/probes/index.ts'
import { startDnsResponder } from '../../src/responders/dns.ts'

describe('asks', () => {
  test.for(['udp', 'tcp'] as const)('over %s', async (transport) => {
    const port = await respond({ 'scout.example': ['10.0.0.1', '10.0.0.2', 'fd00::1'] })
    const result = await probe('dns', `Scout.Example.@127.0.0.1:${port}`, { transport })
    expect(result).toMatchObject({
      ok: true,
      detail: {
        rcode: 'NOERROR',
        isAuthoritative: true,
        retriedOverTcp: false,
        records: [{ type: 'A', ttlSeconds: 5, data: '10.0.0.1' }, { data: '10.0.0.2' }],
      },
    })
    expect(Object.keys(result.phasesNs)).toEqual(transport === 'udp' ? ['query'] : ['connect', 'query'])
    expect(result.totalNs).toBe(Object.values(result.phasesNs).reduce((sum, ns) => sum + ns, 0))
  })

  test('thousands of names at once without taking an id twice', async () => {
    const { port } = (await listenUdp(() => {})).address()
    const prober = createProber()
    onTestFinished(() => prober.close())
    const target = `scout.example@127.0.0.1:${port}`
    const results = await Promise.all(
      Array.from({ length: 2_000 }, () => prober.probe('dns', target, { timeoutMs: 1_000 })),
    )
    const reasons = new Set(results.map((result) => (result.ok ? 'ok' : result.failure.reason)))
    expect([...reasons]).toEqual(['timeout'])
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
    ['0/25.2.0.192.in-addr.arpa', { type: 'PTR' }, { name: '0/25.2.0.192.in-addr.arpa', type: 'PTR' }],
    ['Front desk._ipp._tcp.example', { type: 'TXT' }, { name: 'front desk._ipp._tcp.example', type: 'TXT' }],
    ['münchen.example', {}, { name: 'xn--mnchen-3ya.example', type: 'A' }],
  ])('for %s with %o', async ([name, options, question]) => {
    const seen: unknown[] = []
    const port = await answerByUdp((query) => {
      seen.push(query.questions?.map(({ name: asked, type }) => ({ name: asked.toLowerCase(), type })))
      return [answer(query)]
    })
    const result = await probe('dns', `${name}@127.0.0.1:${port}`, { ...options, requireAnswer: false })
    expect(result).toMatchObject({ ok: true })
    expect(seen).toEqual([[question]])
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

  test('of each other code has a sentence of its own', async () => {
    const sentences = new Set<string>()
    for (const flags of [1, 2, 4, 5, 9]) {
      const port = await answerByUdp((query) => [answer(query, { flags })])
      sentences.add(messageOf(await probe('dns', `example@127.0.0.1:${port}`)))
    }
    expect([...sentences]).toMatchInlineSnapshot(`
      [
        "127.0.0.1 answered FORMERR to A example (the server could not parse the query: if it is too old for EDNS, set ednsBytes to 0)",
        "127.0.0.1 answered SERVFAIL to A example (the server failed to resolve it: check its log and its upstream servers)",
        "127.0.0.1 answered NOTIMP to A example (the server does not support this kind of query)",
        "127.0.0.1 answered REFUSED to A example (the server does not serve this client or zone: check its access lists)",
        "127.0.0.1 answered NOTAUTH to A example (the server is not authoritative for the zone)",
      ]
    `)
  })

  test('with an extended code is that code, not the lower four bits of it', async () => {
    const additionals = [optOf({ extendedRcode: 1 })]
    for (const [flags, code] of [
      [0, 'BADVERS'],
      [7, 'BADCOOKIE'],
    ] as const) {
      const port = await answerByUdp((query) => [answer(query, { flags, additionals })])
      expect(await probe('dns', `example@127.0.0.1:${port}`)).toMatchObject({ failure: { reason: 'bad-status', code } })
    }
  })

  test('without a record of the type asked for is NODATA, unless none is required', async () => {
    const port = await answerByUdp((query) => [answer(query, { answers: [] })])
    const result = await probe('dns', `example@127.0.0.1:${port}`)
    expect(result).toMatchObject({ failure: { reason: 'bad-status', code: 'NODATA' }, detail: { records: [] } })
    expect(messageOf(result)).toMatchInlineSnapshot(
      `"127.0.0.1 answered A example with NODATA: example has no A record; query another type, or set requireAnswer to false"`,
    )
    expect(await probe('dns', `example@127.0.0.1:${port}`, { requireAnswer: false })).toMatchObject({ ok: true })
  })

  test('that is an alias of a name without a record is NODATA, and says of which', async () => {
    const alias = { name: 'example', type: 'CNAME', ttl: 5, data: 'gone.example' } as const
    const port = await answerByUdp((query) => [answer(query, { answers: [alias] })])
    const result = await probe('dns', `example@127.0.0.1:${port}`)
    expect(result).toMatchObject({ failure: { code: 'NODATA' }, detail: { records: [{ data: 'gone.example' }] } })
    expect(messageOf(result)).toMatchInlineSnapshot(
      `"127.0.0.1 answered A example with NODATA: gone.example, which example is an alias of, has no A record; query another type, or set requireAnswer to false"`,
    )
  })

  test('that is an alias of a name that does not exist says so', async () => {
    const alias = { name: 'example', type: 'CNAME', ttl: 5, data: 'gone.example' } as const
    const port = await answerByUdp((query) => [answer(query, { flags: 3, answers: [alias] })])
    expect(messageOf(await probe('dns', `example@127.0.0.1:${port}`))).toMatchInlineSnapshot(
      `"127.0.0.1 answered NXDOMAIN to A example (it is an alias of gone.example, which does not exist)"`,
    )
  })

  test('without the content expected is bad-reply', async () => {
    const port = await respond({ example: ['10.0.0.1', '10.0.0.2'] })
    const asked = (content: string) => probe('dns', `example@127.0.0.1:${port}`, { content })
    expect(await asked('^10\\.0\\.0\\.2$')).toMatchObject({ ok: true })
    const result = await asked('^10\\.0\\.0\\.3$')
    expect(result).toMatchObject({ failure: { reason: 'bad-reply' }, detail: { rcode: 'NOERROR' } })
    expect(messageOf(result)).toMatchInlineSnapshot(
      `"none of the 2 records that 127.0.0.1 answered to A example matches ^10\\.0\\.0\\.3$"`,
    )
    await expect(asked('(')).rejects.toMatchObject({ code: 'invalid-option' })
  })

  test('of thousands of records lists the first, and the number of the others', async () => {
    const addresses = Array.from({ length: 4000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`)
    const port = await respond({ example: addresses })
    const result = await probe('dns', `example@127.0.0.1:${port}`, { content: '^10\\.0\\.15\\.159$' })
    expect(result).toMatchObject({ ok: true, detail: { omittedRecords: 3900 } })
    expect(result.ok && result.detail.records.length).toBe(100)
  })

  test('that is truncated is asked for again over TCP, which takes part in the time', async () => {
    const addresses = Array.from({ length: 60 }, (_, index) => `10.0.0.${index}`)
    const port = await respond({ example: addresses })
    const result = await probe('dns', `example@127.0.0.1:${port}`)
    expect(result).toMatchObject({ ok: true, detail: { retriedOverTcp: true } })
    expect(result.ok && result.detail.records.length).toBe(60)
    expect(Object.keys(result.phasesNs)).toEqual(['query', 'connect', 'retry'])
    expect(result.totalNs).toBe(Object.values(result.phasesNs).reduce((sum, ns) => sum + ns, 0))
  })

  test('that is truncated fails as applications do if the server refuses TCP, and says so', async () => {
    const port = await answerByUdp((query) => [answer(query, { flags: TRUNCATED_RESPONSE })])
    const result = await probe('dns', `example@127.0.0.1:${port}`)
    expect(result).toMatchObject({ failure: { reason: 'refused', phase: 'connect', code: 'ECONNREFUSED' } })
    expect(messageOf(result)).toMatchInlineSnapshot(
      `"127.0.0.1 answered that the answer is too long for UDP (TC), and the retry over TCP failed: connecting: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)"`,
    )
  })

  test('that is truncated, and does not come over TCP either, says both', async () => {
    const truncated = () => answerByUdp((query) => [answer(query, { flags: TRUNCATED_RESPONSE })])
    let port = await truncated()
    while (!(await isSilentOverTcp(port))) port = await truncated()
    const result = await probe('dns', `example@127.0.0.1:${port}`, { timeoutMs: 1_000 })
    expect(result).toMatchObject({ failure: { reason: 'timeout', phase: 'retry' } })
    expect(messageOf(result)).toBe(
      '127.0.0.1 answered that the answer is too long for UDP (TC), and the retry over TCP failed: no answer within 1000 ms',
    )
  })

  test.for<[what: string, forge: (query: DecodedPacket) => Buffer]>([
    ['to another name', (query) => answer(query, { questions: [{ name: 'evil.example', type: 'A' }] })],
    ['to another type', (query) => answer(query, { questions: [{ name: 'example', type: 'AAAA' }] })],
    ['to another class', (query) => answer(query, { questions: [{ name: 'example', type: 'A', class: 'CH' }] })],
    ['to another opcode', (query) => answer(query, { flags: 4 << 11 })],
    ['to no question', (query) => answer(query, { questions: [] })],
    ['cut off', (query) => answer(query).subarray(0, 20)],
  ])('%s is ignored over udp if the right one follows, and otherwise bad-reply, as over tcp', async ([, forge]) => {
    const first = await answerByUdp((query) => [forge(query), answer(query)])
    expect(await probe('dns', `example@127.0.0.1:${first}`)).toMatchObject({ ok: true })
    const udp = await answerByUdp((query) => [forge(query)])
    const tcp = await answerByTcp((query) => framed(forge(query)))
    for (const [port, transport] of [
      [udp, 'udp'],
      [tcp, 'tcp'],
    ] as const) {
      expect(await probe('dns', `example@127.0.0.1:${port}`, { transport, timeoutMs: 300 })).toMatchObject({
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
      answer(query, { questions: [{ name: 'other', type: 'A' }] }),
      answer(query),
      answer(query),
    ])
    expect(await prober.probe('dns', `example@127.0.0.1:${port}`)).toMatchObject({ ok: true })
    await eventually(() => strays.length === 6, 'all has come')
    expect(strays.map(({ kind }) => kind)).toEqual([...Array.from({ length: 5 }, () => 'foreign'), 'duplicate'])
  })
})

describe('a forger', () => {
  const name = 'kubernetes.default.svc.cluster.local'

  test('cannot tell the next id from the last ones', async () => {
    const ids: number[] = []
    const port = await answerByUdp((query) => {
      ids.push(query.id ?? 0)
      return [answer(query)]
    })
    const prober = createProber()
    onTestFinished(() => prober.close())
    for (let count = 0; count < 20; count++) await prober.probe('dns', `${name}@127.0.0.1:${port}`)
    const steps = ids.slice(1).map((id, index) => (id - (ids[index] ?? 0)) & 0xffff)
    expect(new Set(steps).size).toBeGreaterThan(15)
  })

  test('cannot succeed with the right id, because it does not know the case of the letters', async () => {
    const written = new Set<string>()
    const port = await answerByUdp((query) => {
      written.add(query.questions?.[0]?.name ?? '')
      return [answer(query, { questions: [{ name, type: 'A' }] })]
    })
    const result = await probe('dns', `${name}@127.0.0.1:${port}`)
    expect(result).toMatchObject({ ok: false, failure: { reason: 'refused', phase: 'connect' } })
    expect(messageOf(result)).toMatchInlineSnapshot(
      `"127.0.0.1 answered in another letter case than it was asked in, as a forger would, and the retry over TCP failed: connecting: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)"`,
    )
    await probe('dns', `${name}@127.0.0.1:${port}`)
    expect(written.size).toBe(2)
    // A server that changes the case itself is either asked over TCP, or trusted.
    const options = { randomCase: false, requireAnswer: false }
    expect(await probe('dns', `${name.toUpperCase()}@127.0.0.1:${port}`, options)).toMatchObject({ ok: true })
  })
})

test('a server that changes the case of letters is asked over TCP', async () => {
  const port = await listenTcp((socket) =>
    socket.once('data', (bytes) => socket.end(framed(answer(lowerCased(decode(bytes.subarray(2))))))),
  )
  const reply = (bytes: Buffer, from: RemoteInfo, socket: UdpSocket) =>
    socket.send(answer(lowerCased(decode(bytes))), from.port, from.address)
  await listenUdp(reply, '127.0.0.1', port)
  expect(await probe('dns', `Kubernetes.default.svc@127.0.0.1:${port}`)).toMatchObject({
    ok: true,
    detail: { retriedOverTcp: true },
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
    [
      'a truncated answer',
      (socket, query) => socket.end(framed(answer(query, { flags: TRUNCATED_RESPONSE }))),
      'bad-reply',
    ],
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

/** Accepts connections at a port until the test ends, and answers nothing; resolves to false if another program has the port. */
async function isSilentOverTcp(port: number): Promise<boolean> {
  const server = createServer((socket) => socket.on('error', () => {}).resume()).listen(port, '127.0.0.1')
  onTestFinished(() => void server.close())
  return new Promise((resolve) => server.on('listening', () => resolve(true)).on('error', () => resolve(false)))
}

async function answerByTcp(reply: (query: DecodedPacket) => Buffer): Promise<number> {
  return listenTcp((socket) => socket.once('data', (bytes) => socket.end(reply(decode(bytes.subarray(2))))))
}

/** Answers with an address, or with what is given. */
function answer({ id = 0, questions = [] }: DecodedPacket, packet: Packet = {}): Buffer {
  const answers: Answer[] = questions.map(({ name }) => ({ name, type: 'A', ttl: 5, data: '10.0.0.1' }))
  return encode({ type: 'response', id, questions, answers, ...packet })
}

function lowerCased({ questions = [], ...query }: DecodedPacket): DecodedPacket {
  return { ...query, questions: questions.map((each) => ({ ...each, name: each.name.toLowerCase() })) }
}

function optOf({ extendedRcode }: { readonly extendedRcode: number }): Answer {
  const sizes = { udpPayloadSize: 1232, extendedRcode, ednsVersion: 0, flags: 0 }
  return { type: 'OPT', name: '.', ...sizes, flag_do: false, options: [] }
}

function messageOf(result: ResultOf<'dns'>): string {
  return result.ok ? '' : result.failure.message
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}
