import { decode, encode, type Packet } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DnsQuestion, dnsResponseId, encodeDnsQuestion, recordTypeNames, reverseName } from '../../src/wire/dns.ts'
import { type DnsAnswer, readDnsAnswer } from '../../src/wire/dns-answer.ts'

// dns-packet, which the product does not use, is the second opinion on the wire format.

describe('a question', () => {
  test('has the layout of RFC 1035', () => {
    const bytes = encodeDnsQuestion({ ...plain, id: 0x1234, name: 'a.b' })
    expect(Buffer.from(bytes).toString('hex')).toBe('1234' + '0100' + '0001000000000000' + '0161016200' + '00010001')
  })

  test('announces its largest accepted answer with EDNS', () => {
    const bytes = encodeDnsQuestion({ ...plain, name: '.', ednsBytes: 1232 })
    expect(Buffer.from(bytes).subarray(-11).toString('hex')).toBe('00' + '0029' + '04d0' + '00000000' + '0000')
  })

  const question = fc.record<DnsQuestion>({
    id: fc.integer({ min: 0, max: 0xffff }),
    name: fc.domain(),
    type: fc.constantFrom(...recordTypeNames),
    isRecursive: fc.boolean(),
    ednsBytes: fc.constantFrom(0, 1232),
    hasRandomCase: fc.boolean(),
  })

  test('is what another decoder reads, and never mistaken for an answer', () => {
    fc.assert(
      fc.property(question, (value) => {
        const bytes = encodeDnsQuestion(value)
        const read = decode(Buffer.from(bytes))
        expect(read).toMatchObject({ type: 'query', id: value.id, flag_rd: value.isRecursive })
        expect(read.questions?.map(({ name, type }) => [name.toLowerCase(), type])).toEqual([
          [value.name.toLowerCase(), value.type],
        ])
        expect(read.additionals?.map((record) => 'udpPayloadSize' in record && record.udpPayloadSize)).toEqual(
          value.ednsBytes === 0 ? [] : [value.ednsBytes],
        )
        expect(dnsResponseId(bytes)).toBeUndefined()
        expect(readDnsAnswer(bytes, bytes, true)).toBe('other-query')
      }),
    )
  })

  test('in random case has each letter in both cases', () => {
    const seen = new Set<string>()
    for (let count = 0; count < 200; count++)
      seen.add(
        Buffer.from(encodeDnsQuestion({ ...plain, name: 'ab-1', hasRandomCase: true })).toString('latin1', 13, 17),
      )
    expect([...seen].toSorted()).toEqual(['AB-1', 'Ab-1', 'aB-1', 'ab-1'])
  })
})

