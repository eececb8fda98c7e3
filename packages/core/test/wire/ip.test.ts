import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ipPacket } from '../../src/wire/ip.ts'

const byte = fc.integer({ min: 0, max: 255 })

function headerFields(addressBytes: number) {
  const address = fc.uint8Array({ minLength: addressBytes, maxLength: addressBytes })
  return { source: address, destination: address, protocol: byte, ttl: byte, payload: fc.uint8Array({ maxLength: 64 }) }
}

test('decodes an IPv4 packet by its header, after any options', () => {
  const fields = fc.record({ ...headerFields(4), words: fc.integer({ min: 5, max: 15 }) })
  fc.assert(
    fc.property(fields, ({ words, ...wanted }) => {
      const { source, destination, protocol, ttl, payload } = wanted
      const packet = new Uint8Array(words * 4 + payload.length)
      packet.set([0x40 | words, 0, packet.length >>> 8, packet.length & 0xff, 0, 0, 0, 0, ttl, protocol])
      packet.set([...source, ...destination], 12)
      packet.set(payload, words * 4)
      expect(ipPacket(packet)).toEqual({ ...wanted, payloadBytes: payload.length })
      // Truncated within its header it is undefined; after it, the length is still known.
      expect(ipPacket(packet.subarray(0, words * 4 - 1))).toBeUndefined()
      expect(ipPacket(packet.subarray(0, words * 4))).toMatchObject({ payloadBytes: payload.length })
    }),
  )
})

test('decodes an IPv6 packet by its header', () => {
  fc.assert(
    fc.property(fc.record(headerFields(16)), (wanted) => {
      const { source, destination, protocol, ttl, payload } = wanted
      const packet = new Uint8Array(40 + payload.length)
      packet.set([0x60, 0, 0, 0, 0, payload.length, protocol, ttl, ...source, ...destination, ...payload])
      expect(ipPacket(packet)).toEqual({ ...wanted, payloadBytes: payload.length })
      expect(ipPacket(packet.subarray(0, 39))).toBeUndefined()
    }),
  )
})

test.for([
  ['nothing', []],
  ['another version', [0x50, ...new Array<number>(40).fill(0)]],
  ['a header shorter than the minimum', [0x44, ...new Array<number>(40).fill(0)]],
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
