import { type Answer, type DecodedPacket, decode, encode } from 'dns-packet'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startChild } from '../../../../test/support/child.ts'
import { mountNamespaces, withNames, type Zone } from '../../../../test/support/names.ts'
import { describeWith } from '../../../../test/support/requirements.ts'
import { listenTcp, listenUdp } from '../../../../test/support/servers.ts'
import { createProber, probe } from '../../src/attempt/prober.ts'
import { startDnsResponder } from '../../src/responders/dns.ts'

describe('A and AAAA in parallel', () => {
  test('leave one after the other from one port, which is another one each time', async () => {
    const queries: { readonly type: string | undefined; readonly port: number }[] = []
    const port = await answerByUdp((query, from) => {
      queries.push({ type: query.questions?.[0]?.type, port: from })
      return true
    })
    const prober = createProber()
    onTestFinished(() => prober.close())
    for (let count = 0; count < 2; count++) {
      expect(await prober.probe('dns', `example@127.0.0.1:${port}`, { parallel: true })).toMatchObject({ ok: true })
    }
    expect(queries.map(({ type }) => type)).toEqual(['A', 'AAAA', 'A', 'AAAA'])
    const [one, two, three, four] = queries.map((query) => query.port)
    expect([one, three]).toEqual([two, four])
    expect(one).not.toBe(three)
  })

  test('have a time each, and the phase is that of the last answer', async () => {
    const result = await probe('dns', `example@127.0.0.1:${await respond(['10.0.0.1', 'fd00::1'])}`, { parallel: true })
    expect(result).toMatchObject({
      ok: true,
      detail: {
        rcode: 'NOERROR',
        records: [
          { type: 'A', data: '10.0.0.1' },
          { type: 'AAAA', data: 'fd00::1' },
        ],
        queries: [
          { type: 'A', name: 'example', rcode: 'NOERROR' },
          { type: 'AAAA', name: 'example', rcode: 'NOERROR' },
        ],
      },
      packets: { sent: 2, returned: 2 },
    })
    const times = result.ok ? (result.detail.queries ?? []).map(({ tookNs = 0 }) => tookNs) : []
    expect(result.phasesNs.query).toBe(Math.max(...times))
  })

  test.for([
    ['A', 'first', 'AAAA'],
    ['AAAA', 'second', 'A'],
  ] as const)('of which %s, sent %s, is lost fail, and say so', async ([lost, place, other]) => {
    const port = await answerByUdp((query) => query.questions?.[0]?.type !== lost)
    const result = await probe('dns', `example@127.0.0.1:${port}`, { parallel: true, timeoutMs: 200 })
    expect(result).toMatchObject({
      ok: false,
      failure: { reason: 'timeout', phase: 'query', code: `LOST_${lost}` },
      packets: { sent: 2, returned: 1 },
    })
    expect(result.ok ? '' : result.failure.message.replace(/\d[\d.]*[mµ]s/, '#')).toBe(
      `127.0.0.1 answered ${other} example after #, but not ${lost}, sent ${place} from the same port: no answer within 200 ms`,
    )
    const [unanswered] = (result.detail?.queries ?? []).filter(({ rcode }) => rcode === undefined)
    expect(unanswered).toEqual({ type: lost, name: 'example' })
  })

  test('that are both lost are a timeout like any other', async () => {
    const port = await answerByUdp(() => false)
    const result = await probe('dns', `example@127.0.0.1:${port}`, { parallel: true, timeoutMs: 200 })
    expect(result).toMatchObject({ failure: { reason: 'timeout', message: 'no answer within 200 ms' } })
    expect(result.ok ? '' : result.failure.code).toBeUndefined()
  })

  test('succeed for a name with addresses of one family, as getaddrinfo does', async () => {
    const options = { parallel: true } as const
    const result = await probe('dns', `example@127.0.0.1:${await respond(['10.0.0.1'])}`, options)
    expect(result).toMatchObject({ ok: true, detail: { queries: [{ rcode: 'NOERROR' }, { rcode: 'NODATA' }] } })
    const none = await probe('dns', `example@127.0.0.1:${await respond([])}`, options)
    expect(none.ok ? '' : none.failure.message).toMatchInlineSnapshot(
      `"127.0.0.1 answered A and AAAA example with NODATA: example has no A or AAAA record; query another type, or set requireAnswer to false"`,
    )
  })

  test('over TCP share a connection', async () => {
    const port = await respond(['10.0.0.1', 'fd00::1'])
    expect(await probe('dns', `example@127.0.0.1:${port}`, { parallel: true, transport: 'tcp' })).toMatchObject({
      ok: true,
      detail: { records: [{ type: 'A' }, { type: 'AAAA' }], queries: [{ type: 'A' }, { type: 'AAAA' }] },
    })
  })

  test('of which one is truncated have that one retried over TCP', async () => {
    const port = await respond([...Array.from({ length: 60 }, (_, index) => `10.0.0.${index}`), 'fd00::1'])
    const result = await probe('dns', `example@127.0.0.1:${port}`, { parallel: true })
    expect(result).toMatchObject({ ok: true, detail: { retriedOverTcp: true } })
    expect(result.ok && result.detail.records.length).toBe(61)
    expect(Object.keys(result.phasesNs)).toEqual(['query', 'connect', 'retry'])
  })
})

