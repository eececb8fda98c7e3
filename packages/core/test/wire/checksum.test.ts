import fc from 'fast-check'
import { expect, test } from 'vitest'
import { internetChecksum } from '../../src/wire/checksum.ts'

// The words of RFC 1071 §3 add up to ddf2.
test('is the complement of the sum in the example of RFC 1071', () => {
  expect(internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(0xffff - 0xddf2)
})

test('treats an odd last byte as the high half of a word', () => {
  expect(internetChecksum(Uint8Array.of(0x12))).toBe(internetChecksum(Uint8Array.of(0x12, 0x00)))
})

test('adds carries back in, even over the largest packet', () => {
  expect(internetChecksum(new Uint8Array(65_535).fill(0xff))).toBe(0x00ff)
})

test('bytes that contain their own checksum sum to zero', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
      const padded = body.length % 2 === 0 ? body : Uint8Array.of(...body, 0)
      const sum = internetChecksum(padded)
      expect(internetChecksum(Uint8Array.of(...padded, sum >>> 8, sum & 0xff))).toBe(0)
    }),
  )
})
