import { describe, expect, test } from 'vitest'
import { packetsOf } from '../../../src/net/packets/fate.ts'
import { createDeadlines, Deadline } from '../../../src/time/deadline.ts'
import { open, peer, refusal } from './simulated-exchange.ts'

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