describe('an answer', () => {
  const answered = fc.record({ ttl: fc.integer({ min: 0, max: 2 ** 31 - 1 }), data: fc.ipV4() })

  test('is read as another encoder wrote it', () => {
    fc.assert(
      fc.property(fc.domain(), fc.array(answered, { maxLength: 20 }), (name, records) => {
        const query = encodeDnsQuestion({ ...plain, name })
        const bytes = response({
          questions: [{ name, type: 'A' }],
          answers: records.map(({ ttl, data }) => ({ name, type: 'A', ttl, data })),
        })
        expect(dnsResponseId(bytes)).toBe(plain.id)
        expect(readDnsAnswer(bytes, query, true)).toEqual({
          rcode: 'NOERROR',
          isTruncated: false,
          isAuthoritative: false,
          records: records.map(({ ttl, data }) => ({ type: 'A', ttlSeconds: ttl, data })),
          hasData: records.length > 0,
        })
      }),
    )
  })

  test('has each record in zone-file format', () => {
    const name = 'x.example'
    const bytes = response({
      answers: [
        { name, type: 'AAAA', ttl: 1, data: 'fd00::1' },
        { name, type: 'SRV', ttl: 2, data: { priority: 1, weight: 2, port: 8081, target: 'scout.example' } },
        { name, type: 'PTR', ttl: 3, data: 'host.example' },
        { name, type: 'TXT', ttl: 4, data: ['one', 'two "2"', 'é'] },
        { name, type: 'CNAME', ttl: 5, data: 'y.example' },
        { name, type: 'NS', ttl: 6, data: 'ns.example' },
        { name, type: 'MX', ttl: 7, data: { preference: 10, exchange: 'm' } },
        { name, type: 'NULL', ttl: 8, data: Buffer.of() },
      ],
    })
    expect(answerTo(bytes).records.map(({ type, data }) => `${type} ${data}`)).toMatchInlineSnapshot(`
      [
        "AAAA fd00::1",
        "SRV 1 2 8081 scout.example",
        "PTR host.example",
        "TXT "one" "two \\"2\\"" "\\195\\169"",
        "CNAME y.example",
        "NS ns.example",
        "TYPE15 \\# 5 000a016d00",
        "TYPE10 \\# 0",
      ]
    `)
  })

  test('writes any IPv6 address as RFC 5952 does', () => {
    const group = fc.constantFrom(0, 0, 0, 1, 0x10, 0xabcd)
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const data = groups.map((each) => each.toString(16)).join(':')
        const bytes = response({ answers: [{ name: 'x', type: 'AAAA', ttl: 1, data }] })
        // The parser of URLs writes addresses in the same form.
        expect(answerTo(bytes).records[0]?.data).toBe(new URL(`http://[${data}]`).hostname.slice(1, -1))
      }),
    )
  })

  test('escapes what a name may not show as it is', () => {
    const label = [0x61, 0x2e, 0x20, 0x5c, 0x00, 0xff]
    const data = Uint8Array.of(label.length, ...label, 0)
    const record = Buffer.from([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 5, 0, data.length, ...data])
    const bytes = Buffer.concat([response({}), record])
    bytes.writeUInt16BE(1, 6)
    expect(answerTo(bytes).records).toMatchObject([{ type: 'PTR', data: 'a\\.\\032\\\\\\000\\255' }])
  })

  test('with the highest bit of a TTL set has none', () => {
    const bytes = response({ answers: [{ name: 'example', type: 'A', ttl: 0xffff_ffff, data: '10.0.0.1' }] })
    expect(answerTo(bytes).records).toMatchObject([{ ttlSeconds: 0 }])
  })

  test.for([
    [0, 0, 'NOERROR'],
    [1, 0, 'FORMERR'],
    [2, 0, 'SERVFAIL'],
    [3, 0, 'NXDOMAIN'],
    [5, 0, 'REFUSED'],
    [15, 0, 'RCODE_15'],
    [0, 1, 'BADVERS'],
    [7, 1, 'BADCOOKIE'],
    [5, 1, 'RCODE_21'],
  ] as const)('with code %i and extended code %i is %s', ([code, extendedRcode, rcode]) => {
    const edns = { type: 'OPT', name: '.', udpPayloadSize: 1232, extendedRcode, ednsVersion: 0, flags: 0 } as const
    const additionals = extendedRcode === 0 ? [] : [{ ...edns, flag_do: false, options: [] }]
    expect(answerTo(response({ flags: code, additionals })).rcode).toBe(rcode)
  })

  test('distinguishes its flags', () => {
    expect(answerTo(response({ flags: 0x0400 }))).toMatchObject({ isAuthoritative: true, isTruncated: false })
    expect(answerTo(response({ flags: 0x0200 }))).toMatchObject({ isAuthoritative: false, isTruncated: true })
  })

  test('that is truncated may end anywhere after its question', () => {
    const answers = [{ name: 'example', type: 'A', ttl: 5, data: '10.0.0.1' } as const]
    const whole = response({ flags: 0x0200, answers })
    const start = response({}).length
    for (let length = start; length < whole.length; length++)
      expect(answerTo(whole.subarray(0, length))).toMatchObject({ isTruncated: true, records: [] })
  })

  test('cut off within its header, question or records is malformed', () => {
    const bytes = response({ answers: [{ name: 'example', type: 'A', ttl: 5, data: '10.0.0.1' }] })
    for (let length = 0; length < bytes.length; length++)
      expect(readDnsAnswer(bytes.subarray(0, length), query, true)).toBe('malformed')
  })

  test('has data if an alias leads to it, in any order and case, and not if it leads nowhere or around', () => {
    const alias = (name: string, data: string) => ({ name, type: 'CNAME', ttl: 5, data }) as const
    const address = (name: string) => ({ name, type: 'A', ttl: 5, data: '10.0.0.1' }) as const
    const outcome = (...answers: NonNullable<Packet['answers']>) => {
      const { hasData, aliasOf } = answerTo(response({ answers }))
      return [hasData, aliasOf]
    }
    expect(outcome()).toEqual([false, undefined])
    expect(outcome(address('EXAMPLE'))).toEqual([true, undefined])
    expect(outcome(address('other'))).toEqual([false, undefined])
    expect(outcome(address('c'), alias('B', 'C'), alias('example', 'b'))).toEqual([true, 'C'])
    expect(outcome(alias('example', 'b'))).toEqual([false, 'b'])
    expect(outcome(alias('example', 'b'), alias('b', 'example'))[0]).toBe(false)
  })

  test.for<[what: string, misfit: string, forge: () => Buffer]>([
    ['another id', 'other-query', () => response({ id: 8 })],
    ['another name', 'other-query', () => response({ questions: [{ name: 'exampla', type: 'A' }] })],
    ['a shorter name', 'other-query', () => response({ questions: [{ name: 'ex', type: 'A' }] })],
    ['another type', 'other-query', () => response({ questions: [{ name: 'example', type: 'AAAA' }] })],
    ['another class', 'other-query', () => response({ questions: [{ name: 'example', type: 'A', class: 'CH' }] })],
    [
      'two questions',
      'other-query',
      () => response({ questions: ['a', 'a'].map(() => ({ name: 'example', type: 'A' })) }),
    ],
    ['no question', 'other-query', () => response({ questions: [] })],
    ['another opcode', 'other-query', () => response({ flags: 5 << 11 })],
    ['another case', 'other-case', () => response({ questions: [{ name: 'exAmple', type: 'A' }] })],
  ])('to %s is %s', ([, misfit, forge]) => {
    expect(readDnsAnswer(forge(), query, true)).toBe(misfit)
  })

  test('may repeat the name in another case, if the query was not written in random case', () => {
    expect(readDnsAnswer(response({ questions: [{ name: 'EXAMPLE', type: 'A' }] }), query, false)).toMatchObject({
      rcode: 'NOERROR',
    })
  })

  test('that is an error may omit the question', () => {
    expect(answerTo(response({ flags: 1, questions: [] })).rcode).toBe('FORMERR')
  })
})

