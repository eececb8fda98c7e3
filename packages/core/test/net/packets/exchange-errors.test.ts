import { describe, expect, test } from 'vitest'
import { Deadline } from '../../../src/time/deadline.ts'
import { endpoint, open, peer, refusal } from './simulated-exchange.ts'

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
