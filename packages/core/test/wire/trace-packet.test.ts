import { describe, expect, test } from 'vitest'
import { readUint16, readUint32 } from '../../src/wire/bytes.ts'
import { internetChecksum } from '../../src/wire/checksum.ts'
import { encodeTraceDatagram, encodeTraceEcho, encodeTraceSyn } from '../../src/wire/trace-packet.ts'

const many = Array.from({ length: 200 }, (_, number) => number)

describe('echo requests of a flow', () => {
  test('over IPv4 have the checksum that they are given, and it is right', () => {
    for (const sequence of many) {
      const message = encodeTraceEcho('ipv4', { identifier: 7, sequence, checksum: 0x1234 }, 12 + (sequence % 50))
      expect([...message.subarray(0, 8)]).toEqual([8, 0, 0x12, 0x34, 0, 7, 0, sequence])
      expect(internetChecksum(message)).toBe(0)
    }
  })

  test('over IPv6 get the same checksum from the kernel, which adds their length', () => {
    const sums = many.map((sequence) => {
      const message = encodeTraceEcho('ipv6', { identifier: 7, sequence, checksum: 0x1234 }, 12 + (sequence % 50))
      expect(message[0]).toBe(128)
      return internetChecksum(Buffer.concat([word(message.length), message]))
    })
    expect(new Set(sums).size).toBe(1)
  })
})

test('datagrams of a flow have the same checksum, whatever their length', () => {
  const sums = many.map((number) => {
    const payload = encodeTraceDatagram(12 + (number % 50), 0x4321)
    const length = word(payload.length + 8)
    return internetChecksum(Buffer.concat([length, length, payload]))
  })
  expect(new Set(sums).size).toBe(1)
})

test('no two packets have the same number', () => {
  const payloads = many.map(() => Buffer.from(encodeTraceDatagram(12, 0)).toString('hex', 0, 8))
  expect(new Set(payloads).size).toBe(many.length)
})

describe('SYNs of a flow', () => {
  const common = { sourcePort: 40_000, port: 443, checksum: 0xbeef }
  const ends = { source: '10.9.1.1', destination: '10.9.8.2' }

  test('over IPv4 have one checksum, which is right, and different sequence numbers', () => {
    const segments = many.map((high) => encodeTraceSyn({ ...common, high, ends }))
    const pseudoHeader = Buffer.from('0a0901010a09080200060028', 'hex')
    for (const segment of segments) expect(internetChecksum(Buffer.concat([pseudoHeader, segment]))).toBe(0)
    expect(new Set(segments.map((segment) => readUint16(segment, 16))).size).toBe(1)
    expect(new Set(segments.map((segment) => readUint32(segment, 4))).size).toBe(many.length)
  })

  test('over IPv6 leave the checksum to the kernel', () => {
    const sums = many.map((high) => {
      const segment = encodeTraceSyn({ ...common, high })
      expect(readUint16(segment, 16)).toBe(0)
      return internetChecksum(segment)
    })
    expect(new Set(sums).size).toBe(1)
  })

  test('look like those of Linux', () => {
    const segment = Buffer.from(encodeTraceSyn({ ...common, high: 0x0102, ends }))
    expect(segment.toString('hex', 0, 4)).toBe('9c4001bb')
    expect(segment.toString('hex', 12, 16)).toBe('a002faf0')
    expect(segment.toString('hex', 20)).toBe('020405b40402080a000000010000000001030307')
  })
})

function word(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}
