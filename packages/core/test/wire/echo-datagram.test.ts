import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeEchoDatagram,
  type EchoDatagram,
  echoHeaderBytes,
  encodeEchoDatagram,
  isGenuineEcho,
  maxPayloadBytes,
} from '../../src/wire/echo-datagram.ts'

const datagram = fc.record<EchoDatagram>({
  kind: fc.constantFrom('request', 'reply'),
  number: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
})
const payloadBytes = fc.oneof(
  fc.integer({ min: echoHeaderBytes, max: 200 }),
  fc.constantFrom(echoHeaderBytes, 1472, maxPayloadBytes),
)

test('an encoded datagram decodes to the same, has the requested size and is genuine', () => {
  fc.assert(
    fc.property(datagram, payloadBytes, fc.string(), (value, size, key) => {
      const bytes = encodeEchoDatagram(value, size, key)
      expect(bytes.length).toBe(size)
      expect(decodeEchoDatagram(bytes)).toEqual({ ...value, isWhole: true })
      expect(isGenuineEcho(bytes, key)).toBe(true)
    }),
  )
})

test('a datagram is never smaller than its header', () => {
  const bytes = encodeEchoDatagram({ kind: 'request', number: 2n }, 0, '')
  expect(bytes.length).toBe(echoHeaderBytes)
  expect(decodeEchoDatagram(bytes)).toEqual({ kind: 'request', number: 2n, isWhole: true })
})

describe('is rejected', () => {
  const bytes = () => encodeEchoDatagram({ kind: 'request', number: 8n }, 64, 'key')

  test('truncated within its number', () => {
    for (let length = 0; length < 16; length++) expect(decodeEchoDatagram(bytes().subarray(0, length))).toBeUndefined()
  })

  test('truncated behind its number, as one that is not whole', () => {
    for (let length = 16; length < 64; length++)
      expect(decodeEchoDatagram(bytes().subarray(0, length))).toEqual({ kind: 'request', number: 8n, isWhole: false })
    expect(isGenuineEcho(bytes().subarray(0, 23), 'key')).toBe(false)
  })

  test('with trailing bytes, as one that is not whole', () => {
    expect(decodeEchoDatagram(Uint8Array.of(...bytes(), 0))).toMatchObject({ isWhole: false })
  })

  test('under another key', () => {
    expect(isGenuineEcho(bytes(), 'other')).toBe(false)
    expect(isGenuineEcho(bytes(), '')).toBe(false)
  })

  test('with any bit of header or tag flipped', () => {
    for (let bit = 0; bit < echoHeaderBytes * 8; bit++) {
      const flipped = bytes()
      flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeEchoDatagram(flipped) !== undefined && isGenuineEcho(flipped, 'key')).toBe(false)
    }
  })

  test('of another version or an unknown kind', () => {
    for (const [offset, value] of [
      [4, 2],
      [5, 0],
      [5, 3],
    ] as const) {
      const other = bytes()
      other[offset] = value
      expect(decodeEchoDatagram(other)).toBeUndefined()
    }
  })
})

test('random bytes never throw and are never genuine', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 128 }), fc.string(), (bytes, key) => {
      expect(decodeEchoDatagram(bytes) !== undefined && isGenuineEcho(bytes, key)).toBe(false)
    }),
  )
})
