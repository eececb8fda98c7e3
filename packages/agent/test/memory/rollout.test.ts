import { expect, test } from 'vitest'
import { createMemory } from '../../src/memory/memory.ts'
import { createRoster } from '../../src/peers/roster.ts'
import type { PlannedTask } from '../../src/plan/plan.ts'
import { knowledge, peer } from '../support/peers.ts'
import { failure, success } from '../support/results.ts'
import { tasksOf } from '../support/tasks.ts'

test('a rollout keeps the totals and history of each link', () => {
  const memory = createMemory()
  const nodes = ['node-2', 'node-3']
  let tasks: readonly PlannedTask[] = []
  const roster = createRoster({
    isSelf: () => false,
    onChange() {
      tasks = tasksOf([...roster.peers.values()])
      memory.setTasks(tasks, Date.now())
    },
  })
  const podsOf = (generation: number) =>
    nodes.map((node, index) => peer(`${node}-${generation}`, { node, addresses: [`10.0.${index}.${generation}`] }))
  const probeAll = () => tasks.forEach((task) => memory.record(task, success(Date.now()), true))

  let pods = podsOf(1)
  roster.update(knowledge(pods))
  probeAll()
  for (const task of tasks) memory.record(task, failure(Date.now()), true)
  for (const successor of podsOf(2)) {
    const before = pods.find(({ node }) => node === successor.node)
    const others = pods.filter((pod) => pod !== before)
    roster.update(knowledge([...others, { ...successor, state: 'starting' }]))
    roster.update(knowledge([...others, successor]))
    pods = [...others, successor]
    probeAll()
  }
  const series = [...memory.series]
  expect(series.map(({ key, total, failures }) => [key.to, total.passed, total.reasons, failures.length])).toEqual([
    ['node-2', 3, { timeout: 1 }, 1],
    ['node-3', 3, { timeout: 1 }, 1],
  ])
  expect(series.map(({ recent }) => recent.sum(Date.now()))).toEqual([
    { passed: 3, failed: 1, other: 0 },
    { passed: 3, failed: 1, other: 0 },
  ])
})
