import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { decode, encode } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { sendFromPortZero } from '../../../../test/support/port-zero.ts'
import { capability, testWith } from '../../../../test/support/requirements.ts'
import { listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { probe } from '../../src/attempt/prober.ts'
import { startDnsResponder } from '../../src/responders/dns.ts'
import { encodeDnsQuestion } from '../../src/wire/dns.ts'

const question = encodeDnsQuestion({
  id: 7,
  name: 'scout.example',
  type: 'A',
  isRecursive: true,
  ednsBytes: 0,
  hasRandomCase: false,
})

describe('answers', () => {
  test.for([
    ['A', ['10.0.0.1', '10.0.0.2']],
    ['AAAA', ['fd00::1']],
    ['TXT', []],
  ] as const)('a query of type %s with %o', async ([type, addresses]) => {
    const { port } = await respond()
    const result = await probe('dns', `SCOUT.example.@127.0.0.1:${port}`, { type, requireAnswer: type !== 'TXT' })
    expect(result).toMatchObject({ ok: true, detail: { rcode: 'NOERROR', isAuthoritative: true } })
    expect(result.ok ? result.detail.records.map(({ data }) => data) : []).toEqual(addresses)
  })

  test('NXDOMAIN for an unknown name', async () => {
    const { port } = await respond()
    expect(await probe('dns', `other.example@127.0.0.1:${port}`)).toMatchObject({ failure: { code: 'NXDOMAIN' } })
  })

  test('several queries on one connection, in order', async () => {
    const { port, counters } = await respond()
    const client = connect({ host: '127.0.0.1', port })
    onTestFinished(() => void client.destroy())
    let receivedBytes = 0
    client.on('data', (chunk) => {
      receivedBytes += chunk.length
    })
    const framed = Buffer.concat([Buffer.of(0, question.length), question])
    client.write(Buffer.concat([framed, framed, framed.subarray(0, 10)]))
    client.write(framed.subarray(10))
    await eventually(() => counters.answered === 3, 'all are answered')
    await eventually(() => receivedBytes % 3 === 0 && receivedBytes > 3 * question.length, 'all answers have come')
  })
})

describe('counts and never answers', () => {
  test.for<[what: string, bytes: Uint8Array]>([
    ['nothing at all', new Uint8Array()],
    ['garbage', Buffer.from('garbage')],
    ['a truncated query', question.subarray(0, 20)],
    [
      'an answer, which another responder may have sent',
      encode({ type: 'response', id: 7, questions: [{ name: 'scout.example', type: 'A' }] }),
    ],
    ['a message without a question', encode({ type: 'query', id: 7 })],
  ])('%s', async ([, bytes]) => {
    const { port, counters } = await respond()
    const { client, received } = await openClient()
    client.send(bytes, port, '127.0.0.1')
    await eventually(() => counters.rejected === 1, 'it was counted')
    client.send(question, port, '127.0.0.1')
    await eventually(() => received.length > 0, 'a question is answered')
    expect(counters).toEqual({ answered: 1, rejected: 1, unsent: 0 })
    expect(received.length).toBe(1)
  })

  test('over TCP, and closes the connection', async () => {
    const { port, counters } = await respond()
    const client = connect({ host: '127.0.0.1', port })
    client.on('error', () => {})
    client.end(Buffer.from('\x00\x07garbage'))
    client.resume()
    await once(client, 'close')
    expect(counters).toEqual({ answered: 0, rejected: 1, unsent: 0 })
  })

  testWith(capability('CAP_NET_RAW'))('a datagram from port 0, to which nothing can be sent', async () => {
    const { port, counters } = await respond()
    sendFromPortZero(question, port)
    await eventually(() => counters.rejected === 1, 'it was counted')
  })
})

test('survives random bytes after the header of a query', async () => {
  const { port, counters } = await respond()
  const { client } = await openClient()
  let sent = 0
  const label = fc.uint8Array({ minLength: 1, maxLength: 63 }).map((bytes) => Buffer.of(bytes.length, ...bytes))
  const name = fc.array(label, { maxLength: 6 }).map((labels) => Buffer.concat([...labels, Buffer.of(0)]))
  const message = fc.tuple(name, fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 0, max: 0x7f }), fc.nat(3))
  await fc.assert(
    fc.asyncProperty(message, async ([questionName, rest, flags, records]) => {
      const header = Buffer.of(0, 1, flags, 0, 0, 1, 0, records, 0, 0, 0, records)
      sent++
      client.send(Buffer.concat([header, questionName, rest]), port, '127.0.0.1')
      await eventually(() => counters.answered + counters.rejected + counters.unsent === sent, 'it was counted')
    }),
    { numRuns: 300 },
  )
  expect(await probe('dns', `scout.example@127.0.0.1:${port}`)).toMatchObject({ ok: true })
})

