import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openExchange, type Stray } from '../../../src/net/packets/exchange.ts'
import { answerOf, packetsOf, type Shot } from '../../../src/net/packets/fate.ts'
import {
  type PacketAddress,
  type PacketListener,
  type SendingOptions,
  sendEach,
} from '../../../src/net/packets/packet-socket.ts'
import type { Clocks } from '../../../src/time/clock.ts'
import { createDeadlines, Deadline } from '../../../src/time/deadline.ts'

const endpoint = { host: '10.0.0.1', address: '10.0.0.1', family: 'ipv4', port: 7 } as const
const peer: PacketAddress = { address: '10.0.0.1', family: 'ipv4', port: 7 }

describe('an answer', () => {
  test('is matched by its key, in any order of arrival', async () => {
    const { ask, arrive, question } = open()
    const first = ask(question(1))
    const second = ask(question(2))
    arrive(2, { atNs: 250 })
    arrive(1, { atNs: 300 })
    expect(await first).toMatchObject({ message: [1], tookNs: 300 })
    // The second packet left at 100 ns on the socket's timeline.
    expect(await second).toMatchObject({ message: [2], tookNs: 150 })
  })

  test('is read before the socket reuses its buffer', async () => {
    const { ask, listener, question } = open()
    const answer = ask(question(1))
    const buffer = Uint8Array.of(1)
    listener.arrived({ ...peer, bytes: buffer, atNs: 1, clock: 'user', ttl: 64 })
    buffer[0] = 99
    expect(await answer).toMatchObject({ message: [1], ttl: 64, clocks: { tx: 'user', rx: 'user' } })
  })

  test('from another address is foreign, and the request stays pending', async () => {
    const { ask, arrive, question, strays } = open()
    const answer = ask(question(1))
    const stranger = { ...peer, address: '10.0.0.2' }
    arrive(1, { from: stranger })
    arrive(1, { from: { ...peer, port: 8 } })
    expect(strays).toEqual([
      { kind: 'foreign', from: stranger },
      { kind: 'foreign', from: { ...peer, port: 8 } },
    ])
    arrive(1, { atNs: 5 })
    expect(await answer).toMatchObject({ tookNs: 5 })
  })

  test('is matched whether or not the kernel reports the zone of its source', async () => {
    const { ask, arrive, question } = open()
    const answer = ask({
      ...question(1),
      to: { host: 'fe80::1%eth0', address: 'fe80::1%eth0', family: 'ipv6', port: 7 },
    })
    arrive(1, { from: { address: 'fe80::1', family: 'ipv6', port: 7 } })
    await expect(answer).resolves.toBeDefined()
  })

  test('to a request that was never sent is foreign', () => {
    const { arrive, strays } = open()
    arrive(42)
    expect(strays).toEqual([{ kind: 'foreign', from: peer }])
  })

  test('without a key is foreign on an exclusive socket, and ignored on a shared one', () => {
    for (const isShared of [false, true]) {
      const { listener, strays } = open({ isShared })
      listener.arrived({ ...peer, bytes: new Uint8Array(), atNs: 0, clock: 'user' })
      expect(strays.length).toBe(isShared ? 0 : 1)
    }
  })

  test('that arrives repeatedly is a duplicate each further time', async () => {
    const { ask, arrive, question, strays } = open()
    const answer = ask(question(1))
    arrive(1, { atNs: 10 })
    arrive(1, { atNs: 20 })
    arrive(1, { atNs: 30 })
    await answer
    expect(strays).toEqual([
      { kind: 'duplicate', from: peer, afterNs: 20 },
      { kind: 'duplicate', from: peer, afterNs: 30 },
    ])
  })

  test('after its deadline is late the first time, then a duplicate', async () => {
    const { ask, arrive, question, strays } = open()
    const deadline = new Deadline(1_000)
    const answer = ask(question(1), deadline)
    deadline.cancel()
    await expect(answer).rejects.toMatchObject({ reason: 'cancelled' })
    const next = ask(question(2))
    arrive(1, { atNs: 10 })
    arrive(1, { atNs: 20 })
    arrive(2, { atNs: 130 })
    expect(strays).toEqual([
      { kind: 'late', from: peer, afterNs: 10 },
      { kind: 'duplicate', from: peer, afterNs: 20 },
    ])
    expect(await next).toMatchObject({ tookNs: 30 })
  })

  test('with a kernel timestamp after the deadline is late, even if it is read before the timer fires', async () => {
    const { ask, arrive, question, strays } = open({ clocks: { tx: 'kernel', rx: 'kernel' } })
    const deadlines = createDeadlines()
    const answer = ask(question(1), deadlines.start(20))
    arrive(1, { atNs: 20e6 + 1 })
    expect(strays).toEqual([{ kind: 'late', from: peer, afterNs: 20e6 + 1 }])
    arrive(1, { atNs: 20e6 + 2 })
    expect(strays.at(-1)).toMatchObject({ kind: 'duplicate' })
    await expect(answer).rejects.toMatchObject({ reason: 'timeout' })
  })

  test('to a reused key belongs to the later request', async () => {
    const { ask, arrive, question, strays, forgotten } = open()
    const first = ask(question(1))
    arrive(1, { atNs: 10 })
    await first
    const again = ask(question(1))
    arrive(1, { atNs: 150 })
    expect(await again).toMatchObject({ tookNs: 50 })
    expect(strays).toEqual([])
    expect(forgotten).toEqual([0])
  })
})

