import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { testWith } from '../../../../test/support/requirements.ts'
import {
  decodeStampAnswer,
  decodeStampRequest,
  encodeStampRequest,
  isGenuineStamp,
  type StampAnswer,
  type StampRequest,
  stampBytes,
  turnIntoStampAnswer,
} from '../../src/wire/stamp.ts'
import { nsBetween, readErrorEstimate, timestampOf, writeErrorEstimate } from '../../src/wire/stamp-time.ts'

/** 2023-10-30 17:09:49.5 UTC. */
const someNs = 1_698_685_789_500_000_000n
const request: StampRequest = {
  sequence: 5,
  sent: timestampOf(someNs, 'ntp'),
  estimate: { format: 'ntp', isSynchronized: true, errorNs: (4096 * 1e9) / 2 ** 32 },
  ssid: 0xabcd,
}
const answer = {
  sequence: 4,
  sent: timestampOf(someNs + 250_000_000n, 'ntp'),
  estimate: { format: 'ntp', isSynchronized: false, errorNs: 1e9 },
  received: timestampOf(someNs, 'ntp'),
  senderTtl: 64,
} as const
const keys = ['', 'secret']
const none = new Uint8Array()

// The HMACs are those of Python's hmac.
describe('is byte for byte as the RFC draws it:', () => {
  test('a request', () => {
    expect(hexOf(encodeStampRequest(request, none, ''))).toBe(`00000005 e8ea61dd 80000000 8580abcd ${zeros(7)}`)
  })

  test('an authenticated request', () => {
    expect(hexOf(encodeStampRequest(request, none, 'secret'))).toBe(
      `00000005 ${zeros(3)} e8ea61dd 80000000 8580abcd ${zeros(17)} 0e97100d ed1ffd90 83b09476 2e12302b`,
    )
  })

  test('an answer', () => {
    const bytes = encodeStampRequest(request, none, '')
    turnIntoStampAnswer(bytes, answer, '')
    expect(hexOf(bytes)).toBe(
      '00000004 e8ea61dd c0000000 1980abcd e8ea61dd 80000000 00000005 e8ea61dd 80000000 85800000 40000000',
    )
  })

  test('an authenticated answer', () => {
    const bytes = encodeStampRequest(request, none, 'secret')
    turnIntoStampAnswer(bytes, answer, 'secret')
    expect(hexOf(bytes)).toBe(
      `00000004 ${zeros(3)} e8ea61dd c0000000 1980abcd ${zeros(1)} e8ea61dd 80000000 ${zeros(2)} 00000005 ${zeros(3)} ` +
        `e8ea61dd 80000000 85800000 ${zeros(1)} 40000000 ${zeros(3)} 6420d705 b29d4cc8 03f48642 3b65839e`,
    )
  })
})

describe.for(keys)('with the key %j', (key) => {
  test('a request decodes to what was encoded', () => {
    fc.assert(
      fc.property(requests, fc.uint8Array({ maxLength: 100 }), (value, tlvs) => {
        const bytes = encodeStampRequest(value, tlvs, key)
        expect(bytes.length).toBe(stampBytes(key) + tlvs.length)
        expect(decodeStampRequest(bytes, key)).toEqual(value)
        expect(isGenuineStamp(bytes, key)).toBe(true)
      }),
    )
  })

  test('an answer is as long as its request, and decodes to what was answered and asked', () => {
    fc.assert(
      fc.property(requests, requests, fc.uint8Array({ maxLength: 100 }), (asked, answered, tlvs) => {
        const bytes = encodeStampRequest(asked, tlvs, key)
        const { length } = bytes
        const fields = { ...answered, received: answered.sent, senderTtl: 63 }
        turnIntoStampAnswer(bytes, fields, key)
        const { ssid, ...sender } = asked
        expect(bytes.length).toBe(length)
        expect(decodeStampAnswer(bytes, key)).toEqual({ ...fields, ssid, sender } satisfies StampAnswer)
        expect(isGenuineStamp(bytes, key)).toBe(true)
      }),
    )
  })

  test('an answer is no request, whatever the clocks of both sides', () => {
    fc.assert(
      fc.property(requests, times, fc.bigInt({ min: 0n, max: 30_000_000_000n }), (asked, atNs, residenceNs) => {
        const bytes = encodeStampRequest(asked, none, key)
        const { estimate } = asked
        const [received, sent] = [timestampOf(atNs, estimate.format), timestampOf(atNs + residenceNs, estimate.format)]
        turnIntoStampAnswer(bytes, { sequence: 1, sent, estimate, received, senderTtl: 64 }, key)
        expect(decodeStampRequest(bytes, key)).toBeUndefined()
      }),
    )
  })

  test('what is too short is neither', () => {
    for (let length = 0; length < (key === '' ? 41 : 112); length++) {
      expect(decodeStampRequest(new Uint8Array(length), key)).toBeUndefined()
      expect(decodeStampAnswer(new Uint8Array(length), key)).toBeUndefined()
    }
  })
})

