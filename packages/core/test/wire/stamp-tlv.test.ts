import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stampTag } from '../../src/wire/stamp.ts'
import { encodeHmacTlv, encodeTlv, readTlvs, reflectTlvs, tlvFlags, tlvTypes } from '../../src/wire/stamp-tlv.ts'

const reflection = {
  // CS6 with ECT(1), as it arrived.
  trafficClass: 0xc1,
  clockSource: 5,
  receivedBy: 2,
  sentBy: 3,
  previous: { sequence: 7, sent: { seconds: 0xe8ea61dd, fraction: 0x80000000 }, sentBy: 2 },
}

describe('a TLV is byte for byte as the RFC draws it, asked and answered:', () => {
  test.for<[what: string, asked: string, answered: string]>([
    ['extra padding', '80010004 11223344', '00010004 11223344'],
    ['timestamp information', '80030004 00000000', '00030004 05020503'],
    // EF is asked for.
    ['class of service', '80040004 b8000000', '00040004 bb040000'],
    [
      'follow-up telemetry',
      '80070010 00000000 00000000 00000000 00000000',
      '00070010 00000007 e8ea61dd 80000000 02000000',
    ],
    ['an unknown type', '80090004 11223344', '80090004 11223344'],
    ['location, which is not understood', '80020004 11223344', '80020004 11223344'],
    ['an HMAC that no key is there for', `80080010 ${'00'.repeat(16)}`, `80080010 ${'00'.repeat(16)}`],
    ['a wrong length', '80040003 b80000', '40040003 b80000'],
    ['a length beyond the packet', '80010005 11223344', '40010005 11223344'],
    ['a header cut off', '8001', '4001'],
    ['all that follows a malformed one', '80040003 b80000 80010000', '40040003 b80000 80010000'],
    ['none', '', ''],
  ])('%s', ([, asked, answered]) => {
    const bytes = bytesOf(asked)
    reflectTlvs(bytes, { from: 0, key: '' }, reflection)
    expect(Buffer.from(bytes).toString('hex')).toBe(answered.replaceAll(' ', ''))
  })
})

test('follow-up telemetry of a session without a previous answer is zero', () => {
  const bytes = encodeTlv(tlvTypes.followUp, new Uint8Array(16).fill(1))
  const { previous: _, ...rest } = reflection
  reflectTlvs(bytes, { from: 0, key: '' }, rest)
  expect(bytes.subarray(4)).toEqual(new Uint8Array(16))
})

test('the class of service asked for is that of the answer', () => {
  const bytes = encodeTlv(tlvTypes.classOfService, Uint8Array.of(46 << 2, 0, 0, 0))
  expect(reflectTlvs(bytes, { from: 0, key: '' }, reflection)).toBe(46 << 2)
  expect(reflectTlvs(encodeTlv(tlvTypes.padding, Uint8Array.of(1)), { from: 0, key: '' }, reflection)).toBeUndefined()
})

describe('with a key', () => {
  const key = 'secret'
  const service = encodeTlv(tlvTypes.classOfService, new Uint8Array(4))
  const padding = encodeTlv(tlvTypes.padding, new Uint8Array(8))
  const hmac = encodeHmacTlv(service, key)

  test.for<[what: string, tlvs: readonly Uint8Array[]]>([
    ['padding alone', [padding]],
    ['an HMAC behind the others', [service, hmac]],
    ['an HMAC that only padding follows', [service, hmac, padding]],
  ])('%s is accepted, and the HMAC of the answer is that of its TLVs', ([, tlvs]) => {
    const bytes = Uint8Array.of(...tlvs.flatMap((tlv) => [...tlv]))
    reflectTlvs(bytes, { from: 0, key }, reflection)
    for (const { flags, type, at } of readTlvs(bytes, 0)) {
      expect(flags).toBe(0)
      if (type !== tlvTypes.hmac) continue
      const tag = stampTag(bytes.subarray(0, at), key)
      expect(bytes.subarray(at + 4, at + 20)).toEqual(Uint8Array.from(tag))
    }
  })

  test.for<[what: string, tlvs: readonly Uint8Array[]]>([
    ['no HMAC', [service]],
    ['an HMAC before another TLV', [hmac, service]],
    ['an HMAC of another key', [service, encodeHmacTlv(service, 'other')]],
    ['an HMAC of another length', [service, encodeTlv(tlvTypes.hmac, new Uint8Array(15))]],
    ['an HMAC cut off', [service, hmac.subarray(0, 19)]],
    ['two paddings and no HMAC', [padding, padding]],
  ])('%s has the flag of integrity in every answered TLV, and nothing else changes', ([, tlvs]) => {
    const asked = Uint8Array.of(...tlvs.flatMap((tlv) => [...tlv]))
    const bytes = Uint8Array.from(asked)
    expect(reflectTlvs(bytes, { from: 0, key }, reflection)).toBeUndefined()
    for (const { at, flags } of readTlvs(bytes, 0)) {
      expect(flags).toBe(tlvFlags.integrity)
      bytes[at] = tlvFlags.unrecognized
    }
    expect(bytes).toEqual(asked)
  })
})

test('whatever the TLVs are, an answer has as many bytes, and those that are understood are all that changes beside flags', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom('', 'secret'), (asked, key) => {
      const bytes = Uint8Array.from(asked)
      reflectTlvs(bytes, { from: 0, key }, reflection)
      expect(bytes.length).toBe(asked.length)
      for (const { at, end, type, flags } of readTlvs(bytes, 0)) {
        if (flags === 0 && type !== tlvTypes.padding) continue
        expect(bytes.subarray(at + 1, end)).toEqual(asked.subarray(at + 1, end))
      }
    }),
  )
})

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
}
