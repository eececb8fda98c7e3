import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { testWith } from '../../../../test/support/requirements.ts'
import { stampBytes } from '../../src/wire/stamp.ts'
import { bringsBackQuestion, encodeQuestion, numberedBytes, readFilledIn } from '../../src/wire/stamp-question.ts'
import { encodeHmacTlv, readTlvs, reflectTlvs, tlvFlags, tlvTypes } from '../../src/wire/stamp-tlv.ts'

const number = 0x0102030405060708n
const sent = { seconds: 0xe8ea61dd, fraction: 0x80000000 }
/** What a reflector with hardware stamps of GNSS at its entry, and those of its process at its exit, says. */
const reflection = { clockSource: 4, receivedBy: 1, sentBy: 3, previous: { sequence: 7, sent, sentBy: 2 } }
const told = {
  stamps: { arrival: { clock: 'gnss', by: 'hardware' }, departure: { clock: 'gnss', by: 'control-plane' } },
  previous: { sequence: 7, sent, sentBy: 'software' },
}

describe('the question for timestamps is byte for byte as RFC 8972 draws it:', () => {
  const asked = `80030004 00000000 80070010 ${'00000000 '.repeat(4)}`

  test('timestamp information (§4.3) and follow-up telemetry (§4.7) behind the padding', () => {
    const tlvs = encodeQuestion(number, 88, { key: '', asksStamps: true })
    expect(hexOf(tlvs)).toBe(`8001000c 01020304 05060708 00000000 ${asked}`.trim())
  })

  test('after the class of service (§4.4), if that is asked for as well', () => {
    const tlvs = encodeQuestion(number, 92, { key: '', dscp: 46, asksStamps: true })
    expect(hexOf(tlvs)).toBe(`80010008 01020304 05060708 80040004 b8000000 ${asked}`.trim())
  })

  test('with a key, before the HMAC of all TLVs (§4.8)', () => {
    const tlvs = encodeQuestion(number, 172, { key: 'secret', asksStamps: true })
    // python3: hmac.new(b'secret', bytes.fromhex('80010008…'), 'sha256').digest()[:16]
    expect(hexOf(tlvs)).toBe(`80010008 01020304 05060708 ${asked}80080010 ${hmacOfTheVector}`)
  })

  testWith('scapy')('and another author reads it so', () => {
    const program = `
import sys, json, logging
logging.disable(logging.CRITICAL)
from scapy.contrib.stamp import *
rest = bytes.fromhex(sys.argv[1])
shown = []
while rest:
    tlv = STAMPTestTLV(rest)
    shown.append("type %d, %d bytes: %s" % (tlv.type, tlv.len, bytes(tlv.value).hex()))
    rest = rest[4 + tlv.len:]
print(json.dumps(shown))`
    const question = { key: '', dscp: 46, asksStamps: true }
    const hex = Buffer.from(encodeQuestion(number, 92, question)).toString('hex')
    const output = execFileSync('/usr/bin/python3', ['-c', program, hex], { encoding: 'utf8' })
    expect(JSON.parse(output)).toMatchInlineSnapshot(`
      [
        "type 1, 8 bytes: 0102030405060708",
        "type 4, 4 bytes: b8000000",
        "type 3, 4 bytes: 00000000",
        "type 7, 16 bytes: 00000000000000000000000000000000",
      ]
    `)
  })
})

const hmacOfTheVector = 'cf1344f7 4a371af9 930411f3 9456b18b'

