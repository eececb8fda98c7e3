import { describe, expect, test } from 'vitest'
import { internetChecksum } from '../../src/wire/checksum.ts'
import { decodeIcmpError } from '../../src/wire/icmp-error.ts'

/** UDP 10.9.1.1:40000 → 10.9.8.2:33434, 8 bytes of payload, TTL 1. */
const datagram4 = hex('4500 0024 0000 4000 0111 0000 0a090101 0a090802', '9c40 829a 0010 0000 0102030405060708')

/** UDP [fd09:1::1]:40000 → [fd09:8::2]:33434, hop limit 1. */
const datagram6 = hex(
  '6000 0000 0010 11 01 fd09000100000000 0000000000000001 fd09000800000000 0000000000000002',
  '9c40 829a 0010 0000 0102030405060708',
)

/** Labels 16001 (class 0, TTL 1) and 24005 (class 5, bottom, TTL 1): RFC 4884 §7–8, RFC 4950 §3. */
const twoLabels = hex('2000 6a2c', '000c 01 01', '03e81 0 01', '05dc5 b 01')
const labels = [
  { label: 16_001, trafficClass: 0, ttl: 1, isBottom: false },
  { label: 24_005, trafficClass: 5, ttl: 1, isBottom: true },
]

describe('over IPv4', () => {
  test('a time exceeded of RFC 792 quotes its packet', () => {
    const error = decodeIcmpError('ipv4', sealed(hex('0b00 0000 00000000'), datagram4))
    expect(error).toMatchObject({ type: 11, code: 0, labels: [], quoted: { protocol: 17, ttl: 1 } })
    expect(error).not.toHaveProperty('mtu')
    expect(Buffer.from(error?.quoted.payload ?? []).toString('hex')).toBe('9c40829a001000000102030405060708')
  })

  test('a quote of 8 bytes is enough', () => {
    const error = decodeIcmpError('ipv4', sealed(hex('0b00 0000 00000000'), datagram4.subarray(0, 28)))
    expect(error?.quoted.payload).toHaveLength(8)
  })

  test('fragmentation needed has the MTU of the next hop', () => {
    expect(decodeIcmpError('ipv4', sealed(hex('0304 0000 0000 0514'), datagram4))).toMatchObject({ mtu: 1300 })
    expect(decodeIcmpError('ipv4', sealed(hex('0304 0000 0000 0000'), datagram4))).not.toHaveProperty('mtu')
  })

  test('the label stack follows the quoted packet, whose length is in words of 4 bytes', () => {
    const error = decodeIcmpError('ipv4', sealed(hex('0b00 0000 00 20 0000'), padded(datagram4, 128), twoLabels))
    expect(error).toMatchObject({ labels, quoted: { ttl: 1 } })
  })

  test('an older router leaves the length 0: then 128 bytes are quoted', () => {
    const error = decodeIcmpError('ipv4', sealed(hex('0b00 0000 00 00 0000'), padded(datagram4, 128), twoLabels))
    expect(error).toMatchObject({ labels })
  })

  test('objects of another class or type are passed over', () => {
    const others = hex('0008 02 01 0a090402', '0004 01 02')
    const structure = extension(others, twoLabels.subarray(4))
    const error = decodeIcmpError('ipv4', sealed(hex('0b00 0000 00 20 0000'), padded(datagram4, 128), structure))
    expect(error).toMatchObject({ labels })
  })

  test.for<[what: string, length: string, structure: Uint8Array]>([
    ['of another version', '20', altered(twoLabels, 0, 0x10)],
    ['with a wrong checksum', '20', altered(twoLabels, 3, 0)],
    ['without a checksum, where nobody said that there are any', '00', altered(altered(twoLabels, 2, 0), 3, 0)],
    ['behind less than 128 bytes', '08', twoLabels],
    ['whose length reaches beyond the message', 'ff', twoLabels],
    ['with an object of length 0', '20', extension(hex('0000 01 01 03e81001'))],
    ['with an object of a length below its header', '20', extension(hex('0003 01 01 03e81001'))],
    ['with an object longer than the message', '20', extension(hex('ffff 01 01 03e81001'))],
    ['with an entry that is cut off', '20', extension(hex('0007 01 01 03e810'))],
    ['cut off in its header', '20', hex('2000')],
  ])('an extension %s has no labels', ([, length, structure]) => {
    const error = decodeIcmpError('ipv4', sealed(hex(`0b00 0000 00 ${length} 0000`), padded(datagram4, 128), structure))
    expect(error).toMatchObject({ type: 11, labels: [] })
  })

  test('labels without a checksum count if the length says that they are there (RFC 4884 §7)', () => {
    const unsealed = altered(altered(twoLabels, 2, 0), 3, 0)
    const error = decodeIcmpError('ipv4', sealed(hex('0b00 0000 00 20 0000'), padded(datagram4, 128), unsealed))
    expect(error).toMatchObject({ labels })
  })

  test('neither an echo reply, nor a redirect, nor what is damaged or cut off is an error', () => {
    for (const header of ['0000 0000 00000000', '0501 0000 0a090101'])
      expect(decodeIcmpError('ipv4', sealed(hex(header), datagram4))).toBeUndefined()
    const whole = sealed(hex('0b00 0000 00000000'), datagram4)
    expect(decodeIcmpError('ipv4', altered(whole, 30, 0xff))).toBeUndefined()
    expect(decodeIcmpError('ipv4', sealed(hex('0b00 0000 00000000'), datagram4.subarray(0, 19)))).toBeUndefined()
    for (let length = 0; length < 8; length++)
      expect(decodeIcmpError('ipv4', whole.subarray(0, length))).toBeUndefined()
  })
})

describe('over IPv6', () => {
  test('a time exceeded has its length in the fifth byte, in words of 8 bytes', () => {
    const message = Buffer.concat([hex('0300 0000 10 000000'), padded(datagram6, 128), twoLabels])
    expect(decodeIcmpError('ipv6', message)).toMatchObject({
      type: 3,
      code: 0,
      labels,
      quoted: { protocol: 17, ttl: 1 },
    })
  })

  test('a packet too big has the MTU of the next hop, and no extensions', () => {
    const message = Buffer.concat([hex('0200 0000 00000514'), padded(datagram6, 128), twoLabels])
    expect(decodeIcmpError('ipv6', message)).toMatchObject({ type: 2, mtu: 1300, labels: [] })
  })

  test('neither an echo reply nor a neighbour solicitation is an error', () => {
    for (const header of ['8100 0000 00000000', '8700 0000 00000000'])
      expect(decodeIcmpError('ipv6', Buffer.concat([hex(header), datagram6]))).toBeUndefined()
  })
})

function hex(...digits: readonly string[]): Buffer {
  return Buffer.from(digits.join('').replaceAll(' ', ''), 'hex')
}

function padded(bytes: Uint8Array, length: number): Uint8Array {
  return Buffer.concat([bytes], length)
}

function altered(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const other = Buffer.from(bytes)
  other[at] = value
  return other
}

/** Returns an ICMP message with its checksum. */
function sealed(...parts: readonly Uint8Array[]): Uint8Array {
  const message = Buffer.concat(parts)
  message.writeUInt16BE(internetChecksum(message), 2)
  return message
}

/** Returns an extension structure of these objects, with its checksum. */
function extension(...objects: readonly Uint8Array[]): Uint8Array {
  return sealed(hex('2000 0000'), ...objects)
}
