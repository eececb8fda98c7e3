import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createDeadlines, Deadline } from '../../../src/time/deadline.ts'
import { open, peer } from './simulated-exchange.ts'

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