describe('a malformed name', () => {
  test.for([
    ['a pointer to itself', 'c025'],
    ['a pointer forward', 'c0ff'],
    ['a pointer into the header', 'c000'],
    ['a reserved kind of label', '80'],
    ['no end', '0161'],
  ])('with %s makes the message malformed', ([, name = '']) => {
    const data = Buffer.from(name, 'hex')
    const record = Buffer.concat([Buffer.from([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 5, 0, data.length]), data])
    const bytes = Buffer.concat([response({}), record])
    bytes.writeUInt16BE(1, 6)
    expect(readDnsAnswer(bytes, query, true)).toBe('malformed')
  })

  test('of more than 255 bytes by its pointers makes the message malformed', () => {
    const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}`
    const asked = encodeDnsQuestion({ ...plain, name: long })
    const label = Buffer.from([20, ...Buffer.from('e'.repeat(20)), 0xc0, 12])
    const record = Buffer.concat([Buffer.from([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 5, 0, label.length]), label])
    const bytes = Buffer.concat([response({ questions: [{ name: long, type: 'A' }] }), record])
    bytes.writeUInt16BE(1, 6)
    expect(readDnsAnswer(bytes, asked, true)).toBe('malformed')
  })
})

describe('a reverse name', () => {
  test.for([
    ['10.0.0.7', '7.0.0.10.in-addr.arpa'],
    ['2001:db8::567:89ab', 'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
    ['::', `${'0.'.repeat(32)}ip6.arpa`],
    ['::ffff:10.0.0.7', '7.0.0.0.0.0.a.0.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa'],
    ['fe80::1%eth0', '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa'],
    ['scout.example', 'scout.example'],
  ] as const)('of %s is %s', ([written, name]) => {
    expect(reverseName(written)).toBe(name)
  })

  test('has every nibble of any IPv6 address, in reverse order', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(reverseName(address)).toMatch(/^(?:[0-9a-f]\.){32}ip6\.arpa$/)
      }),
    )
  })
})

const plain: DnsQuestion = {
  id: 7,
  name: 'example',
  type: 'A',
  isRecursive: true,
  ednsBytes: 0,
  hasRandomCase: false,
}
const query = encodeDnsQuestion(plain)

function answerTo(bytes: Uint8Array): DnsAnswer {
  const answer = readDnsAnswer(bytes, query, true)
  if (typeof answer === 'string') throw new Error(answer)
  return answer
}

function response(packet: Omit<Packet, 'type'>): Buffer {
  return encode({ type: 'response', id: plain.id, questions: [{ name: 'example', type: 'A' }], ...packet })
}
