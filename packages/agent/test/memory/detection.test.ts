import type { AnyResult } from '@scout/core'
import { describe, expect, test } from 'vitest'
import { createMemory } from '../../src/memory/memory.ts'
import { seriesReport } from '../../src/memory/row.ts'
import { troubledNodes } from '../../src/memory/series.ts'
import type { PlannedTask } from '../../src/plan/plan.ts'
import { failure, success } from '../support/results.ts'
import { checkOf, dnsTasksOf, known, tasksOf } from '../support/tasks.ts'

const checks = ['http', 'syn', 'udp', 'udp-large', 'icmp'].map((name) => checkOf(name))
const peers = [known('a', { node: 'node-2' }), known('b', { node: 'node-3' })]
const tasks = tasksOf(peers, checks)

/** Feeds a memory for some rounds of 10 s, and returns the reports on its series. */
function reportsAfter(rounds: number, resultOf: (task: PlannedTask, atMs: number, count: number) => AnyResult) {
  const memory = createMemory()
  memory.setTasks(tasks, 0)
  let count = 0
  for (let round = 0; round < rounds; round++) {
    for (const [index, task] of tasks.entries()) {
      const atMs = round * 10_000 + index * 400
      memory.record(task, resultOf(task, atMs, count++), true)
    }
  }
  return [...memory.series].map((series) => seriesReport(series, { takenAtMs: rounds * 10_000, oldestMs: 0 }))
}

test('reports nothing while all is well', () => {
  const reports = reportsAfter(100, (_, atMs) => success(atMs))
  expect(reports.filter(({ loss, slow }) => loss !== undefined || slow !== undefined)).toEqual([])
})

test('reports loss of the series of one link within two minutes, which each alone would take longer to find', () => {
  const isLost = (task: PlannedTask, atMs: number, count: number) =>
    task.key.to === 'node-2' && atMs > 200_000 && count % 3 === 0
  const reports = reportsAfter(32, (task, atMs, count) => (isLost(task, atMs, count) ? failure(atMs) : success(atMs)))
  const lossy = reports.filter(({ loss }) => loss !== undefined)
  expect(new Set(lossy.map(({ to }) => to))).toEqual(new Set(['node-2']))
  expect(lossy.length).toBeGreaterThan(3)
  for (const { loss } of lossy) expect(loss?.sinceMs).toBeGreaterThan(200_000)
})

test('reports a longer path', () => {
  const reports = reportsAfter(80, (task, atMs) => {
    const isSlow = task.key.to === 'node-3' && atMs > 400_000
    return { ...success(atMs), totalNs: isSlow ? 6_000_000 : 1_000_000, clock: { tx: 'kernel', rx: 'kernel' } }
  })
  const slow = reports.filter((report) => report.slow !== undefined)
  expect(new Set(slow.map(({ to }) => to))).toEqual(new Set(['node-3']))
  expect(slow).toHaveLength(checks.length)
  expect(slow[0]?.slow?.byNs).toBeGreaterThan(4_900_000)
})

test('reports no path as longer because of half a minute of a stream whose answers differ, so that each has a result', () => {
  const memory = createMemory()
  const [task] = tasksOf(peers.slice(0, 1), [checkOf('udp')]).map((one) => ({ ...one, perInterval: 20 }))
  if (task === undefined) throw new TypeError('there is a stream')
  memory.setTasks([task], 0)
  for (let atMs = 0; atMs < 640_000; atMs += 500) {
    const totalNs = atMs < 600_000 ? 1_000_000 : 6_000_000
    memory.record(task, { ...success(atMs), totalNs, clock: { tx: 'kernel', rx: 'kernel' } }, true)
  }
  const [series] = memory.series
  expect(series?.detector.state).toEqual({})
})

describe('servers of cluster DNS on one node', () => {
  const query = checkOf('dns', { protocol: 'dns', target: 'kubernetes.default' })
  const podsOn2 = ['10.0.0.2', '10.0.0.3'].map((address) => known(address, { node: 'node-2', addresses: [address] }))
  const ofPods = (pods: typeof podsOn2) => dnsTasksOf([query], [], pods).filter(({ key }) => key.path === 'dns-pod')

  /** Returns a memory after ten minutes with two servers, the second of which may have been silent for the most part. */
  function afterTenMinutes({ isSilent }: { readonly isSilent: boolean }) {
    const memory = createMemory()
    const tasks = ofPods(podsOn2)
    memory.setTasks(tasks, 0)
    for (let atMs = 0; atMs < 600_000; atMs += 10_000)
      for (const [index, task] of tasks.entries())
        memory.record(task, isSilent && index === 1 && atMs > 200_000 ? failure(atMs) : success(atMs), true)
    return memory
  }
  const isLossy = (memory: ReturnType<typeof createMemory>) =>
    [...memory.series].some(({ detector }) => detector.state.loss !== undefined)

  test('take the loss of one with it when that leaves or is replaced', () => {
    for (const others of [[], [known('10.0.0.4', { node: 'node-2' })]]) {
      const memory = afterTenMinutes({ isSilent: true })
      memory.setTasks(ofPods(podsOn2), 600_000)
      expect(isLossy(memory)).toBe(true)
      memory.setTasks(ofPods([...podsOn2.slice(0, 1), ...others]), 600_000)
      expect(isLossy(memory)).toBe(false)
    }
  })

  test('have not answered often while they are new', () => {
    const memory = afterTenMinutes({ isSilent: false })
    memory.setTasks(ofPods([known('10.0.0.4', { node: 'node-2' })]), 600_000)
    expect([...memory.series].map(({ trials }) => trials)).toEqual([0])
  })

  test('are no reason to probe their node, if they fail', () => {
    const memory = afterTenMinutes({ isSilent: true })
    expect(troubledNodes(memory.series, 'links')).toEqual(new Set())
    expect(troubledNodes(memory.series, 'dns-pods')).toEqual(new Set(['node-2']))
  })
})