test('an answer to a long finished request is foreign, because finished requests expire', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const { ask, arrive, question, strays, forgotten } = open()
  for (const key of [1, 2, 3]) {
    const answer = ask(question(key))
    arrive(key)
    await answer
    vi.setSystemTime(Date.now() + 121_000)
  }
  expect(forgotten).toEqual([0])
  arrive(1)
  arrive(2)
  expect(strays).toMatchObject([{ kind: 'foreign' }, { kind: 'duplicate' }])
})

describe('an error', () => {
  test('that quotes a packet ends only the attempt that sent it', async () => {
    const { ask, listener, arrive, question } = open()
    const first = ask(question(1))
    const second = ask(question(2))
    listener.failed({ to: peer, code: 'EHOSTUNREACH', atNs: 1, clock: 'user', bytes: Uint8Array.of(1) })
    await expect(first).rejects.toMatchObject({ reason: 'unreachable', code: 'EHOSTUNREACH' })
    arrive(2)
    await expect(second).resolves.toBeDefined()
  })

  test('that quotes more than was sent, as routers with extensions do, ends the attempt whose packet it starts with', async () => {
    const { ask, listener, question } = open()
    const answer = ask(question(1))
    // RFC 4884 §5.1: the quoted packet is padded to 128 bytes before the extensions.
    listener.failed({ to: peer, code: 'EHOSTUNREACH', atNs: 1, clock: 'user', bytes: Uint8Array.of(1, 0, 0, 0) })
    await expect(answer).rejects.toMatchObject({ reason: 'unreachable' })
  })

  test('without a quote ends the only attempt to its endpoint, and none to another', async () => {
    const { ask, listener, arrive, question } = open()
    const elsewhere = { ...endpoint, port: 8 }
    const failing = ask(question(1))
    const other = ask({ ...question(3), to: elsewhere })
    listener.failed({ to: peer, code: 'ECONNREFUSED', atNs: 1, clock: 'user' })
    await expect(failing).rejects.toMatchObject({ reason: 'refused' })
    arrive(3, { from: { ...peer, port: 8 } })
    await expect(other).resolves.toBeDefined()
  })

  test('without a quote is foreign if several packets of the socket are in flight, which all stay pending', async () => {
    const { ask, listener, arrive, question, strays } = open()
    const waiting = [ask(question(1)), ask(question(2))]
    listener.failed({ to: peer, code: 'ECONNREFUSED', atNs: 1, clock: 'user' })
    expect(strays).toEqual([{ kind: 'foreign', from: peer }])
    arrive(1)
    arrive(2)
    expect(await Promise.all(waiting)).toMatchObject([{ message: [1] }, { message: [2] }])
  })

  test('without a quote ends the attempt from the source port it arrived at', async () => {
    const { exchange, listeners, question } = open({ sourcePorts: 2 })
    const deadline = new Deadline(1_000)
    const volley = exchange.volley([question(1), { ...question(2), flow: 1 }], deadline)
    listeners[1]?.failed({ to: peer, code: 'ECONNREFUSED', atNs: 1, clock: 'user', icmp: refusal })
    deadline.cancel()
    expect(await volley).toMatchObject([{ kind: 'silent' }, { kind: 'icmp', error: refusal }])
  })

  test('of the kernel during a send fails that attempt', async () => {
    const { ask, question } = open({ sendError: Object.assign(new Error('send'), { code: 'EMSGSIZE' }) })
    await expect(ask(question(1))).rejects.toMatchObject({
      reason: 'too-big',
      code: 'EMSGSIZE',
      message: expect.stringContaining('sending to 10.0.0.1 port 7'),
    })
  })
})

