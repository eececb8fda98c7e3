import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readUint16 } from '../../src/wire/bytes.ts'
import { type Echo, echoHeaderBytes, echoKindOf, encodeEcho, isIntact } from '../../src/wire/icmp.ts'

const versions = ['ipv4', 'ipv6'] as const
const echo = fc.record<Echo>({
  kind: fc.constantFrom('request', 'reply'),
  identifier: fc.integer({ min: 0, max: 0xffff }),
  sequence: fc.integer({ min: 0, max: 0xffff }),
  payload: fc.uint8Array({ maxLength: 128 }),
})

// RFC 792: type 8, code 0, and a checksum computed by hand: ~(0x0800 + 0x1234 + 0x0001) = 0xe5ca.
test('an echo request has the layout of RFC 792', () => {
  const bytes = encodeEcho('ipv4', { kind: 'request', identifier: 0x1234, sequence: 1, payload: new Uint8Array() })
  expect(Buffer.from(bytes).toString('hex')).toBe('0800e5ca12340001')
})

test('an ICMPv6 echo leaves the checksum to the kernel', () => {
  const bytes = encodeEcho('ipv6', { kind: 'request', identifier: 0x1234, sequence: 1, payload: new Uint8Array() })
  expect(Buffer.from(bytes).toString('hex')).toBe('8000000012340001')
})

describe.for(versions)('over %s', (version) => {
  test('an encoded message is recognized by its kind', () => {
    fc.assert(
      fc.property(echo, (message) => {
        const bytes = encodeEcho(version, message)
        expect(echoKindOf(version, bytes)).toBe(message.kind)
        expect(isIntact(version, bytes)).toBe(true)
        expect([readUint16(bytes, 4), readUint16(bytes, 6)]).toEqual([message.identifier, message.sequence])
        expect(Uint8Array.from(bytes.subarray(echoHeaderBytes))).toEqual(message.payload)
      }),
    )
  })

  test('random bytes never throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void echoKindOf(version, bytes)))
  })

  test('a message shorter than its header is not an echo', () => {
    const bytes = encodeEcho(version, { kind: 'reply', identifier: 0, sequence: 0, payload: new Uint8Array() })
    for (let length = 0; length < bytes.length; length++)
      expect(echoKindOf(version, bytes.subarray(0, length))).toBeUndefined()
  })

  test('other types and codes are not echoes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 255 }), (type, code) => {
        expect(echoKindOf(version, Uint8Array.of(type, code, 0, 0, 0, 0, 0, 0))).toBeUndefined()
      }),
    )
  })
})

test('a flipped bit anywhere breaks the checksum of an IPv4 echo', () => {
  fc.assert(
    fc.property(echo, fc.nat(), (message, position) => {
      const bytes = encodeEcho('ipv4', message)
      const bit = position % (bytes.length * 8)
      bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      expect(isIntact('ipv4', bytes)).toBe(false)
    }),
  )
})
