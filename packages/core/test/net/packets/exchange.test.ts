import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openExchange, type Stray } from '../../../src/net/packets/exchange.ts'
import { answerOf, type Key, packetsOf, type Shot } from '../../../src/net/packets/fate.ts'
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

  test('at another port than its request left from is foreign, and the request stays pending', async () => {
    const { ask, arrive, question, strays } = open({ sourcePorts: 2 })
    const answer = ask({ ...question(1), flow: 1 })
    arrive(1, { at: 0 })
    expect(strays).toEqual([{ kind: 'foreign', from: peer }])
    arrive(1, { at: 1, atNs: 5 })
    expect(await answer).toMatchObject({ tookNs: 5 })
  })

  test('that its request cannot use is foreign, and the request stays pending', async () => {
    const { ask, arrive, question, strays } = open()
    let reads = 0
    const answer = ask({ ...question(1), read: (bytes) => (++reads < 3 ? undefined : [...bytes]) })
    arrive(1)
    arrive(1)
    expect(strays.map(({ kind }) => kind)).toEqual(['foreign', 'foreign'])
    arrive(1, { atNs: 5 })
    expect(await answer).toMatchObject({ message: [1], tookNs: 5 })
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

  test('without a port, as of ICMP, is matched by a source without one', async () => {
    const { ask, arrive, question } = open()
    const answer = ask({ ...question(1), to: { host: '10.0.0.1', address: '10.0.0.1', family: 'ipv4' } })
    arrive(1, { from: { ...peer, port: 0 }, atNs: 5 })
    expect(await answer).toMatchObject({ tookNs: 5 })
  })

  test('is matched by a key that is a text', async () => {
    const { ask, arrive, question } = open({ keyOf: ([key]) => `key ${key}` })
    const answers = [1, 2].map((key) => ask({ ...question(key), key: `key ${key}` }))
    for (const key of [2, 1]) arrive(key)
    expect(await Promise.all(answers)).toMatchObject([{ message: [1] }, { message: [2] }])
  })

  test('is no answer if it is not known when its request left', async () => {
    const { ask, arrive, question, strays } = open({ departureOf: () => undefined })
    const deadline = new Deadline(1_000)
    const answer = ask(question(1), deadline)
    arrive(1)
    deadline.end(deadline.timedOut())
    await expect(answer).rejects.toMatchObject({ reason: 'timeout' })
    arrive(1)
    expect(strays).toEqual([{ kind: 'late', from: peer }])
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
      expect(strays).toEqual(isShared ? [] : [{ kind: 'foreign', from: peer }])
    }
  })

  test('that arrives repeatedly is a duplicate each further time', async () => {
    const { exchange, arrive, question, strays } = open()
    const answers = exchange.volley([question(2), question(1)], new Deadline(1_000))
    // It left at 100 ns on the socket's timeline.
    arrive(1, { atNs: 110 })
    arrive(1, { atNs: 120 })
    arrive(1, { atNs: 130 })
    arrive(2)
    await answers
    expect(strays).toEqual([
      { kind: 'duplicate', from: peer, afterNs: 20 },
      { kind: 'duplicate', from: peer, afterNs: 30 },
    ])
  })

  test('that arrives again from another address is foreign', async () => {
    const { ask, arrive, question, strays } = open()
    const answer = ask(question(1))
    arrive(1)
    await answer
    const stranger = { ...peer, address: '10.0.0.2' }
    arrive(1, { from: stranger })
    expect(strays).toEqual([{ kind: 'foreign', from: stranger }])
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

  test('is in time at the very end of its deadline, and later if only this process stamped it', async () => {
    vi.useFakeTimers({ toFake: ['hrtime'] })
    onTestFinished(() => void vi.useRealTimers())
    const byKernel = open({ clocks: { tx: 'kernel', rx: 'kernel' } })
    const atTheEnd = byKernel.ask(byKernel.question(1), new Deadline(20))
    byKernel.arrive(1, { atNs: 20e6 })
    expect(await atTheEnd).toMatchObject({ tookNs: 20e6 })
    const byProcess = open()
    const afterwards = byProcess.ask(byProcess.question(1), new Deadline(20))
    byProcess.arrive(1, { atNs: 20e6 + 1 })
    expect(await afterwards).toMatchObject({ tookNs: 20e6 + 1 })
  })

  test('that arrived before the deadline counts, though it was still unread then', async () => {
    const exchange = open({ unread: () => exchange.arrive(1, { atNs: 5 }) })
    const deadline = new Deadline(1_000)
    const answer = exchange.ask(exchange.question(1), deadline)
    deadline.end(deadline.timedOut())
    expect(await answer).toMatchObject({ tookNs: 5 })
    expect(exchange.strays).toEqual([])
  })

  test('that is unread does not count when its caller cancels it', async () => {
    let drained = 0
    const { ask, question } = open({ unread: () => drained++ })
    const deadline = new Deadline(1_000)
    const answer = ask(question(1), deadline)
    deadline.cancel()
    await expect(answer).rejects.toMatchObject({ reason: 'cancelled' })
    expect(drained).toBe(0)
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
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { ask, arrive, question, strays, forgotten } = open()
  for (const key of [1, 2, 3]) {
    const answer = ask(question(key))
    arrive(key)
    await answer
    vi.advanceTimersByTime(121_000)
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

  test('that quotes only the beginning of a packet ends the attempt that sent it', async () => {
    const { ask, listener, question } = open()
    const answer = ask({ ...question(1), bytes: Uint8Array.of(1, 2, 3) })
    listener.failed({ to: peer, code: 'EHOSTUNREACH', atNs: 1, clock: 'user', bytes: Uint8Array.of(1, 2) })
    await expect(answer).rejects.toMatchObject({ reason: 'unreachable' })
  })

  test('is the fate of its packet: an answer after it is late the first time, then a duplicate', async () => {
    const { ask, listener, arrive, question, strays } = open()
    const answer = ask(question(1))
    listener.failed({ to: peer, code: 'EHOSTUNREACH', atNs: 1, clock: 'user' })
    await expect(answer).rejects.toMatchObject({ reason: 'unreachable' })
    arrive(1)
    arrive(1)
    expect(strays.map(({ kind }) => kind)).toEqual(['late', 'duplicate'])
  })

  test('about no packet in flight is ignored', () => {
    const { listener, strays } = open()
    listener.failed({ to: peer, code: 'ECONNREFUSED', atNs: 1, clock: 'user' })
    expect(strays).toEqual([])
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

  test('of the network without a quote ends no attempt, because anyone who knows the ports can make it', async () => {
    const { ask, listener, arrive, question, strays } = open()
    const answer = ask(question(1))
    listener.failed({ to: peer, code: 'ECONNREFUSED', atNs: 1, clock: 'user', icmp: refusal })
    expect(strays).toEqual([{ kind: 'foreign', from: peer }])
    arrive(1, { atNs: 5 })
    expect(await answer).toMatchObject({ message: [1], tookNs: 5 })
  })

  test('of the network without a quote is reported of the only attempt from its port if no answer arrives', async () => {
    const { exchange, listeners, question } = open({ sourcePorts: 2 })
    const deadline = new Deadline(1_000)
    const volley = exchange.volley([question(1), { ...question(2), flow: 1 }], deadline)
    listeners[1]?.failed({ to: peer, code: 'ECONNREFUSED', atNs: 150, clock: 'user', icmp: refusal })
    deadline.end(deadline.timedOut())
    expect(await volley).toMatchObject([{ kind: 'silent' }, { kind: 'icmp', error: refusal, tookNs: 50 }])
  })

  test('of the network without a quote is not the failure of an attempt that was cancelled', async () => {
    const { exchange, listener, question } = open()
    const deadline = new Deadline(1_000)
    const volley = exchange.volley([question(1)], deadline)
    listener.failed({ to: peer, code: 'ECONNREFUSED', atNs: 1, clock: 'user', icmp: refusal })
    deadline.cancel()
    expect(await volley).toEqual([{ kind: 'silent', mayBeOurs: false }])
  })

  test('of ICMP that quotes a packet ends its attempt at once, and is not foreign', async () => {
    const { ask, listener, question, strays } = open()
    const answer = ask(question(1), new Deadline(60_000))
    const error = { to: peer, code: 'ECONNREFUSED', atNs: 1, clock: 'user', icmp: refusal } as const
    listener.failed({ ...error, bytes: Uint8Array.of(1) })
    await expect(answer).rejects.toMatchObject({ reason: 'refused' })
    expect(strays).toEqual([])
  })

  test('of ICMP without a quote is not reported if the answer was only unread at the deadline', async () => {
    const { exchange, listener, arrive, question } = open({ unread: () => arrive(1, { atNs: 5 }) })
    const deadline = new Deadline(1_000)
    const other = { ...endpoint, address: '10.0.0.2' }
    const volley = exchange.volley([question(1), { ...question(2), to: other }], deadline)
    listener.failed({ to: peer, code: 'ECONNREFUSED', atNs: 1, clock: 'user', icmp: refusal })
    deadline.end(deadline.timedOut())
    expect(await volley).toMatchObject([{ kind: 'answered', tookNs: 5 }, { kind: 'silent' }])
  })

  test('of the kernel during a send fails that attempt', async () => {
    const { ask, question } = open({ sendError: Object.assign(new Error('send'), { code: 'EMSGSIZE' }) })
    await expect(ask(question(1))).rejects.toMatchObject({
      reason: 'too-big',
      code: 'EMSGSIZE',
      message: expect.stringContaining('sending to 10.0.0.1 port 7'),
    })
  })

  test('of the kernel during a send leaves the key free', async () => {
    const { exchange, ask, question } = open({ sendError: Object.assign(new Error('send'), { code: 'EMSGSIZE' }) })
    await expect(ask(question(1))).rejects.toMatchObject({ reason: 'too-big' })
    expect(exchange.isFree(1)).toBe(true)
  })
})

describe('a socket that cannot send many packets at once', () => {
  test('because of this host leaves them unsent', async () => {
    const sendManyError = Object.assign(new Error('configure'), { code: 'ENOBUFS' })
    const { exchange, question } = open({ sendManyError })
    expect(await exchange.volley([question(1), question(2)], new Deadline(1_000))).toEqual([
      { kind: 'unsent', code: 'ENOBUFS' },
      { kind: 'unsent', code: 'ENOBUFS' },
    ])
  })

  test('because of a bug leaves none of them pending', () => {
    const { exchange, question } = open({ sendManyError: new TypeError('a defect') })
    expect(() => exchange.volley([question(1), question(2)], new Deadline(1_000))).toThrow('a defect')
    expect([exchange.isFree(1), exchange.isFree(2)]).toEqual([true, true])
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

  test('closes the sockets that were opened, and opens none for a source port that was not used', () => {
    const { exchange, question, closed } = open({ sourcePorts: 3 })
    void exchange.volley([{ ...question(1), flow: 2 }], new Deadline(1_000))
    exchange.close()
    expect(closed).toEqual([0, 1])
  })

  test('forgets its requests: what arrives afterwards is foreign', async () => {
    const { exchange, ask, arrive, question, strays } = open()
    const answer = ask(question(1))
    arrive(1)
    await answer
    exchange.close()
    arrive(1)
    expect(strays).toEqual([{ kind: 'foreign', from: peer }])
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

  test('reads only the sockets of the shots that wait when its deadline ends', async () => {
    const drained: number[] = []
    const { exchange, arrive, question } = open({ sourcePorts: 2, unread: (socket) => drained.push(socket) })
    const deadline = new Deadline(60_000)
    const volley = exchange.volley([question(1), { ...question(2), flow: 1 }], deadline)
    arrive(1)
    deadline.end(deadline.timedOut())
    expect(await volley).toMatchObject([{ kind: 'answered' }, { kind: 'silent' }])
    expect(drained).toEqual([1])
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
    const flows = [1, 2, 0, 4, 2]
    const shots = flows.map((flow, index) => ({ ...question(index), flow }))
    const volley = exchange.volley(shots, new Deadline(1_000))
    expect(sentFrom.toSorted((a, b) => a - b)).toEqual([0, 1, 1, 2, 2])
    for (const key of [4, 3, 2, 1, 0]) arrive(key, { at: (flows[key] ?? 0) % 3 })
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

test('a key is free until a request has it, and not for a while after', async () => {
  const { exchange, ask, arrive, question } = open()
  expect(exchange.isFree(1)).toBe(true)
  const answer = ask(question(1))
  expect(exchange.isFree(1)).toBe(false)
  arrive(1)
  await answer
  expect(exchange.isFree(1)).toBe(false)
  expect(exchange.isFree(2)).toBe(true)
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
  readonly sendManyError?: Error
  readonly keyOf?: (bytes: Uint8Array) => Key | undefined
  /** Returns when the packet of a ticket left; undefined if that is not known. */
  readonly departureOf?: (ticket: number) => number | undefined
  /** Delivers what a socket has received and nobody has read. */
  readonly unread?: (socket: number) => void
}

/** Opens an exchange over a simulated socket. Each packet leaves 100 ns after the previous one; its key is its first byte. */
function open({
  isShared = false,
  sourcePorts = 1,
  clocks = { tx: 'user', rx: 'user' },
  sendError,
  sendManyError,
  keyOf = ([key]) => key,
  departureOf = (ticket) => ticket * 100,
  unread = () => {},
}: Setting = {}) {
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
    keyOf,
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
        sendMany(packets) {
          if (sendManyError !== undefined) throw sendManyError
          return sendEach(send, packets)
        },
        departure: (ticket) => {
          const atNs = departureOf(ticket)
          return atNs === undefined ? undefined : { atNs, clock: clocks.tx }
        },
        drain: () => unread(index),
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
    arrive: (
      key: number,
      { from = peer, atNs = 0, at = 0 }: { from?: PacketAddress; atNs?: number; at?: number } = {},
    ) => listeners[at]?.arrived({ ...from, bytes: Uint8Array.of(key), atNs, clock: clocks.rx }),
    question: (key: number): Shot<number[]> => ({
      bytes: Uint8Array.of(key),
      key,
      to: endpoint,
      read: (bytes) => [...bytes],
    }),
  }
}