describe('closing', () => {
  test('cancels pending requests and closes the socket', async () => {
    const { exchange, ask, question, closed } = open()
    const answer = ask(question(1))
    exchange.close()
    await expect(answer).rejects.toMatchObject({ reason: 'cancelled' })
    expect(closed).toEqual([0])
  })
})

describe('a volley', () => {
  test('resolves to a fate for each shot, in the order of the shots', async () => {
    const { exchange, listener, arrive, question } = open({ clocks: { tx: 'kernel', rx: 'kernel' } })
    const deadlines = createDeadlines()
    const deadline = deadlines.start(20)
    const shots = [question(1), question(2), question(3), question(1)]
    const volley = exchange.volley(shots, deadline)
    listener.failed({
      to: peer,
      code: 'ECONNREFUSED',
      atNs: 130,
      clock: 'kernel',
      bytes: Uint8Array.of(2),
      icmp: refusal,
    })
    arrive(1, { atNs: 50 })
    const fates = await volley
    expect(fates).toEqual([
      {
        kind: 'answered',
        message: [1],
        tookNs: 50,
        clocks: { tx: 'kernel', rx: 'kernel' },
        atNs: 50,
        sourcePort: 40_000,
        copies: 1,
      },
      { kind: 'icmp', error: refusal, tookNs: 30, clocks: { tx: 'kernel', rx: 'kernel' } },
      { kind: 'silent', mayBeOurs: false },
      { kind: 'unsent', code: 'EBUSY' },
    ])
    expect(packetsOf(fates)).toEqual({ sent: 3, returned: 1, duplicated: 0, reordered: 0, late: 0 })
  })

  test('resolves as soon as all fates are known', async () => {
    const { exchange, arrive, question } = open()
    const volley = exchange.volley([question(1), question(2)], new Deadline(60_000))
    arrive(2)
    arrive(1)
    expect(await volley).toMatchObject([{ message: [1] }, { message: [2] }])
  })

  test('resolves to the fates known so far when its caller cancels it', async () => {
    const { exchange, arrive, question } = open()
    const deadline = new Deadline(60_000)
    const volley = exchange.volley([question(1), question(2)], deadline)
    arrive(2)
    deadline.cancel()
    expect(await volley).toMatchObject([{ kind: 'silent', mayBeOurs: false }, { kind: 'answered' }])
  })

  test('without shots resolves to no fates', async () => {
    const { exchange } = open()
    expect(await exchange.volley([], new Deadline(1_000))).toEqual([])
  })

  test('counts copies and out-of-order answers until it ends', async () => {
    const { exchange, arrive, question, strays } = open()
    const volley = exchange.volley([question(1), question(2), question(3)], new Deadline(1_000))
    arrive(2, { atNs: 210 })
    arrive(2, { atNs: 220 })
    arrive(1, { atNs: 230 })
    arrive(3, { atNs: 240 })
    arrive(2, { atNs: 250 })
    const fates = await volley
    expect(fates.map((fate) => fate.kind === 'answered' && fate.copies)).toEqual([1, 2, 1])
    expect(packetsOf(fates)).toEqual({ sent: 3, returned: 3, duplicated: 1, reordered: 1, late: 0 })
    expect(strays.map(({ kind }) => kind)).toEqual(['duplicate', 'duplicate'])
  })

  test('reports which answers were late, and which this host may have dropped', async () => {
    const { exchange, listener, arrive, question } = open({ clocks: { tx: 'kernel', rx: 'kernel' } })
    const deadline = new Deadline(20)
    const volley = exchange.volley([question(1), question(2)], deadline)
    arrive(1, { atNs: 20e6 + 1 })
    listener.overflowed(1)
    deadline.end(deadline.timedOut())
    const fates = await volley
    expect(fates).toEqual([
      { kind: 'silent', mayBeOurs: false, lateNs: 20e6 + 1 },
      { kind: 'silent', mayBeOurs: true },
    ])
    expect(packetsOf(fates)).toMatchObject({ sent: 2, late: 1 })
  })

  test('leaves from the source ports of its shots; each socket opens once and closes with the exchange', async () => {
    const { exchange, question, arrive, sentFrom, closed } = open({ sourcePorts: 3 })
    const shots = [1, 2, 0, 4, 2].map((flow, index) => ({ ...question(index), flow }))
    const volley = exchange.volley(shots, new Deadline(1_000))
    expect(sentFrom.toSorted((a, b) => a - b)).toEqual([0, 1, 1, 2, 2])
    for (const key of [4, 3, 2, 1, 0]) arrive(key)
    const ports = (await volley).map((fate) => fate.kind === 'answered' && fate.sourcePort)
    expect(ports).toEqual([40_001, 40_002, 40_000, 40_001, 40_002])
    exchange.close()
    expect(closed).toEqual([0, 1, 2])
  })

  test('passes the options of a shot on to its socket', () => {
    const { exchange, question, options } = open()
    void exchange.volley([{ ...question(1), send: { ttl: 3 } }, question(2)], new Deadline(1_000))
    expect(options).toEqual([{ ttl: 3 }, undefined])
  })
})

