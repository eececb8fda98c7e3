import type { AnyResult } from '@scout/core'
import { describe, expect, test } from 'vitest'
import { createMemory, keptMs, keptZones, type Memory } from '../../src/memory/memory.ts'
import { seriesReport } from '../../src/memory/row.ts'
import type { Series } from '../../src/memory/series.ts'
import { isFailure, stateOf } from '../../src/memory/state.ts'
import { failure, success } from '../support/results.ts'
import { checkOf, known, taskOf, tasksOf } from '../support/tasks.ts'

const onNode = (name: string, more = {}) => known(name, { node: 'node-2', zone: 'zone-b', ...more })

describe('a series', () => {
  test('counts the results of all peers of a node', () => {
    const memory = createMemory()
    const tasks = tasksOf([onNode('a'), onNode('b')])
    memory.setTasks(tasks, 0)
    for (const task of tasks) memory.record(task, success(), true)
    expect(onlySeries(memory).total.passed).toBe(2)
  })

  test('survives the replacement of a pod: totals, history and failures are kept', () => {
    const memory = createMemory()
    const old = taskOf(onNode('old'))
    const minuteMs = 1_700_000_040_000
    memory.setTasks([old], minuteMs)
    for (let second = 0; second < 60; second++) memory.record(old, success(minuteMs + second * 1_000), true)
    memory.record(old, failure(minuteMs + 61_000), true)
    memory.setTasks([], minuteMs + 62_000)
    const replacement = taskOf(onNode('new', { addresses: ['10.0.0.9'] }))
    memory.setTasks([replacement], minuteMs + 63_000)
    memory.record(replacement, success(minuteMs + 64_000), true)
    const { total, failures, recent, day, target } = onlySeries(memory)
    expect([total.passed, total.reasons, failures.length]).toEqual([61, { timeout: 1 }, 1])
    expect(recent.sum(minuteMs + 64_000)).toEqual({ passed: 61, failed: 1, other: 0 })
    expect(day.read(minuteMs + 64_000).map(({ passed, failed }) => [passed, failed])).toEqual([
      [60, 0],
      [1, 1],
    ])
    expect(target).toBe('10.0.0.9:8081')
  })

  test('is dropped when its node has had no peer for ten minutes, and not before', () => {
    const memory = createMemory()
    const task = taskOf(onNode('a'))
    memory.setTasks([task], 0)
    memory.record(task, success(), true)
    memory.setTasks([], 1_000)
    memory.setTasks([], 2_000)
    memory.forget(1_000 + keptMs - 1)
    expect(onlySeries(memory).total.passed).toBe(1)
    memory.forget(1_000 + keptMs)
    expect([...memory.series]).toEqual([])
    memory.setTasks([task], 1_000 + keptMs)
    expect(onlySeries(memory).total.passed).toBe(0)
  })

  test('is kept while its peer is starting or leaving, for any time', () => {
    const memory = createMemory()
    for (const nowMs of [0, 2 * keptMs]) memory.setTasks([taskOf(onNode('a', { state: 'starting' }))], nowMs)
    memory.forget(3 * keptMs)
    expect([...memory.series]).toHaveLength(1)
  })

  test('knows when its last success began, and neither a failure nor an older success changes that', () => {
    const { memory, record } = recorder()
    record(failure(1))
    expect(onlySeries(memory).succeededAtMs).toBeUndefined()
    for (const result of [success(20), success(10), failure(30)]) record(result)
    expect(onlySeries(memory).succeededAtMs).toBe(20)
  })

  test('keeps the newest failures after any number of successes', () => {
    const { memory, record } = recorder()
    for (let at = 1; at <= 7; at++) record(failure(at))
    for (let at = 8; at <= 99; at++) record(success(at))
    expect(onlySeries(memory).failures.map(({ startedAtMs }) => startedAtMs)).toEqual([3, 4, 5, 6, 7])
  })
})

