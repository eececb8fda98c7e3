import type { AnyResult } from '@scout/core'
import { expect, test } from 'vitest'
import { createMemory } from '../../src/memory/memory.ts'
import { seriesReport } from '../../src/memory/row.ts'
import type { PlannedTask } from '../../src/plan/plan.ts'
import { failure, success } from '../support/results.ts'
import { checkOf, known, tasksOf } from '../support/tasks.ts'

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