describe.for(['', 'secret'])('with the key %j', (key) => {
  const question = { key, asksStamps: true }
  const answered = (of: Parameters<typeof reflectTlvs>[2] = reflection) => {
    const bytes = asked(question)
    reflectTlvs(bytes, { from: stampBytes(key), key }, of)
    return bytes
  }

  test('an answer names clocks and methods, and when the previous answer left', () => {
    expect(bringsBackQuestion(answered(), question)).toBe(true)
    expect(readFilledIn(answered(), question)).toEqual(told)
  })

  test('names that no RFC has are unknown', () => {
    const other = { clockSource: 6, receivedBy: 4, sentBy: 255, previous: { ...reflection.previous, sentBy: 0 } }
    expect(readFilledIn(answered(other), question)).toEqual({
      stamps: { arrival: { clock: 'unknown', by: 'unknown' }, departure: { clock: 'unknown', by: 'unknown' } },
      previous: { ...told.previous, sentBy: 'unknown' },
    })
  })

  test('a reflector without a previous answer says that there is none', () => {
    const { previous: _, ...first } = reflection
    expect(readFilledIn(answered(first), question)).toEqual({ ...told, previous: null })
  })

  test.for([
    ['timestamp information', tlvTypes.timestampInformation, { previous: told.previous }],
    ['follow-up telemetry', tlvTypes.followUp, { stamps: told.stamps }],
  ] as const)('a reflector that does not understand %s still answers the rest', ([, type, rest]) => {
    for (const flag of [tlvFlags.unrecognized, tlvFlags.integrity, tlvFlags.malformed]) {
      const bytes = answered()
      const from = stampBytes(key)
      const tlvs = readTlvs(bytes, from)
      for (const tlv of tlvs) {
        if (tlv.type === type) bytes[tlv.at] = flag
        if (tlv.type === tlvTypes.hmac)
          bytes.set(encodeHmacTlv(bytes.subarray(from, tlv.at), key).subarray(4), tlv.at + 4)
      }
      expect(bringsBackQuestion(bytes, question)).toBe(true)
      expect(readFilledIn(bytes, question)).toEqual(rest)
    }
  })

  test('an answer that is untouched, or cleared and no more, says nothing', () => {
    expect(bringsBackQuestion(asked(question), question)).toBe(true)
    expect(readFilledIn(asked(question), question)).toEqual({})
    const bytes = asked({ key: '', asksStamps: true })
    for (const { at } of readTlvs(bytes, stampBytes(''))) bytes[at] = 0
    expect(readFilledIn(bytes, { key: '', asksStamps: true })).toEqual({ previous: null })
  })

  test('an answer that is cut off says nothing, at any length', () => {
    const bytes = answered()
    for (let length = 0; length < bytes.length; length++)
      expect(readFilledIn(bytes.subarray(0, length), question)).toEqual({})
  })

  test('an answer with a bit flipped in a type or a length is altered', () => {
    const bytes = answered()
    const passed: string[] = []
    for (const { at, type } of readTlvs(bytes, stampBytes(key))) {
      if (type === tlvTypes.hmac) continue
      for (let bit = 8; bit < 32; bit++) {
        const flipped = Uint8Array.from(bytes)
        flipped[at + (bit >>> 3)] = (flipped[at + (bit >>> 3)] ?? 0) ^ (0x80 >>> (bit & 7))
        if (bringsBackQuestion(flipped, question)) passed.push(`bit ${bit} of type ${type}`)
      }
    }
    // The type of the padding is looked at by what looks for the number in it, and is covered by the HMAC.
    const typeOfPadding = Array.from({ length: 8 }, (_, bit) => `bit ${bit + 8} of type ${tlvTypes.padding}`)
    expect(passed).toEqual(key === '' ? typeOfPadding : [])
  })
})

test('with a key, what the HMAC does not cover counts for nothing', () => {
  const question = { key: 'secret', asksStamps: true }
  const bytes = asked(question)
  reflectTlvs(bytes, { from: stampBytes('secret'), key: 'secret' }, reflection)
  const forged = Uint8Array.from(bytes)
  forged[numberedBytes({ key: 'secret' }) + 4] = 1
  expect(bringsBackQuestion(forged, question)).toBe(false)
  expect(readFilledIn(forged, question)).toEqual({})
  forged[forged.length - 20] = tlvFlags.unrecognized
  expect(readFilledIn(forged, question)).toEqual({})
})

function asked(question: { readonly key: string; readonly asksStamps: boolean }): Uint8Array {
  const packetBytes = numberedBytes(question) + 4
  const bytes = new Uint8Array(packetBytes)
  bytes.set(encodeQuestion(number, packetBytes, question), stampBytes(question.key))
  return bytes
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/.{8}(?=.)/g, '$& ')
}