describe('the state of a series', () => {
  test('dates from the first attempt if that succeeds', () => {
    const { memory, record } = recorder()
    expect([record(success(10)), record(success(20))]).toEqual(['steady', 'steady'])
    expect(reportOf(memory)).toMatchObject({ state: 'ok', sinceMs: 10 })
  })

  test('changes with the first failure and the first success after it', () => {
    const { memory, record } = recorder()
    const changes = [success(1), failure(2), failure(3), success(4), success(5)].map(record)
    expect(changes).toEqual(['steady', 'began-failing', 'steady', 'recovered', 'steady'])
    expect(onlySeries(memory)).toMatchObject({ isFailing: false, sinceMs: 4 })
  })

  test('has a trial for each conclusive result since it last changed', () => {
    const { memory, record } = recorder()
    const results = [success(1), success(2), failure(3), failure(4), failure(5, 'local-error'), success(6)]
    const trials = results.map((result) => {
      record(result)
      return onlySeries(memory).trials
    })
    expect(trials).toEqual([1, 2, 1, 2, 2, 1])
  })

  test('counts each attempt that a success stands for', () => {
    const memory = createMemory()
    const task = taskOf()
    memory.setTasks([task], 0)
    const many = { ...success(2), condensed: { attempts: 20, spanMs: 9_500 } }
    for (const result of [success(1), many, failure(3)]) memory.record(task, result, true)
    const { passed, reasons } = onlySeries(memory).total
    expect({ passed, reasons }).toEqual({ passed: 21, reasons: { timeout: 1 } })
    memory.record(task, many, true)
    memory.record(task, many, true)
    expect(onlySeries(memory)).toMatchObject({ isFailing: false, trials: 40 })
  })

  test('is explained by a rejection while later attempts have no answer, because hosts limit how many they send', () => {
    const { memory, record } = recorder()
    for (const result of [success(1), failure(1_000, 'refused'), failure(10_999)]) record(result)
    expect(reportOf(memory)).toMatchObject({ state: 'failing', trials: 2, last: { failure: { reason: 'refused' } } })
    record(failure(11_000))
    expect(reportOf(memory)).toMatchObject({ last: { failure: { reason: 'timeout' } } })
  })

  test.each([
    ['ok', success(1)],
    ['failing', failure(1)],
  ] as const)('stays %s, with the same start, when an attempt fails because of this host', (state, before) => {
    const { memory, record } = recorder()
    record(before)
    const { last } = onlySeries(memory)
    expect(record(failure(2, 'local-error'))).toBe('steady')
    expect(onlySeries(memory).total.reasons['local-error']).toBe(1)
    expect(reportOf(memory)).toMatchObject({ state, sinceMs: 1, last, recent: { other: 1 } })
  })

  test('keeps beside it what this host lacks, until an attempt is conclusive', () => {
    const { memory, record } = recorder()
    const attempts = [success(1), failure(2, 'local-error'), failure(3, 'local-error')]
    attempts.forEach(record)
    expect(reportOf(memory).hindered).toEqual({ sinceMs: 2, trials: 2, last: attempts[2] })
    record(failure(4))
    expect(reportOf(memory).hindered).toBeUndefined()
  })

  test.each(['not-permitted', 'not-supported'] as const)('is unable, and not failing, after %s', (reason) => {
    const { memory, record } = recorder()
    expect(record(failure(1, reason))).toBe('steady')
    expect(reportOf(memory)).toMatchObject({
      state: 'unable',
      total: { passed: 0, reasons: { [reason]: 1 } },
      failures: [],
    })
  })

  test('is waiting once the last result is too old', () => {
    const { memory, record } = recorder()
    record(failure(10))
    expect(reportOf(memory, 11).state).toBe('waiting')
  })

  test.each(['starting', 'leaving'] as const)('is waiting while its peer is %s, whatever its last result', (state) => {
    for (const result of [success(), failure()]) {
      const { memory, record } = recorder()
      record(result)
      memory.setTasks([taskOf(onNode('a', { state }))], 0)
      expect(reportOf(memory).state).toBe('waiting')
    }
  })

  test('is waiting after a pod was replaced, until the new one was probed', () => {
    const { memory, record } = recorder()
    record(failure(1))
    const replacement = taskOf(onNode('new'))
    memory.setTasks([replacement], 0)
    expect(reportOf(memory).state).toBe('waiting')
    expect(memory.record(replacement, success(2), true).change).toBe('recovered')
    expect(reportOf(memory)).toMatchObject({ state: 'ok', sinceMs: 2 })
  })

  test('is failing as long as any peer of the node fails, in any order of probes', () => {
    const memory = createMemory()
    const [good, bad] = [taskOf(onNode('good')), taskOf(onNode('bad'))]
    memory.setTasks([good, bad], 0)
    const changes = [
      memory.record(bad, failure(1), true).change,
      memory.record(good, success(2), true).change,
      memory.record(bad, failure(3), true).change,
      memory.record(good, success(4), true).change,
    ]
    expect(changes).toEqual(['began-failing', 'steady', 'steady', 'steady'])
    expect(reportOf(memory)).toMatchObject({ state: 'failing', sinceMs: 1, last: { ok: false, startedAtMs: 3 } })
  })

  test('is ok without the failure of a peer that has left, and the next success of the others is its recovery', () => {
    const { memory, good } = withFailingPeer()
    memory.setTasks([good], 0)
    expect(reportOf(memory)).toMatchObject({ state: 'ok', sinceMs: 2, last: { ok: true, startedAtMs: 2 } })
    expect(onlySeries(memory)).toMatchObject({ isFailing: false, trials: 1 })
    expect(memory.record(good, success(4), true).change).toBe('recovered')
    expect(memory.record(good, success(5), true).change).toBe('steady')
    expect(onlySeries(memory).trials).toBe(3)
    expect(reportOf(memory)).toMatchObject({ state: 'ok', sinceMs: 2 })
  })

  test('is that of the newest result of those that stayed, when the failing peer has left', () => {
    const memory = createMemory()
    const [early, late, silent, bad] = ['early', 'late', 'silent', 'bad'].map((name) => taskOf(onNode(name)))
    if (early === undefined || late === undefined || silent === undefined || bad === undefined)
      throw new Error('a task')
    memory.setTasks([late, early, silent, bad], 0)
    memory.record(late, success(5), true)
    memory.record(early, success(2), true)
    memory.record(bad, failure(6), true)
    memory.setTasks([late, early, silent], 0)
    expect(reportOf(memory)).toMatchObject({ state: 'ok', sinceMs: 5, last: { ok: true, startedAtMs: 5 } })
    memory.setTasks([early, silent], 0)
    expect(onlySeries(memory).sinceMs).toBe(5)
  })

  test('stays failing, with the same start, when one failing peer has left and another stayed', () => {
    const memory = createMemory()
    const [bad, other] = [taskOf(onNode('bad')), taskOf(onNode('other'))]
    memory.setTasks([bad, other], 0)
    memory.record(bad, failure(2), true)
    memory.record(other, failure(3), true)
    memory.setTasks([other], 0)
    expect(onlySeries(memory)).toMatchObject({ isFailing: true, sinceMs: 2 })
    expect(memory.record(other, success(4), true).change).toBe('recovered')
  })

  test('does not depend on a peer that left while its attempt was in flight', () => {
    const memory = createMemory()
    const [good, gone] = [taskOf(onNode('good')), taskOf(onNode('gone'))]
    memory.setTasks([good, gone], 0)
    memory.record(good, success(1), true)
    memory.setTasks([good], 0)
    expect(memory.record(gone, failure(2), true).change).toBe('steady')
    expect(onlySeries(memory).isFailing).toBe(false)
  })

  test('goes on failing, without another beginning, if a peer that stayed fails next', () => {
    const { memory, good } = withFailingPeer()
    memory.setTasks([good], 0)
    expect(memory.record(good, failure(4), true).change).toBe('steady')
    expect(reportOf(memory)).toMatchObject({ state: 'failing', sinceMs: 4 })
    expect(memory.record(good, success(5), true).change).toBe('recovered')
  })

  /** A series whose one peer is good, and whose other one failed last. */
  function withFailingPeer() {
    const memory = createMemory()
    const [good, bad] = [taskOf(onNode('good')), taskOf(onNode('bad'))]
    memory.setTasks([good, bad], 0)
    memory.record(good, success(2), true)
    memory.record(bad, failure(3), true)
    return { memory, good, bad }
  }
})

