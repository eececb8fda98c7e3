import { expect, test } from 'vitest'
import type { TimedSocket } from '../../../src/net/native/timed-socket.ts'
import type { Reply, TracePacket } from '../../../src/net/trace/packet.ts'
import { createSchedule, type TraceExtent } from '../../../src/net/trace/schedule.ts'

const target = { host: '10.9.8.2', address: '10.9.8.2', family: 'ipv4' } as const
const usual: TraceExtent = { flows: 1, count: 1, maxHops: 30, intervalMs: 100, waitMs: 1_000 }

const exceeded = (from: string): Partial<Reply> => ({ from, icmp: { type: 11, code: 0 } })
const answered: Partial<Reply> = { from: target.address, ttl: 57 }

/** A trace whose clock the test turns. */
function start(extent: Partial<TraceExtent> = {}) {
  const schedule = createSchedule({ ...usual, ...extent }, target)
  const packets: TracePacket[] = []
  let now = 1e9
  return {
    schedule,
    /** Sends what is due and returns the TTLs. */
    send(): readonly number[] {
      const due = schedule.due(now)
      for (const { flow, ttl, payloadBytes } of due) {
        const packet = {
          flow,
          ttl,
          image: new Uint8Array(8 + (payloadBytes ?? 12)),
          socket: {} as TimedSocket,
          ticket: packets.length,
        }
        packets.push(packet)
        schedule.sent(packet, now)
      }
      return due.map(({ ttl }) => ttl)
    },
    reply(ttl: number, reply: Partial<Reply>) {
      const packet = packets.findLast((each) => each.ttl === ttl)
      if (packet === undefined) throw new Error(`nothing was sent with TTL ${ttl}`)
      schedule.replied(packet, { from: '', atNs: now, clock: 'kernel', ...reply }, now)
    },
    pass(ms: number) {
      now += ms * 1e6
    },
    isOver: () => schedule.isOver(now),
  }
}

test('the first packet has the largest TTL, and nothing else is sent before its answer or a quarter of a second', () => {
  const { send, pass } = start()
  expect(send()).toEqual([30])
  pass(249)
  expect(send()).toEqual([])
  pass(1)
  expect(send()).toEqual([1, 2, 3, 4, 5])
})

test.for<[what: string, reply: Partial<Reply>, hops: number]>([
  ['an answer that began with 64', { ttl: 62 }, 3],
  ['an answer that began with 128', { ttl: 126 }, 3],
  ['an answer that began with 255', { ttl: 253 }, 3],
  [
    'nothing, if the quoted TTL is no possible one, so as far as hops usually answer',
    { quotedTtl: 77, icmp: { type: 3, code: 3 } },
    5,
  ],
])('the distance follows from %s', ([, reply, hops]) => {
  const { send, reply: answer } = start()
  send()
  answer(30, { from: target.address, ...reply })
  expect(send()).toEqual(Array.from({ length: hops }, (_, hop) => hop + 1))
})

test('an error of the target that quotes the TTL has asked the last hop', () => {
  const { schedule, send, reply, isOver } = start()
  send()
  reply(30, { from: target.address, ttl: 60, quotedTtl: 28, icmp: { type: 3, code: 3 } })
  expect(send()).toEqual([1, 2])
  reply(1, exceeded('10.9.1.2'))
  reply(2, exceeded('10.9.2.2'))
  expect(isOver()).toBe(true)
  expect(schedule.endOf(0)).toMatchObject({ ttl: 3, isTarget: true })
})

test('asks five hops beyond the last that answered, and no more', () => {
  const { send, reply, pass, isOver } = start()
  send()
  pass(250)
  send()
  reply(3, exceeded('10.9.3.2'))
  expect(send()).toEqual([6, 7, 8])
  pass(1_000)
  expect(send()).toEqual([])
  // Linux takes three seconds to find out that a host is not there.
  expect(isOver()).toBe(false)
  pass(2_000)
  expect(isOver()).toBe(true)
})

test('a way that is longer than the distance is followed on', () => {
  const { send, reply } = start()
  send()
  reply(30, { from: target.address, ttl: 63 })
  expect(send()).toEqual([1, 2])
  reply(1, exceeded('10.9.1.2'))
  reply(2, exceeded('10.9.2.2'))
  expect(send()).toEqual([3, 4, 5, 6, 7])
  reply(4, answered)
  expect(send()).toEqual([])
})

test('each hop is asked as often as wanted, an interval apart, and the first packet is one of those to the target', () => {
  const { schedule, send, reply, pass, isOver } = start({ count: 2 })
  send()
  reply(30, { from: target.address, ttl: 63 })
  expect(send()).toEqual([1, 2])
  reply(1, exceeded('10.9.1.2'))
  reply(2, answered)
  pass(99)
  expect(send()).toEqual([])
  pass(1)
  expect(send()).toEqual([1])
  expect(isOver()).toBe(false)
  reply(1, exceeded('10.9.1.2'))
  expect(isOver()).toBe(true)
  expect(schedule.endOf(0)).toMatchObject({ ttl: 2, isTarget: true })
})

test('a silent hop is waited for less long once the target has answered', () => {
  const { send, reply, pass, isOver } = start()
  send()
  reply(30, { from: target.address, ttl: 63 })
  send()
  pass(1)
  reply(2, answered)
  pass(98)
  expect(isOver()).toBe(false)
  pass(2)
  expect(isOver()).toBe(true)
})

test('a packet that was too big is sent again with as many bytes as fit', () => {
  const { schedule, send, reply } = start({ payloadBytes: 1_400 })
  send()
  reply(30, { from: '10.9.5.2', icmp: { type: 3, code: 4, mtu: 1_300 } })
  expect(schedule.due(2e9)).toMatchObject([{ ttl: 30, payloadBytes: 1_272 }])
  expect(schedule.bottlenecks).toEqual([{ from: '10.9.5.2', mtu: 1_300, ttl: 30 }])
})

test('a router that reports an MTU that the packet does not exceed ends the flow', () => {
  const { schedule, send, reply, pass } = start({ payloadBytes: 1_400 })
  send()
  pass(250)
  send()
  reply(2, { from: '10.9.1.2', icmp: { type: 3, code: 4, mtu: 1_428 } })
  expect(schedule.bottlenecks).toEqual([])
  expect(schedule.endOf(0)).toMatchObject({ ttl: 2, isTarget: false })
  expect(send()).toEqual([])
})

test('packets that go in circles are followed for three turns', () => {
  const { send, reply, pass, isOver } = start()
  send()
  pass(250)
  send()
  for (const ttl of [1, 2, 3, 4, 5]) reply(ttl, exceeded(`10.9.${ttl % 2}.2`))
  expect(send()).toEqual([])
  expect(isOver()).toBe(true)
})