test('a query that claims thousands of records costs about as much as any other', async () => {
  const { port, counters } = await respond()
  const { client } = await openClient()
  // A record of type 35 without its data, 65,535 times in each section. Id 0 made a decoder begin again at the start of the message.
  const hostile = Buffer.concat([question, Buffer.from('0000230001000000050000' + '0000000000', 'hex')])
  hostile.fill(0, 0, 2).fill(0xff, 6, 12)
  const costMs = async (query: Uint8Array) => {
    const startMs = performance.now()
    const before = counters.answered + counters.rejected
    for (let count = 0; count < 20; count++) client.send(query, port, '127.0.0.1')
    await eventually(() => counters.answered + counters.rejected === before + 20, 'all were counted', 60_000)
    return performance.now() - startMs
  }
  await costMs(question)
  expect(await costMs(hostile)).toBeLessThan(20 * (await costMs(question)) + 200)
})

test.for(['udp', 'tcp'] as const)('a %s port in use is an error, and leaves nothing open', async (transport) => {
  const port = transport === 'udp' ? (await listenUdp(() => {})).address().port : await listenTcp(() => {})
  const allClosed = await watchHandles()
  await expect(startDnsResponder({ host: '127.0.0.1', port, addressesOf: () => [] })).rejects.toThrow('EADDRINUSE')
  await allClosed()
})

describe('over TCP', () => {
  test('ends a client that says nothing for 5 s, and one that takes longer than that to say one query', async () => {
    const { port, counters } = await respond()
    const framed = Buffer.concat([Buffer.of(0, question.length), question])
    const silent = connect({ host: '127.0.0.1', port })
    const slow = connect({ host: '127.0.0.1', port })
    const startMs = performance.now()
    // Either may be reset, where the other's bytes were on their way: `once` would take that for the end of the test.
    const closedAfterMs = (socket: Socket) =>
      new Promise<number>((resolve) => {
        socket.resume().on('error', () => {})
        socket.on('close', () => resolve(performance.now() - startMs))
      })
    let sent = 0
    const drip = setInterval(() => slow.write(framed.subarray(sent, ++sent)), 500)
    slow.on('close', () => clearInterval(drip))
    const [silentMs, slowMs] = await Promise.all([closedAfterMs(silent), closedAfterMs(slow)])
    expect(Math.min(silentMs, slowMs)).toBeGreaterThan(4_500)
    expect(sent).toBeLessThan(framed.length)
    expect(counters).toEqual({ answered: 0, rejected: 1, unsent: 0 })
  })

  test('answers no more than the host can buffer for a client that reads no answers, and ends it', async () => {
    const { port, counters } = await respond()
    const framed = Buffer.concat([Buffer.of(0, question.length), question])
    const client = connect({ host: '127.0.0.1', port })
    const closed = new Promise((resolve) => client.on('error', () => {}).on('close', resolve))
    client.pause()
    const queries = 1_000_000
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => framed))
    let written = 0
    const writeOn = () => {
      written += 10_000
      if (written < queries) client.write(many, (error) => error ?? writeOn())
    }
    writeOn()
    await closed
    expect(counters.answered).toBeGreaterThan(0)
    expect(counters.answered).toBeLessThan(queries / 2)
  })

  test('closes more connections than it can serve', async () => {
    const { port, counters } = await respond()
    const clients = Array.from({ length: 101 }, () => connect({ host: '127.0.0.1', port }))
    onTestFinished(() => clients.forEach((client) => void client.destroy()))
    for (const client of clients) client.on('error', () => {})
    await eventually(() => counters.rejected === 1, 'one is refused')
    await eventually(
      () => clients.filter((client) => client.readyState === 'open').length === 100,
      'the others are open',
    )
  })
})

test('an answer over UDP that is too long says so instead, and is whole over TCP', async () => {
  const addresses = Array.from({ length: 40 }, (_, index) => `10.0.0.${index}`)
  const responder = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: () => addresses })
  onTestFinished(() => responder.close())
  const { client, received } = await openClient()
  client.send(question, responder.port, '127.0.0.1')
  await eventually(() => received.length > 0, 'it is answered')
  const read = received.map((bytes) => decode(bytes))
  expect(read).toMatchObject([{ flag_tc: true, answers: [], questions: [{ name: 'scout.example', type: 'A' }] }])
  const result = await probe('dns', `scout.example@127.0.0.1:${responder.port}`, { transport: 'tcp' })
  expect(result.ok ? result.detail.records.length : 0).toBe(40)
})

describe('closing', () => {
  test('leaves nothing open, not even an idle connection', async () => {
    const allClosed = await watchHandles()
    const responder = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: () => [] })
    const client = connect({ host: '127.0.0.1', port: responder.port })
    client.on('error', () => {})
    await once(client, 'connect')
    const startMs = performance.now()
    await responder.close()
    expect(performance.now() - startMs).toBeLessThan(500)
    client.destroy()
    await allClosed()
  })
})

async function respond() {
  const addresses: Readonly<Record<string, readonly string[]>> = {
    'scout.example': ['10.0.0.1', '10.0.0.2', 'fd00::1'],
  }
  const responder = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: (name) => addresses[name] })
  onTestFinished(() => responder.close())
  return responder
}

async function openClient() {
  const received: Buffer[] = []
  return { client: await listenUdp((bytes) => received.push(bytes)), received }
}