describe('a failure that was held back', () => {
  const minuteMs = 1_700_000_040_000

  test('is booked at its own time, and does not replace a newer result of another peer', () => {
    const memory = createMemory()
    const [good, bad] = [taskOf(onNode('good')), taskOf(onNode('bad', { addresses: ['10.0.0.9'] }))]
    memory.setTasks([good, bad], 0)
    memory.record(good, success(minuteMs + 9_000), true)
    memory.record(good, success(minuteMs + 12_000), true)
    expect(memory.record(bad, failure(minuteMs + 8_000), true).change).toBe('began-failing')
    const { last, target, recent } = onlySeries(memory)
    expect([last?.startedAtMs, target]).toEqual([minuteMs + 12_000, '10.0.0.1:8081'])
    expect(recent.read(minuteMs + 13_000).map(({ passed, failed }) => [passed, failed])).toEqual([
      [1, 1],
      [1, 0],
    ])
    expect(reportOf(memory)).toMatchObject({
      state: 'failing',
      sinceMs: minuteMs + 8_000,
      last: { ok: false, startedAtMs: minuteMs + 8_000 },
    })
  })

  test('is older than the last result by up to two minutes, and replaces one that started with it', () => {
    for (const [olderMs, isLast] of [
      [0, true],
      [1, false],
      [120_000, false],
      [120_001, true],
    ] as const) {
      const { memory, record } = recorder()
      record(success(minuteMs))
      record(failure(minuteMs - olderMs))
      expect([olderMs, onlySeries(memory).last?.ok]).toEqual([olderMs, !isLast])
    }
  })

  test('is the last result after the clock was set back', () => {
    const { memory, record } = recorder()
    record(success(minuteMs))
    record(failure(minuteMs - 3_600_000))
    expect(onlySeries(memory).last?.ok).toBe(false)
  })
})

