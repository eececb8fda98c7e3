import { describe, expect, test } from 'vitest'
import { stampBytes, stampTag } from '../../src/wire/stamp.ts'
import {
  bringsBackQuestion,
  encodeNumber,
  encodeQuestion,
  numberedBytes,
  type ReflectedClass,
  readFilledIn,
} from '../../src/wire/stamp-question.ts'
import { reflectTlvs, tlvFlags } from '../../src/wire/stamp-tlv.ts'

const number = 0x0102030405060708n

describe('the question for the class of service is byte for byte as RFC 8972 §4.4 draws it:', () => {
  test('behind the padding, DSCP 46 to answer with', () => {
    const tlvs = encodeQuestion(number, 68, { key: '', dscp: 46 })
    expect(hexOf(tlvs)).toBe('8001000c 01020304 05060708 00000000 80040004 b8000000')
  })

  test('with a key, before the HMAC of all TLVs', () => {
    const tlvs = encodeQuestion(number, 152, { key: 'secret', dscp: 46 })
    // python3: hmac.new(b'secret', bytes.fromhex('80010008010203040506070880040004b8000000'), 'sha256').digest()[:16]
    expect(hexOf(tlvs)).toBe(`80010008 01020304 05060708 80040004 b8000000 80080010 ${hmacOfTheVector}`)
  })

  test('absent without a DSCP', () => {
    expect(encodeQuestion(number, 64, { key: '' })).toEqual(encodeNumber(number, 64, ''))
  })
})

const hmacOfTheVector = 'c4d3d168 99ca9080 0f0c39c3 f45beaa0'

describe.for(['', 'secret'])('with the key %j', (key) => {
  test('an answer says what arrived, at the least and at any size, for all classes', () => {
    for (const packetBytes of [numberedBytes({ key, dscp: 0 }), 1400]) {
      for (let dscp = 0; dscp < 64; dscp++) {
        const bytes = answered({ key, dscp, packetBytes, trafficClass: (63 - dscp) << 2 })
        expect(bringsBackQuestion(bytes, { key, dscp })).toBe(true)
        expect(classIn(bytes, key, dscp)).toEqual({ arrived: 63 - dscp, isUsed: true })
      }
    }
  })

  test('an answer with any bit flipped behind its number is altered, except for what only the reflector says', () => {
    const packetBytes = numberedBytes({ key, dscp: 0 }) + 4
    const bytes = answered({ key, dscp: 46, packetBytes, trafficClass: 0 })
    const passed: number[] = []
    for (let bit = numberedBytes({ key }) * 8; bit < packetBytes * 8; bit++) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (0x80 >>> (bit & 7))
      if (bringsBackQuestion(flipped, { key, dscp: 46 })) passed.push(bit - numberedBytes({ key }) * 8 - 32)
    }
    const bits = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)
    // Without a key flags and all that follows the requested DSCP; with one the flags by which an HMAC counts for nothing.
    expect(passed).toEqual(key === '' ? [...bits(0, 8), ...bits(38, 64)] : bits(64, 72))
  })

  test('an answer of a reflector that does not know the class says nothing of it', () => {
    for (const flags of [tlvFlags.unrecognized, tlvFlags.integrity]) {
      const bytes = asked({ key, dscp: 46, packetBytes: 200 })
      bytes[200 - (key === '' ? 8 : 28)] = flags
      expect(classIn(bytes, key, 46)).toBeUndefined()
    }
    const untouched = asked({ key, dscp: 46, packetBytes: 200 })
    expect(bringsBackQuestion(untouched, { key, dscp: 46 })).toBe(true)
    const unseen = answered({ key, dscp: 46, packetBytes: 200 })
    expect(bringsBackQuestion(unseen, { key, dscp: 46 })).toBe(true)
    expect(classIn(unseen, key, 46)).toBeUndefined()
  })

  test('an answer that is cut off says nothing, at any length', () => {
    const bytes = answered({ key, dscp: 46, packetBytes: 200, trafficClass: 184 })
    for (let length = 0; length < bytes.length; length++)
      expect(classIn(bytes.subarray(0, length), key, 46)).toBeUndefined()
  })

  test('a reflector that answers with another class than it was asked for says so', () => {
    const bytes = answered({ key, dscp: 46, packetBytes: 200, trafficClass: 184 })
    const at = 200 - (key === '' ? 8 : 28)
    bytes[at + 5] = (bytes[at + 5] ?? 0) | 1
    if (key !== '') bytes.set(stampTag(bytes.subarray(stampBytes(key), at + 8), key), at + 12)
    expect(bringsBackQuestion(bytes, { key, dscp: 46 })).toBe(true)
    expect(classIn(bytes, key, 46)).toEqual({ arrived: 46, isUsed: false })
  })
})

interface Asked {
  readonly key: string
  readonly dscp: number
  readonly packetBytes: number
}

function classIn(bytes: Uint8Array, key: string, dscp: number): ReflectedClass | undefined {
  return readFilledIn(bytes, { key, dscp }).service
}

function asked({ key, dscp, packetBytes }: Asked): Uint8Array {
  const bytes = new Uint8Array(packetBytes)
  bytes.set(encodeQuestion(number, packetBytes, { key, dscp }), stampBytes(key))
  return bytes
}

function answered({ trafficClass, ...question }: Asked & { readonly trafficClass?: number }): Uint8Array {
  const bytes = asked(question)
  const { key } = question
  const clocks = { clockSource: 5, receivedBy: 3, sentBy: 3 }
  reflectTlvs(bytes, { from: stampBytes(key), key }, trafficClass === undefined ? clocks : { ...clocks, trafficClass })
  return bytes
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/.{8}(?=.)/g, '$& ')
}
