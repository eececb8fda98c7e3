import { makeCheck } from '@scout/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { PlannedTask } from '../../src/plan/plan.ts'
import { createSuspicion } from '../../src/plan/suspicion.ts'
import { failure, success } from '../support/results.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function taskOf(check: string, to: string | undefined, intervalMs = 10_000): PlannedTask {
  return {
    id: `${check} ${to}`,
    key: { check, path: 'pod', vantage: 'pod', family: 'ipv4', from: 'here', to },
    check: makeCheck({ name: check, protocol: 'udp' }, { intervalMs }),
    target: '192.0.2.1:8081',
  }
}

function setUp() {
  let changes = 0
  const suspicion = createSuspicion(() => changes++)
  return { suspicion, changes: () => changes }
}

test('a failure makes all checks of its node run more often for a minute, and no others', () => {
  const { suspicion, changes } = setUp()
  const [udp, icmp, other] = [taskOf('udp', 'a'), taskOf('icmp', 'a'), taskOf('udp', 'b')]
  suspicion.note(udp, failure())
  expect([udp, icmp, other].map((task) => suspicion.moreOf(task)?.intervalMs)).toEqual([2_000, 2_000, undefined])
  vi.advanceTimersByTime(59_999)
  expect(suspicion.moreOf(icmp)?.intervalMs).toBe(2_000)
  vi.advanceTimersByTime(1)
  expect(suspicion.moreOf(icmp)?.intervalMs).toBeUndefined()
  expect(changes()).toBe(2)
})

test('what fails on is no news, and its end is', () => {
  const { suspicion } = setUp()
  const task = taskOf('udp', 'a')
  suspicion.note(task, failure())
  vi.advanceTimersByTime(60_000)
  suspicion.note(task, failure())
  expect(suspicion.moreOf(task)?.intervalMs).toBeUndefined()
  suspicion.note(task, success())
  expect(suspicion.moreOf(task)?.intervalMs).toBe(2_000)
})

test('after ten minutes in a row there are none for as long', () => {
  const { suspicion } = setUp()
  const task = taskOf('udp', 'a')
  const flap = () => {
    suspicion.note(task, failure())
    suspicion.note(task, success())
  }
  let suspectedMs = 0
  for (; suspicion.moreOf(task) !== undefined || suspectedMs === 0; suspectedMs += 1_000) {
    flap()
    vi.advanceTimersByTime(1_000)
  }
  expect(suspectedMs).toBe(600_000)
  for (let restedMs = 0; restedMs < 530_000; restedMs += 1_000) {
    flap()
    expect(suspicion.moreOf(task)).toBeUndefined()
    vi.advanceTimersByTime(1_000)
  }
  vi.advanceTimersByTime(60_000)
  flap()
  expect(suspicion.moreOf(task)?.intervalMs).toBe(2_000)
})

test('each further change makes the minute begin again', () => {
  const { suspicion, changes } = setUp()
  const task = taskOf('udp', 'a')
  suspicion.note(task, failure())
  vi.advanceTimersByTime(50_000)
  suspicion.note(task, success())
  vi.advanceTimersByTime(59_999)
  expect(suspicion.moreOf(task)?.intervalMs).toBe(2_000)
  vi.advanceTimersByTime(1)
  expect(suspicion.moreOf(task)?.intervalMs).toBeUndefined()
  expect(changes()).toBe(2)
})

test('successes, and failures for which this host is to blame, raise no suspicion', () => {
  const { suspicion, changes } = setUp()
  suspicion.note(taskOf('udp', 'a'), success())
  suspicion.note(taskOf('udp', 'b'), failure(1, 'local-error'))
  expect(changes()).toBe(0)
})

test('a fifth of the interval lies between attempts, but at least two seconds', () => {
  const { suspicion } = setUp()
  const tasks = [taskOf('a', 'a', 30_000), taskOf('b', 'a', 5_000), taskOf('c', 'a', 2_000)] as const
  suspicion.note(tasks[0], failure())
  expect(tasks.map((task) => suspicion.moreOf(task)?.intervalMs)).toEqual([6_000, 2_000, undefined])
})

test('a kept flow has no further attempts, which would use another one', () => {
  const { suspicion } = setUp()
  const check = makeCheck({ name: 'idle', protocol: 'udp', options: { keep: true } }, { intervalMs: 60_000 })
  const tasks = [taskOf('a', 'a'), { ...taskOf('idle', 'a'), check }] as const
  suspicion.note(tasks[0], failure())
  expect(tasks.map((task) => suspicion.moreOf(task)?.intervalMs)).toEqual([2_000, undefined])
})

test('eight links are suspected at a time; the first to end makes room', () => {
  const { suspicion } = setUp()
  const tasks = Array.from({ length: 10 }, (_, index) => taskOf('udp', `node-${index}`))
  for (const task of tasks) {
    suspicion.note(task, failure())
    vi.advanceTimersByTime(1_000)
  }
  const suspected = () => tasks.filter((task) => suspicion.moreOf(task)?.intervalMs !== undefined).length
  expect(suspected()).toBe(8)
  vi.advanceTimersByTime(50_000)
  expect(suspected()).toBe(7)
  suspicion.note(taskOf('udp', 'node-10'), failure())
  vi.advanceTimersByTime(60_000)
  expect(suspected()).toBe(0)
})

test('a link on which nothing fails any more makes room for one on which something does', () => {
  const { suspicion } = setUp()
  const tasks = Array.from({ length: 8 }, (_, index) => taskOf('udp', `node-${index}`))
  for (const task of tasks) suspicion.note(task, failure())
  const late = taskOf('udp', 'node-8')
  suspicion.note(late, failure())
  expect(suspicion.moreOf(late)).toBeUndefined()
  for (const task of tasks.slice(3, 5)) suspicion.note(task, success())
  suspicion.note(taskOf('icmp', 'node-8'), failure())
  expect(suspicion.moreOf(late)?.intervalMs).toBe(2_000)
  const suspected = tasks.map((task) => suspicion.moreOf(task) !== undefined)
  expect(suspected).toEqual([true, true, true, false, true, true, true, true])
})

test('checks of one target that is no peer share a suspicion', () => {
  const { suspicion } = setUp()
  const [one, other] = [taskOf('dns', undefined), taskOf('dns-tcp', undefined)]
  suspicion.note(one, failure())
  expect(suspicion.moreOf(other)?.intervalMs).toBe(2_000)
})

test('a task that was gone and is planned again fails for the first time', () => {
  const { suspicion, changes } = setUp()
  const task = taskOf('udp', 'a')
  suspicion.note(task, failure())
  vi.advanceTimersByTime(60_000)
  suspicion.keep(new Map())
  suspicion.note(task, failure())
  expect(changes()).toBe(3)
})

test('a stream has ten further attempts a second, which are as many results as those of other checks', () => {
  const { suspicion } = setUp()
  const stream = (intervalMs: number) => ({
    ...taskOf('udp', 'a'),
    check: makeCheck({ name: 'udp', protocol: 'udp', isStream: true }, { intervalMs }),
  })
  suspicion.note(stream(10_000), failure())
  expect([10_000, 20_000, 2_000].map((intervalMs) => suspicion.moreOf(stream(intervalMs)))).toEqual([
    { intervalMs: 2_000, perInterval: 20 },
    { intervalMs: 4_000, perInterval: 40 },
    undefined,
  ])
})