test('the shortest request of TWAMP Light has an answer of the same length', () => {
  const bytes = encodeStampRequest(request, none, '').subarray(0, 41)
  expect(decodeStampRequest(bytes, '')).toEqual(request)
  turnIntoStampAnswer(bytes, answer, '')
  expect(decodeStampAnswer(bytes, '')).toMatchObject({ ...answer, sender: { sequence: 5 } })
})

test('a request padded at random, as TWAMP Light does, is a request', () => {
  const bytes = encodeStampRequest(request, none, '')
  for (let at = 14; at < bytes.length; at++) bytes[at] = at * 37
  expect(decodeStampRequest(bytes, '')).toMatchObject({ sequence: 5 })
})

describe('is not genuine', () => {
  test('under another key, or with any bit flipped', () => {
    const bytes = encodeStampRequest(request, none, 'secret')
    expect(isGenuineStamp(bytes, 'other')).toBe(false)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Uint8Array.from(bytes)
      flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      expect(isGenuineStamp(flipped, 'secret')).toBe(false)
    }
  })

  test('if it is too short for an HMAC, or random', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => !isGenuineStamp(bytes, 'secret')))
  })
})

describe('time', () => {
  test('between two timestamps is right to the nanosecond in both formats, also across the wrap of the seconds', () => {
    const ends = [2n ** 32n * 1_000_000_000n, (2n ** 32n - 2_208_988_800n) * 1_000_000_000n]
    const moment = fc.oneof(times, fc.constantFrom(...ends.map((ns) => ns - 1n)))
    fc.assert(
      fc.property(moment, fc.integer({ min: 0, max: 1e9 }), fc.constantFrom('ntp', 'ptp'), (atNs, ns, format) => {
        const [from, to] = [timestampOf(atNs, format), timestampOf(atNs + BigInt(ns), format)]
        expect(Math.abs(nsBetween(from, to, format) - ns)).toBeLessThanOrEqual(1)
        expect(nsBetween(to, from, format)).toBeLessThanOrEqual(0)
      }),
    )
  })

  test('of an error is never written smaller than it is, and at most 1 % larger', () => {
    const bytes = new Uint8Array(2)
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e18, noNaN: true }), fc.boolean(), (errorNs, isSynchronized) => {
        writeErrorEstimate(bytes, 0, { format: 'ptp', isSynchronized, errorNs })
        const read = readErrorEstimate(bytes, 0)
        expect(read).toMatchObject({ format: 'ptp', isSynchronized })
        expect(read.errorNs * (1 + 1e-9)).toBeGreaterThanOrEqual(errorNs)
        expect(read.errorNs).toBeLessThanOrEqual(errorNs * 1.01 + 1)
      }),
    )
  })

  test('of an error is never zero', () => {
    const bytes = new Uint8Array(2)
    writeErrorEstimate(bytes, 0, { format: 'ntp', isSynchronized: true, errorNs: 0 })
    expect(bytes).toEqual(Uint8Array.of(0x80, 1))
  })
})

