import { execFileSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { describeWith, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { createStampSessions } from '../../src/responders/stamp-sessions.ts'
import { startUdpResponder } from '../../src/responders/udp.ts'
import { unixNowNs } from '../../src/time/clock.ts'
import { decodeStampAnswer, encodeStampRequest, isGenuineStamp, stampBytes } from '../../src/wire/stamp.ts'
import { nsBetween, readTimestamp, type TimestampFormat, timestampOf } from '../../src/wire/stamp-time.ts'
import { encodeHmacTlv, encodeTlv, readTlvs, tlvFlags, tlvTypes } from '../../src/wire/stamp-tlv.ts'

const none = new Uint8Array()
const padding = encodeTlv(tlvTypes.padding, new Uint8Array(8).fill(7))
const followUp = encodeTlv(tlvTypes.followUp, new Uint8Array(16))

describe.for(['', 'secret'])('with the key %j', (key) => {
  test('answers with what it was asked, its own times, and as many bytes', async () => {
    const { ask } = await setUp(key)
    const before = timestampOf(unixNowNs(), 'ntp')
    const { bytes, answer } = await ask({ sequence: 77, ssid: 0xabcd, tlvs: padding })
    expect(bytes.length).toBe(stampBytes(key) + padding.length)
    expect(isGenuineStamp(bytes, key)).toBe(true)
    expect(answer).toMatchObject({ sequence: 0, ssid: 0xabcd, sender: { sequence: 77 } })
    // Within a second of this clock, and in order.
    expect(Math.abs(nsBetween(before, answer.received, 'ntp'))).toBeLessThan(1e9)
    expect(nsBetween(answer.received, answer.sent, 'ntp')).toBeGreaterThan(0)
    const [tlv] = readTlvs(bytes, stampBytes(key))
    expect(tlv).toMatchObject({ flags: 0, type: tlvTypes.padding })
    expect(Uint8Array.from(bytes.subarray(-8))).toEqual(padding.subarray(-8))
  })

  test('counts the answers of each session on its own, over many ports and across the wrap of ours', async () => {
    const { ask, openClient } = await setUp(key)
    const other = await openClient()
    const sequences: number[] = []
    for (const [ssid, client, sequence] of [
      [1, undefined, 2 ** 32 - 1],
      [1, other, 0],
      [2, undefined, 9],
      [1, undefined, 0],
      [2, other, 9],
    ] as const)
      sequences.push((await ask({ ssid, sequence, ...(client === undefined ? {} : { client }) })).answer.sequence)
    expect(sequences).toEqual([0, 1, 0, 2, 1])
  })

  test('without an identifier a session is one of its port', async () => {
    const { ask, openClient } = await setUp(key)
    const other = await openClient()
    expect((await ask({ ssid: 0 })).answer.sequence).toBe(0)
    expect((await ask({ ssid: 0, client: other })).answer.sequence).toBe(0)
    expect((await ask({ ssid: 0 })).answer.sequence).toBe(1)
  })

  test('answers in the format of time that it was asked in, with a bound of its error', async () => {
    const { ask } = await setUp(key)
    for (const format of ['ntp', 'ptp'] as const) {
      const now = timestampOf(unixNowNs(), format)
      const { answer } = await ask({ format })
      expect(answer.estimate.format).toBe(format)
      expect(answer.estimate.errorNs).toBeGreaterThan(0)
      expect(Math.abs(nsBetween(now, answer.sent, format))).toBeLessThan(1e9)
    }
  })

  test('flags what it does not understand, and copies it', async () => {
    const { ask } = await setUp(key)
    const unknown = encodeTlv(200, Uint8Array.of(1, 2, 3))
    const tlvs = key === '' ? unknown : Uint8Array.of(...unknown, ...encodeHmacTlv(unknown, key))
    const { bytes } = await ask({ tlvs })
    const [tlv] = readTlvs(bytes, stampBytes(key))
    expect(tlv).toMatchObject({ flags: tlvFlags.unrecognized, type: 200 })
    expect(bytes.subarray(stampBytes(key), stampBytes(key) + unknown.length)).toEqual(Buffer.from(unknown))
  })

  test('follow-up telemetry is about the answer before', async () => {
    const { ask } = await setUp(key)
    const tlvs = key === '' ? followUp : Uint8Array.of(...followUp, ...encodeHmacTlv(followUp, key))
    const { answer: first, bytes: empty } = await ask({ tlvs })
    const { bytes } = await ask({ tlvs })
    const value = stampBytes(key) + 4
    expect(empty.subarray(value, value + 16)).toEqual(Buffer.alloc(16))
    expect(bytes.readUInt32BE(value)).toBe(first.sequence)
    const lateNs = nsBetween(first.sent, readTimestamp(bytes, value + 4), 'ntp')
    if (nativePart.isMet) {
      // The kernel stamps its departure after the process has read the clock.
      expect(bytes[value + 12]).toBe(2)
      expect(lateNs).toBeGreaterThan(0)
      expect(lateNs).toBeLessThan(1e9)
    } else {
      expect(bytes[value + 12]).toBe(3)
      expect(lateNs).toBe(0)
    }
  })
})

test('each of a thousand answers of several sessions has the time of the one before in its session', async () => {
  const { ask } = await setUp('')
  const previous = new Map<number, { sequence: number; sent: ReturnType<typeof timestampOf> }>()
  for (let sequence = 0; sequence < 1_000; sequence++) {
    const ssid = 1 + (sequence % 7)
    const tlvs = sequence % 3 === 0 ? followUp : padding
    const { bytes, answer } = await ask({ sequence, ssid, tlvs })
    const before = previous.get(ssid)
    if (before !== undefined && sequence % 3 === 0) {
      expect(bytes.readUInt32BE(48)).toBe(before.sequence)
      const lateNs = nsBetween(before.sent, readTimestamp(bytes, 52), 'ntp')
      expect(lateNs).toBeGreaterThanOrEqual(0)
      expect(lateNs).toBeLessThan(100e6)
    }
    previous.set(ssid, answer)
  }
})

describe('never answers', () => {
  test('an answer, so that two reflectors cannot keep answering each other', async () => {
    const { ask, client, responder } = await setUp('')
    const { bytes } = await ask({ tlvs: padding })
    client.send(bytes, responder.port, '127.0.0.1')
    await eventually(() => responder.counters.rejected === 1, 'it was counted')
    expect(responder.counters).toMatchObject({ answered: 1 })
  })

  test('what has no genuine HMAC where a key is set', async () => {
    const { ask, client, responder } = await setUp('secret')
    const { bytes } = await ask({})
    const wrong = [requestOf({ key: '' }), requestOf({ key: 'other' }), requestOf({ key: 'secret' }).subarray(0, 111)]
    for (const request of wrong) client.send(request, responder.port, '127.0.0.1')
    await eventually(() => responder.counters.rejected === wrong.length, 'they were counted')
    expect(bytes.length).toBe(112)
    expect(responder.counters).toMatchObject({ answered: 1 })
  })
})

test('the shortest request of TWAMP Light has an answer of the same length', async () => {
  const { ask } = await setUp('')
  const { bytes, answer } = await ask({ cutTo: 41, sequence: 3 })
  expect(bytes.length).toBe(41)
  expect(answer.sender.sequence).toBe(3)
})

describeWith(nativePart)('the native part', () => {
  test('tells with which TTL a request arrived, and that the kernel stamped its arrival', async () => {
    const { ask, client } = await setUp('')
    client.setTTL(7)
    const { bytes, answer } = await ask({ tlvs: encodeTlv(tlvTypes.timestampInformation, new Uint8Array(4)) })
    expect(answer.senderTtl).toBe(7)
    expect(bytes[44 + 5]).toBe(2)
  })

  testWith('python3')(
    'answers with the class of service that it is asked for, and tells which one arrived',
    async () => {
      const { responder } = await setUp('')
      const request = requestOf({ tlvs: encodeTlv(tlvTypes.classOfService, Uint8Array.of(46 << 2, 0, 0, 0)) })
      const program = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x28)
s.setsockopt(socket.IPPROTO_IP, 13, 1)
s.sendto(bytes.fromhex(sys.argv[2]), ("127.0.0.1", int(sys.argv[1])))
data, control, _, _ = s.recvmsg(2048, 64)
print(data[44:].hex(), control[0][2][0])`
      const asked = [String(responder.port), Buffer.from(request).toString('hex')]
      const child = execFileSync('python3', ['-c', program, ...asked], { encoding: 'utf8' })
      // EF goes back; AF11 (10) arrived: 46 << 2 | 10 >> 4, and (10 & 15) << 4.
      expect(child.trim()).toBe(`00040004b8a00000 ${46 << 2}`)
    },
  )
})

describe('sessions', () => {
  test('end when they were silent for long', () => {
    let now = 0
    const { find: sessionOf } = createStampSessions(() => now)
    const key = { address: '10.0.0.1', port: 1, ssid: 5 }
    sessionOf(key).next = 9
    now = 900e9
    expect(sessionOf(key).next).toBe(9)
    now += 900e9 + 1
    expect(sessionOf(key).next).toBe(0)
  })

  test('are bounded, and the one used least recently makes room', () => {
    const { find: sessionOf } = createStampSessions(() => 0)
    const keyOf = (index: number) => ({ address: `10.0.${index >> 8}.${index & 255}`, port: 1, ssid: 5 })
    sessionOf(keyOf(0)).next = 9
    for (let index = 1; index < 5_000; index++) {
      sessionOf(keyOf(index)).next = 1
      expect(sessionOf(keyOf(0)).next).toBe(9)
    }
    expect(sessionOf(keyOf(4_999)).next).toBe(1)
    expect(sessionOf(keyOf(1)).next).toBe(0)
  })

  test('of three thousand senders leave that of one in use as it is, and each gets its answer', async () => {
    const { ask, responder } = await setUp('')
    let expected = 0
    for (let ssid = 1; ssid <= 3_000; ssid++) {
      await ask({ ssid })
      if (ssid % 5 !== 0) continue
      expect((await ask({ ssid: 65_000 })).answer.sequence).toBe(expected++)
    }
    expect(responder.counters).toMatchObject({ answered: 3_600, rejected: 0 })
  })
})

interface Asked {
  readonly sequence?: number
  readonly ssid?: number
  readonly format?: TimestampFormat
  readonly tlvs?: Uint8Array
  readonly cutTo?: number
  readonly client?: Socket
  readonly key?: string
}

function requestOf({ sequence = 1, ssid = 1, format = 'ntp', tlvs = none, cutTo, key = '' }: Asked): Uint8Array {
  const estimate = { format, isSynchronized: false, errorNs: 1e9 }
  const sent = timestampOf(unixNowNs(), format)
  return encodeStampRequest({ sequence, ssid, sent, estimate }, tlvs, key).subarray(0, cutTo)
}

async function setUp(key: string) {
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0, key })
  onTestFinished(() => responder.close())
  const openClient = async () => {
    const opened = createSocket('udp4')
    opened.bind(0, '127.0.0.1')
    await once(opened, 'listening')
    onTestFinished(() => void opened.close())
    return opened
  }
  const client = await openClient()
  const ask = async (asked: Asked) => {
    const by = asked.client ?? client
    const arrived = once(by, 'message')
    by.send(requestOf({ key, ...asked }), responder.port, '127.0.0.1')
    const bytes = Buffer.from((await arrived)[0])
    const answer = decodeStampAnswer(bytes, key)
    if (answer === undefined) throw new Error(`${bytes.length} bytes are no answer`)
    return { bytes, answer }
  }
  return { responder, client, openClient, ask }
}