describe('a server that refuses TCP', () => {
  const options = { transport: 'tcp', requireTcp: false } as const

  test('is no failure where TCP is optional and it never answered over it', async () => {
    const port = await answerByUdp(() => true)
    expect(await probe('dns', `example@127.0.0.1:${port}`, { transport: 'tcp' })).toMatchObject({
      failure: { reason: 'refused' },
    })
    const result = await probe('dns', `example@127.0.0.1:${port}`, options)
    expect(result).toMatchObject({ failure: { reason: 'not-supported', phase: 'connect' } })
    expect(result.ok ? '' : result.failure.message).toMatchInlineSnapshot(
      `"127.0.0.1 refuses DNS over TCP, and has not answered over it before: truncated answers cannot be completed (RFC 7766 requires TCP)"`,
    )
  })

  test('is a failure once it has answered over TCP', async () => {
    const responder = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: () => ['10.0.0.1'] })
    const prober = createProber()
    onTestFinished(() => prober.close())
    const session = prober.openSession()
    const target = `example@127.0.0.1:${responder.port}`
    expect(await prober.probe('dns', target, { ...options, session })).toMatchObject({ ok: true })
    await responder.close()
    expect(await prober.probe('dns', target, { ...options, session })).toMatchObject({ failure: { reason: 'refused' } })
  })

  test('is told from one that is silent, which fails', async () => {
    const port = await listenTcp((socket) => socket.resume())
    expect(await probe('dns', `example@127.0.0.1:${port}`, { ...options, timeoutMs: 200 })).toMatchObject({
      failure: { reason: 'timeout' },
    })
  })
})

describeWith('ip', mountNamespaces)('by search list', () => {
  const server = '10.9.0.53'
  const inPod = `nameserver ${server}\nsearch default.svc.test svc.test test\noptions ndots:5\n`
  const start = async (zone: Zone, resolvConf = inPod) => {
    const child = await startChild(withNames({ servers: { [server]: zone }, resolvConf }))
    onTestFinished(() => child.close())
    return child
  }
  const asked = (result: { readonly detail?: object }) =>
    (result.detail as { queries?: readonly { type: string; name: string; rcode?: string }[] }).queries?.map(
      ({ type, name, rcode }) => `${type} ${name} ${rcode}`,
    )

  test('a name with few dots is queried with each domain, until one has a record', async () => {
    const child = await start({ 'api.other.test': { A: ['10.9.0.2'] }, 'other.example': { A: ['10.9.0.3'] } })
    const result = await child.probe('dns', `api.other@${server}`, { search: true })
    expect(result).toMatchObject({ ok: true, detail: { records: [{ data: '10.9.0.2' }] } })
    expect(asked(result)).toEqual([
      'A api.other.default.svc.test NXDOMAIN',
      'A api.other.svc.test NXDOMAIN',
      'A api.other.test NOERROR',
    ])
    const times = result.ok ? (result.detail.queries ?? []).map(({ tookNs = 0 }) => tookNs) : []
    expect(result.phasesNs.query).toBe(times.reduce((sum, ns) => sum + ns, 0))
  })

  test('an external name costs a query for each domain before its own, twice as many in parallel', async () => {
    const child = await start({ 'www.example': { A: ['10.9.0.3'] } })
    const search = { search: true } as const
    expect(asked(await child.probe('dns', `www.example@${server}`, search))).toHaveLength(4)
    const both = await child.probe('dns', `www.example@${server}`, { ...search, parallel: true })
    expect(both).toMatchObject({ ok: true, packets: { sent: 8, returned: 8 } })
    expect(asked(both)).toHaveLength(8)
    expect(asked(await child.probe('dns', `www.example.@${server}`, search))).toHaveLength(1)
  })

  test('a name with as many dots as ndots is queried as it is first', async () => {
    const child = await start({ 'www.example': { A: ['10.9.0.3'] } }, `nameserver ${server}\nsearch test\n`)
    expect(asked(await child.probe('dns', `www.example@${server}`, { search: true }))).toEqual([
      'A www.example NOERROR',
    ])
  })

  test('the search ends where that of getaddrinfo does', async () => {
    const child = await start({ 'www.svc.test': { A: 'REFUSED' }, 'www.test': { A: ['10.9.0.2'] } })
    const refused = await child.probe('dns', `www@${server}`, { search: true })
    expect(refused).toMatchObject({ failure: { reason: 'bad-status', code: 'REFUSED' } })
    expect(asked(refused)).toEqual(['A www.default.svc.test NXDOMAIN', 'A www.svc.test REFUSED'])
  })

  test('a name that exists without a record is NODATA, although the last name does not exist', async () => {
    const child = await start({ 'www.default.svc.test': { AAAA: ['fd00::1'] } })
    const result = await child.probe('dns', `www@${server}`, { search: true })
    expect(result).toMatchObject({ failure: { code: 'NODATA' } })
    expect(asked(result)).toHaveLength(4)
  })
})

async function respond(addresses: readonly string[]): Promise<number> {
  const responder = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: () => addresses })
  onTestFinished(() => responder.close())
  return responder.port
}

/** Answers those queries with an address for which `isAnswered` returns true. */
async function answerByUdp(isAnswered: (query: DecodedPacket, port: number) => boolean): Promise<number> {
  const server = await listenUdp((bytes, from, socket) => {
    const query = decode(bytes)
    if (isAnswered(query, from.port)) socket.send(answer(query), from.port, from.address)
  })
  return server.address().port
}

function answer({ id = 0, questions = [] }: DecodedPacket): Buffer {
  const answers: Answer[] = questions.map(({ name, type }) =>
    type === 'AAAA' ? { name, type, ttl: 5, data: 'fd00::1' } : { name, type: 'A', ttl: 5, data: '10.0.0.1' },
  )
  return encode({ type: 'response', id, questions, answers })
}