describe('other programs read the same:', () => {
  const bytes = encodeStampRequest(request, none, '')
  const answered = Uint8Array.from(bytes)
  turnIntoStampAnswer(answered, answer, '')

  testWith('scapy')('scapy', () => {
    const program = `
import sys, json, logging
logging.disable(logging.CRITICAL)
from scapy.contrib.stamp import *
from scapy.layers.inet import IP, UDP
shown = []
for text, layer, ports in [(sys.argv[1], STAMPSessionSenderTestUnauthenticated, dict(sport=40000, dport=862)), (sys.argv[2], STAMPSessionReflectorTestUnauthenticated, dict(sport=862, dport=40000))]:
    packet = UDP(bytes(UDP(**ports) / bytes.fromhex(text)))[layer]
    fields = {}
    for name, value in packet.fields.items():
        fields[name] = [value.S, value.Z, value.scale, value.multiplier] if name.startswith("err") else "%016x" % value if name.startswith("ts") else value
    shown.append(fields)
print(json.dumps(shown, default=str))`
    const output = execFileSync('/usr/bin/python3', ['-c', program, hex(bytes), hex(answered)], { encoding: 'utf8' })
    expect(JSON.parse(output)).toMatchObject([
      { seq: 5, ts: 'e8ea61dd80000000', err_estimate: [1, 0, 5, 128], ssid: 0xabcd, mbz: 0 },
      {
        seq: 4,
        ts: 'e8ea61ddc0000000',
        err_estimate: [0, 0, 25, 128],
        ssid: 0xabcd,
        ts_rx: 'e8ea61dd80000000',
        seq_sender: 5,
        ts_sender: 'e8ea61dd80000000',
        err_estimate_sender: [1, 0, 5, 128],
        mbz1: 0,
        ttl_sender: 64,
        mbz2: 0,
      },
    ])
  })

  testWith('tshark')('tshark', () => {
    const fields =
      'seq_number timestamp error_estimate.s error_estimate.scale sender_seq_number receive_timestamp sender_ttl'
    const names = fields.split(' ').flatMap((name) => ['-e', `twamp.test.${name}`])
    const folder = mkdtempSync(join(tmpdir(), 'scout-stamp-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'stamp.pcap')
    writeFileSync(
      file,
      pcapOf([
        [40_000, 862, bytes],
        [862, 40_000, answered],
      ]),
    )
    const output = execFileSync(
      'tshark',
      ['-r', file, '-d', 'udp.port==862,twamp.test', '-T', 'fields', '-E', 'separator=;', ...names],
      { encoding: 'utf8', env: { ...process.env, TZ: 'UTC' }, stdio: ['ignore', 'pipe', 'ignore'] },
    )
    expect(output.split('\n').map((line) => line.split(';'))).toEqual([
      ['5', expect.stringContaining('17:09:49.500000000'), '1,0', '5,0', '0', expect.anything(), '0'],
      [
        '4',
        expect.stringContaining('17:09:49.750000000'),
        '0,1',
        '25,5',
        '5',
        expect.stringContaining('17:09:49.500000000'),
        '64',
      ],
      [''],
    ])
  })
})

// Never a timestamp of zero, which stands for none.
const times = fc.bigInt({ min: 0n, max: 2n ** 33n * 1_000_000_000n }).map((ns) => ns | 1n)
const requests = fc
  .record({
    sequence: fc.oneof(fc.constantFrom(0, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
    atNs: times,
    format: fc.constantFrom<'ntp' | 'ptp'>('ntp', 'ptp'),
    isSynchronized: fc.boolean(),
    scale: fc.integer({ min: 0, max: 40 }),
    ssid: fc.integer({ min: 0, max: 0xffff }),
  })
  .map(({ sequence, atNs, format, isSynchronized, scale, ssid }): StampRequest => {
    const errorNs = (200 * 2 ** scale * 1e9) / 2 ** 32
    return { sequence, sent: timestampOf(atNs, format), estimate: { format, isSynchronized, errorNs }, ssid }
  })

function zeros(words: number): string {
  return Array.from({ length: words }, () => '00000000').join(' ')
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function hexOf(bytes: Uint8Array): string {
  return hex(bytes).replaceAll(/.{8}(?=.)/g, '$& ')
}

/** Datagrams as a file of pcap: version 2.4, packets of IPv4 (draft-ietf-opsawg-pcap, LINKTYPE_IPV4). */
function pcapOf(datagrams: readonly (readonly [from: number, to: number, bytes: Uint8Array])[]): Buffer {
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2c3d4)
  head.writeUInt16LE(2, 4)
  head.writeUInt16LE(4, 6)
  head.writeUInt32LE(65_535, 16)
  head.writeUInt32LE(228, 20)
  const packets = datagrams.map(([from, to, bytes]) => {
    const packet = Buffer.alloc(16 + 20 + 8 + bytes.length)
    packet.writeUInt32LE(28 + bytes.length, 8)
    packet.writeUInt32LE(28 + bytes.length, 12)
    packet.set([0x45, 0, 0, 28 + bytes.length, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 16)
    packet.writeUInt16BE(from, 36)
    packet.writeUInt16BE(to, 38)
    packet.writeUInt16BE(8 + bytes.length, 40)
    packet.set(bytes, 44)
    return packet
  })
  return Buffer.concat([head, ...packets])
}
