import { encode, type Packet } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeDnsAnswer, dnsResponseId, encodeDnsQuestion, recordTypes, reverseName } from '../../src/wire/dns.ts'

describe('a question', () => {
  test('has the layout of RFC 1035', () => {
    const bytes = encodeDnsQuestion({ id: 0x1234, name: 'a.b', type: 'A', isRecursive: true, ednsBytes: 0 })
    expect(Buffer.from(bytes).toString('hex')).toBe('1234' + '0100' + '0001000000000000' + '0161016200' + '00010001')
  })

  test('announces its largest accepted answer with EDNS', () => {
    const bytes = encodeDnsQuestion({ id: 0, name: '.', type: 'A', isRecursive: false, ednsBytes: 1232 })
    expect(Buffer.from(bytes).subarray(-11).toString('hex')).toBe('00' + '0029' + '04d0' + '00000000' + '0000')
  })

  test('is never mistaken for an answer', () => {
    const question = fc.record({
      id: fc.integer({ min: 0, max: 0xffff }),
      name: fc.domain(),
      type: fc.constantFrom(...recordTypes),
      isRecursive: fc.boolean(),
      ednsBytes: fc.constantFrom(0, 1232),
    })
    fc.assert(
      fc.property(question, (value) => {
        const bytes = encodeDnsQuestion(value)
        expect(dnsResponseId(bytes)).toBeUndefined()
        expect(decodeDnsAnswer(bytes)).toBeUndefined()
      }),
    )
  })
})

describe('an answer', () => {
  test('decodes to what was encoded', () => {
    const record = fc.record({ ttl: fc.integer({ min: 0, max: 2 ** 31 - 1 }), data: fc.ipV4() })
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        fc.domain(),
        fc.array(record, { maxLength: 20 }),
        (id, name, records) => {
          const bytes = response({
            id,
            questions: [{ name, type: 'A' }],
            answers: records.map(({ ttl, data }) => ({ name, type: 'A', ttl, data })),
          })
          expect(dnsResponseId(bytes)).toBe(id)
          expect(decodeDnsAnswer(bytes)).toEqual({
            rcode: 'NOERROR',
            isTruncated: false,
            isAuthoritative: false,
            question: { name, type: 'A' },
            records: records.map(({ ttl, data }) => ({ type: 'A', ttlSeconds: ttl, data })),
          })
        },
      ),
    )
  })

  test('has each record in zone-file format', () => {
    const name = 'x.example'
    const bytes = response({
      answers: [
        { name, type: 'AAAA', ttl: 1, data: 'fd00::1' },
        { name, type: 'SRV', ttl: 2, data: { priority: 1, weight: 2, port: 8081, target: 'scout.example' } },
        { name, type: 'PTR', ttl: 3, data: 'host.example' },
        { name, type: 'TXT', ttl: 4, data: ['one', 'two "2"'] },
        { name, type: 'CNAME', ttl: 5, data: 'y.example' },
      ],
    })
    expect(decodeDnsAnswer(bytes)?.records.map(({ type, data }) => `${type} ${data}`)).toMatchInlineSnapshot(`
      [
        "AAAA fd00::1",
        "SRV 1 2 8081 scout.example",
        "PTR host.example",
        "TXT "one" "two \\"2\\""",
        "CNAME y.example",
      ]
    `)
  })

  test.for([
    [0, 'NOERROR'],
    [1, 'FORMERR'],
    [2, 'SERVFAIL'],
    [3, 'NXDOMAIN'],
    [5, 'REFUSED'],
    [15, 'RCODE_15'],
  ] as const)('with code %s is %s', ([code, rcode]) => {
    expect(decodeDnsAnswer(response({ flags: code }))?.rcode).toBe(rcode)
  })

  test('distinguishes its flags', () => {
    expect(decodeDnsAnswer(response({ flags: 0x0400 }))).toMatchObject({ isAuthoritative: true, isTruncated: false })
    expect(decodeDnsAnswer(response({ flags: 0x0200 }))).toMatchObject({ isAuthoritative: false, isTruncated: true })
  })

  test('truncated within its header, question or records is undefined', () => {
    const bytes = response({
      questions: [{ name: 'scout.example', type: 'A' }],
      answers: [{ name: 'scout.example', type: 'A', ttl: 5, data: '10.0.0.1' }],
    })
    for (let length = 0; length < bytes.length; length++)
      expect(decodeDnsAnswer(bytes.subarray(0, length))).toBeUndefined()
  })
})

describe('random bytes', () => {
  test('never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        void dnsResponseId(bytes)
        void decodeDnsAnswer(bytes)
      }),
      { numRuns: 500 },
    )
  })

  test('after the header of an answer never throw, and name pointers in a loop do not take long', () => {
    const name = fc.oneof(fc.constant(Uint8Array.of(0xc0, 0x0c)), fc.uint8Array({ maxLength: 60 }))
    fc.assert(
      fc.property(fc.array(name, { maxLength: 20 }), fc.nat(20), fc.nat(200), (parts, questions, answers) => {
        const header = Uint8Array.of(0, 1, 0x80, 0, 0, questions, 0, answers, 0, 0, 0, 0)
        void decodeDnsAnswer(Buffer.concat([header, ...parts]))
      }),
      { numRuns: 500 },
    )
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

function response(packet: Omit<Packet, 'type'>): Buffer {
  return encode({ type: 'response', id: 1, questions: [{ name: 'example', type: 'A' }], ...packet })
}
