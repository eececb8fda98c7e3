import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { internetChecksum } from '../../src/wire/checksum.ts'
import { encodeSyn, sealSegment } from '../../src/wire/syn.ts'
import { decodeTcpHeader } from '../../src/wire/tcp-header.ts'
import { decodeTcpPacket } from '../../src/wire/tcp-packet.ts'

const uint16 = fc.integer({ min: 0, max: 0xffff })
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff })
const syn = fc.record({ sourcePort: uint16, destinationPort: uint16, sequence: uint32, mss: uint16, timestamp: uint32 })

describe('a SYN', () => {
  test('has the header of RFC 9293 and the options of Linux', () => {
    const bytes = encodeSyn({ sourcePort: 0x1234, destinationPort: 80, sequence: 0xdeadbeef, mss: 1460, timestamp: 7 })
    expect(Buffer.from(bytes).toString('hex')).toBe(
      ['1234', '0050', 'deadbeef', '00000000', 'a002', 'faf0', '0000', '0000'].join('') +
        ['020405b4', '0402', '080a0000000700000000', '01', '030307'].join(''),
    )
  })

  test('decodes to its fields', () => {
    fc.assert(
      fc.property(syn, (wanted) => {
        const { sourcePort, destinationPort } = wanted
        expect(decodeTcpHeader(encodeSyn(wanted))).toEqual({
          sourcePort,
          destinationPort,
          acknowledgment: 0,
          headerBytes: 40,
          isSyn: true,
          isAck: false,
          isReset: false,
        })
      }),
    )
  })

  test('is sealed over its addresses, so that pseudo-header and segment sum to zero', () => {
    const address = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(syn, address, address, (wanted, from, to) => {
        const segment = encodeSyn(wanted)
        sealSegment(segment, from.join('.'), to.join('.'))
        expect(internetChecksum(Uint8Array.from([...from, ...to, 0, 6, 0, segment.length, ...segment]))).toBe(0)
      }),
    )
  })
})

describe('a TCP header', () => {
  test.for([
    ['SYN and ACK', 0x12, { isSyn: true, isAck: true, isReset: false }],
    ['RST and ACK', 0x14, { isSyn: false, isAck: true, isReset: true }],
    ['FIN and PSH', 0x09, { isSyn: false, isAck: false, isReset: false }],
  ] as const)('decodes %s', ([, bits, flags]) => {
    const bytes = new Uint8Array(20)
    bytes.set([0x50, bits], 12)
    expect(decodeTcpHeader(bytes)).toMatchObject({ ...flags, headerBytes: 20 })
  })

  test('that is truncated, or has an invalid length field, is undefined', () => {
    const bytes = encodeSyn({ sourcePort: 1, destinationPort: 2, sequence: 3, mss: 4, timestamp: 5 })
    for (let length = 0; length < 20; length++) expect(decodeTcpHeader(bytes.subarray(0, length))).toBeUndefined()
    bytes[12] = 0x40
    expect(decodeTcpHeader(bytes)).toBeUndefined()
  })

  test('is never read from beyond the bytes there are', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void decodeTcpHeader(bytes)))
  })
})

describe('a TCP packet', () => {
  const segment = encodeSyn({ sourcePort: 1, destinationPort: 2, sequence: 3, mss: 4, timestamp: 5 })

  test('reports the size of its payload even if only its headers were captured', () => {
    const packet = new Uint8Array(20 + segment.length)
    packet.set([0x45, 0, 0, 20 + segment.length + 100, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2])
    packet.set(segment, 20)
    expect(decodeTcpPacket(packet)).toMatchObject({
      source: Uint8Array.of(10, 0, 0, 1),
      destination: Uint8Array.of(10, 0, 0, 2),
      isSyn: true,
      payloadBytes: 100,
    })
  })

  test('of another protocol is undefined', () => {
    const packet = new Uint8Array(60)
    packet.set([0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17])
    packet.set(segment, 20)
    expect(decodeTcpPacket(packet)).toBeUndefined()
  })

  test('is never read from beyond the bytes there are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(decodeTcpPacket(bytes)?.payloadBytes ?? 0).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})
