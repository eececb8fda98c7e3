import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeTcpHeader } from '../../src/wire/tcp-header.ts'
import { decodeTcpPacket } from '../../src/wire/tcp-packet.ts'

/** A SYN from port 1 to port 2, with the options of Linux. */
const syn = () =>
  new Uint8Array(Buffer.from('000100020000000300000000a002faf000000000020405b40402080a000000050000000001030307', 'hex'))

describe('a TCP header', () => {
  test('decodes to its fields', () => {
    expect(decodeTcpHeader(syn())).toEqual({
      sourcePort: 1,
      destinationPort: 2,
      acknowledgment: 0,
      headerBytes: 40,
      isSyn: true,
      isAck: false,
      isReset: false,
    })
  })

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
    const bytes = syn()
    for (let length = 0; length < 20; length++) expect(decodeTcpHeader(bytes.subarray(0, length))).toBeUndefined()
    bytes[12] = 0x40
    expect(decodeTcpHeader(bytes)).toBeUndefined()
  })

  test('is never read from beyond the bytes there are', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void decodeTcpHeader(bytes)))
  })
})

describe('a TCP packet', () => {
  const segment = syn()

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
