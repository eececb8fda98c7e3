import type { AnyResult } from '@scout/core'
import { describe, expect, test } from 'vitest'
import { createMemory, keptMs, type Memory, type Series } from '../../src/memory/memory.ts'
import { seriesReport } from '../../src/memory/row.ts'
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
    expect(memory.record(replacement, success(2), true)).toBe('recovered')
    expect(reportOf(memory)).toMatchObject({ state: 'ok', sinceMs: 2 })
  })

  test('is failing as long as any peer of the node fails, in any order of probes', () => {
    const memory = createMemory()
    const [good, bad] = [taskOf(onNode('good')), taskOf(onNode('bad'))]
    memory.setTasks([good, bad], 0)
    const changes = [
      memory.record(bad, failure(1), true),
      memory.record(good, success(2), true),
      memory.record(bad, failure(3), true),
      memory.record(good, success(4), true),
    ]
    expect(changes).toEqual(['began-failing', 'steady', 'steady', 'steady'])
    expect(reportOf(memory)).toMatchObject({ state: 'failing', sinceMs: 1, last: { ok: false, startedAtMs: 3 } })
  })

  test('is ok without the failure of a peer that has left, and the next success of the others is its recovery', () => {
    const { memory, good } = withFailingPeer()
    memory.setTasks([good], 0)
    expect(reportOf(memory)).toMatchObject({ state: 'ok', sinceMs: 2, last: { ok: true, startedAtMs: 2 } })
    expect(onlySeries(memory).isFailing).toBe(false)
    expect(memory.record(good, success(4), true)).toBe('recovered')
    expect(memory.record(good, success(5), true)).toBe('steady')
    expect(reportOf(memory)).toMatchObject({ state: 'ok', sinceMs: 2 })
  })

  test('goes on failing, without another beginning, if a peer that stayed fails next', () => {
    const { memory, good } = withFailingPeer()
    memory.setTasks([good], 0)
    expect(memory.record(good, failure(4), true)).toBe('steady')
    expect(reportOf(memory)).toMatchObject({ state: 'failing', sinceMs: 4 })
    expect(memory.record(good, success(5), true)).toBe('recovered')
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
    expect(memory.record(bad, failure(minuteMs + 8_000), true)).toBe('began-failing')
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

  test('is the last result after the clock was set back', () => {
    const { memory, record } = recorder()
    record(success(minuteMs))
    record(failure(minuteMs - 3_600_000))
    expect(onlySeries(memory).last?.ok).toBe(false)
  })
})

describe('a result that is set aside', () => {
  test('is counted, and changes nothing else', () => {
    const memory = createMemory()
    const task = taskOf(onNode('a'))
    memory.setTasks([task], 0)
    expect(memory.record(task, failure(), false)).toBe('set-aside')
    expect(onlySeries(memory)).toMatchObject({ setAside: 1, last: undefined, isFailing: false })
    expect(memory.record(taskOf(known('stranger')), success(), true)).toBe('set-aside')
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

  test('exclude name resolution', () => {
    const { memory, record } = recorder()
    record({ ...success(), phasesNs: { resolve: 400 }, totalNs: 1_000 })
    expect([...memory.durations][0]?.window.times.sumNs).toBe(600)
  })
})

function recorder() {
  const memory = createMemory()
  const task = taskOf(onNode('a'), checkOf('tcp'))
  memory.setTasks([task], 0)
  return { memory, record: (result: AnyResult) => memory.record(task, result, true) }
}

function onlySeries(memory: Memory): Series {
  const [series, ...others] = memory.series
  if (series === undefined || others.length > 0) throw new Error('expected exactly one series')
  return series
}

function reportOf(memory: Memory, oldestMs = 0) {
  return seriesReport(onlySeries(memory), { takenAtMs: 10_000, oldestMs })
}