test('a recovery reports how long the outage was, from the first failure to the first success', () => {
  const memory = createMemory()
  const task = taskOf(onNode('a'))
  memory.setTasks([task], 0)
  const record = (result: AnyResult) => memory.record(task, result, true)
  for (const result of [success(1_000), failure(11_000), failure(21_000), failure(25_000, 'local-error')])
    record(result)
  expect(record(success(141_000))).toEqual({ change: 'recovered', outageMs: 130_000 })
  expect(record(success(151_000))).toEqual({ change: 'steady' })
  record(failure(160_000))
  expect(record(success(161_000))).toEqual({ change: 'recovered', outageMs: 1_000 })
})

describe('a result that is set aside', () => {
  test('is counted, and changes nothing else', () => {
    const memory = createMemory()
    const task = taskOf(onNode('a'))
    memory.setTasks([task], 0)
    expect(memory.record(task, failure(), false).change).toBe('set-aside')
    expect(onlySeries(memory)).toMatchObject({ setAside: 1, last: undefined, isFailing: false })
    expect(memory.record(taskOf(known('stranger')), success(), true).change).toBe('set-aside')
    expect(memory.setAside).toBe(2)
  })
})

describe('durations', () => {
  test('are summed by zone, and never decrease when nodes leave', () => {
    const memory = createMemory()
    const [a, b] = [taskOf(onNode('a')), taskOf(known('b', { node: 'node-3', zone: 'zone-b' }))]
    memory.setTasks([a, b], 0)
    for (const task of [a, b]) memory.record(task, success(), true)
    memory.setTasks([], 0)
    memory.forget(keptMs)
    expect([...memory.series]).toEqual([])
    expect([...memory.durations].map(({ key, window }) => [key.check, key.to, window.times.count])).toEqual([
      ['tcp', 'zone-b', 2],
    ])
  })

  test('of zones without a peer are kept for the sixteen that had one last, whatever zones a peer greets with', () => {
    const memory = createMemory()
    const stays = taskOf(known('b', { node: 'node-3', zone: 'stays' }))
    for (let index = 0; index < 100; index++) {
      const changing = taskOf(onNode('a', { zone: `zone-${index}` }))
      memory.setTasks([stays, changing], index)
      for (const task of [stays, changing]) memory.record(task, success(), true)
    }
    const zones = [...memory.durations].map(({ key }) => key.to)
    expect(zones).toEqual([
      'stays',
      ...Array.from({ length: keptZones + 1 }, (_, index) => `zone-${99 - keptZones + index}`),
    ])
    expect([...memory.durations][0]?.window.times.count).toBe(100)
  })

  test('of all zones with a peer are kept, however many there are', () => {
    const memory = createMemory()
    const tasks = Array.from({ length: 2 * keptZones }, (_, index) => taskOf(onNode('a', { zone: `zone-${index}` })))
    memory.setTasks(tasks, 0)
    for (const task of tasks) memory.record(task, success(), true)
    memory.forget(0)
    expect([...memory.durations]).toHaveLength(2 * keptZones)
  })

  test('that begin with the last result of a task that is gone are those of a zone without a peer', () => {
    const memory = createMemory()
    const tasks = Array.from({ length: keptZones + 1 }, (_, index) => taskOf(onNode('a', { zone: `zone-${index}` })))
    memory.setTasks(tasks, 0)
    memory.setTasks([], 0)
    for (const task of tasks) memory.record(task, success(), true)
    memory.forget(0)
    expect([...memory.durations]).toHaveLength(keptZones)
  })

  test('are those of successes, beside the counts of all attempts and the time of each phase', () => {
    const { memory, record } = recorder()
    record(failure())
    record({ ...success(), phasesNs: { resolve: 700 }, totalNs: 1_000 })
    record({ ...success(), phasesNs: { resolve: 100 }, totalNs: 500 })
    const [one, ...others] = memory.durations
    expect(others).toEqual([])
    expect([one?.window.times.count, one?.window.times.sumNs]).toEqual([2, 700])
    expect(one?.window.counts).toMatchObject({ passed: 2, reasons: { timeout: 1 } })
    expect([...(one?.phasesNs ?? [])]).toEqual([['resolve', 800]])
  })

  test('have no zone if the check has no peer', () => {
    const memory = createMemory()
    const { peer: _, ...task } = taskOf(onNode('a'))
    memory.setTasks([task], 0)
    memory.setTasks([task], 1)
    memory.record(task, success(), true)
    expect([...memory.durations].map(({ key }) => key.to)).toEqual([undefined])
    expect(onlySeries(memory).toZone).toBeUndefined()
  })

  test('exclude name resolution', () => {
    const { memory, record } = recorder()
    record({ ...success(), phasesNs: { resolve: 400 }, totalNs: 1_000 })
    expect([...memory.durations][0]?.window.times.sumNs).toBe(600)
  })
})

test('a series without any result is waiting, one that fails over any task is failing, and one ok outweighs what is unable', () => {
  const unable = failure(1, 'not-permitted')
  expect(stateOf([])).toBe('waiting')
  expect(stateOf([undefined])).toBe('waiting')
  expect(stateOf([undefined, success()])).toBe('ok')
  expect(stateOf([success(), failure(), unable])).toBe('failing')
  expect(stateOf([unable, success()])).toBe('ok')
  expect(stateOf([undefined, unable])).toBe('unable')
  expect([undefined, success(), unable, failure()].map(isFailure)).toEqual([false, false, false, true])
})

function recorder() {
  const memory = createMemory()
  const task = taskOf(onNode('a'), checkOf('tcp'))
  memory.setTasks([task], 0)
  return { memory, record: (result: AnyResult) => memory.record(task, result, true).change }
}

function onlySeries(memory: Memory): Series {
  const [series, ...others] = memory.series
  if (series === undefined || others.length > 0) throw new Error('expected exactly one series')
  return series
}

function reportOf(memory: Memory, oldestMs = 0) {
  return seriesReport(onlySeries(memory), { takenAtMs: 10_000, oldestMs })
}