test('an attempt that is already over sends nothing', async () => {
  const { ask, question, sent } = open()
  const deadline = new Deadline(1_000)
  deadline.cancel()
  await expect(ask(question(1), deadline)).rejects.toMatchObject({ reason: 'cancelled' })
  expect(sent).toEqual([])
})

test('a key in flight is not given to another request', async () => {
  const { exchange, ask, question, sent } = open()
  const first = ask(question(1))
  await expect(ask(question(1))).rejects.toMatchObject({ reason: 'local-error' })
  expect(sent.length).toBe(1)
  exchange.close()
  await expect(first).rejects.toMatchObject({ reason: 'cancelled' })
})

test('an answer that cannot be read fails its request, not the process', async () => {
  const { ask, arrive, question } = open()
  const read = () => {
    throw new TypeError('a defect')
  }
  const answer = ask({ ...question(1), read })
  arrive(1)
  await expect(answer).rejects.toThrow('a defect')
})

test('sequence numbers have 32 bits, are consecutive and start at random', () => {
  const beginnings = Array.from({ length: 8 }, () => {
    const { exchange } = open()
    const first = exchange.nextSequence()
    expect(exchange.nextSequence()).toBe((first + 1) >>> 0)
    expect(first).toBeLessThan(2 ** 32)
    return first
  })
  expect(new Set(beginnings).size).toBeGreaterThan(1)
})

const refusal = { type: 3, code: 3, from: '10.0.0.1' }

interface Setting {
  readonly isShared?: boolean
  readonly sourcePorts?: number
  readonly clocks?: Clocks
  readonly sendError?: Error
}

/** Opens an exchange over a simulated socket. Each packet leaves 100 ns after the previous one; its key is its first byte. */
function open({ isShared = false, sourcePorts = 1, clocks = { tx: 'user', rx: 'user' }, sendError }: Setting = {}) {
  const strays: Stray[] = []
  const sent: Uint8Array[] = []
  const forgotten: number[] = []
  const listeners: PacketListener[] = []
  const sentFrom: number[] = []
  const options: (SendingOptions | undefined)[] = []
  const closed: number[] = []
  const exchange = openExchange({
    family: 'ipv4',
    isShared,
    sourcePorts,
    keyOf: ([key]) => key,
    onStray: (stray) => strays.push(stray),
    open: (_, listener) => {
      const index = listeners.push(listener) - 1
      const send = (bytes: Uint8Array, _to: PacketAddress, given?: SendingOptions) => {
        if (sendError !== undefined) throw sendError
        sentFrom.push(index)
        options.push(given)
        return sent.push(bytes) - 1
      }
      return {
        kind: 'datagram',
        clocks,
        port: 40_000 + index,
        send,
        sendMany: (packets) => sendEach(send, packets),
        departure: (ticket) => ({ atNs: ticket * 100, clock: clocks.tx }),
        drain: () => {},
        forget: (ticket) => void forgotten.push(ticket),
        close: () => void closed.push(index),
      }
    },
  })
  const [listener] = listeners
  if (listener === undefined) throw new Error('an exchange opens its socket at once')
  return {
    exchange,
    listener,
    listeners,
    strays,
    sent,
    forgotten,
    sentFrom,
    options,
    closed,
    ask: async (shot: Shot<number[]>, deadline = new Deadline(1_000)) =>
      answerOf((await exchange.volley([shot], deadline))[0], shot.to, deadline),
    arrive: (key: number, { from = peer, atNs = 0 }: { from?: PacketAddress; atNs?: number } = {}) =>
      listener.arrived({ ...from, bytes: Uint8Array.of(key), atNs, clock: clocks.rx }),
    question: (key: number): Shot<number[]> => ({
      bytes: Uint8Array.of(key),
      key,
      to: endpoint,
      read: (bytes) => [...bytes],
    }),
  }
}
