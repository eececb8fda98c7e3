import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ipPacket } from '../../src/wire/ip.ts'

const byte = fc.integer({ min: 0, max: 255 })
const payload = fc.uint8Array({ maxLength: 64 })

describe('an IPv4 packet', () => {
  test('is what its header says, behind its options', () => {
    const addresses = fc.uint8Array({ minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 15 }),
        byte,
        byte,
        addresses,
        payload,
        (words, ttl, protocol, ends, rest) => {
          const packet = new Uint8Array(words * 4 + rest.length)
          packet.set([0x40 | words, 0, packet.length >>> 8, packet.length & 0xff, 0, 0, 0, 0, ttl, protocol])
          packet.set(ends, 12)
          packet.set(rest, words * 4)
          expect(ipPacket(packet)).toEqual({
            source: ends.slice(0, 4),
            destination: ends.slice(4),
            protocol,
            ttl,
            payload: rest,
            payloadBytes: rest.length,
          })
          // Cut inside its own header it is none, behind it the length is still told.
          expect(ipPacket(packet.subarray(0, words * 4 - 1))).toBeUndefined()
          expect(ipPacket(packet.subarray(0, words * 4))).toMatchObject({ payloadBytes: rest.length })
        },
      ),
    )
  })
})

describe('an IPv6 packet', () => {
  test('is what its header says', () => {
    const addresses = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(byte, byte, addresses, payload, (ttl, protocol, ends, rest) => {
        const packet = new Uint8Array(40 + rest.length)
        packet.set([0x60, 0, 0, 0, 0, rest.length, protocol, ttl])
        packet.set(ends, 8)
        packet.set(rest, 40)
        expect(ipPacket(packet)).toEqual({
          source: ends.slice(0, 16),
          destination: ends.slice(16),
          protocol,
          ttl,
          payload: rest,
          payloadBytes: rest.length,
        })
        expect(ipPacket(packet.subarray(0, 39))).toBeUndefined()
      }),
    )
  })
})

test.for([
  ['nothing', []],
  ['another version', [0x50, ...new Array<number>(40).fill(0)]],
  ['a header shorter than its least', [0x44, ...new Array<number>(40).fill(0)]],
] as const)('is undefined for %s', ([, bytes]) => {
  expect(ipPacket(Uint8Array.from(bytes))).toBeUndefined()
})

test('random bytes never throw, and a payload is never longer than its packet', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const packet = ipPacket(bytes)
      expect(packet?.payload.length ?? 0).toBeLessThanOrEqual(bytes.length)
      expect(packet?.payloadBytes ?? 0).toBeGreaterThanOrEqual(0)
    }),
  )
})
