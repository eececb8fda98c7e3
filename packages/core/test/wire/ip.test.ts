import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ipv4Payload } from '../../src/wire/ip.ts'

test('finds the payload behind the header and its options', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 5, max: 15 }),
      fc.integer({ min: 0, max: 255 }),
      fc.uint8Array({ maxLength: 64 }),
      (words, ttl, payload) => {
        const packet = new Uint8Array(words * 4 + payload.length)
        packet[0] = 0x40 | words
        packet[8] = ttl
        packet.set(payload, words * 4)
        expect(ipv4Payload(packet)).toEqual({ ttl, payload })
        // A packet that ends inside its own header carries nothing.
        expect(ipv4Payload(packet.subarray(0, words * 4 - 1))).toBeUndefined()
      },
    ),
  )
})

test.for([
  ['nothing', []],
  ['IPv6', [0x60, ...new Array<number>(40).fill(0)]],
  ['a header shorter than its least', [0x44, ...new Array<number>(40).fill(0)]],
] as const)('is undefined for %s', ([, bytes]) => {
  expect(ipv4Payload(Uint8Array.from(bytes))).toBeUndefined()
})

test('random bytes never throw, and a payload is never longer than its packet', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(ipv4Payload(bytes)?.payload.length ?? 0).toBeLessThanOrEqual(bytes.length)
    }),
  )
})
