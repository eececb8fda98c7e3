// What an agent's outputs cost: one row of 500 links by five protocols, and everything that is made from it.

import { makeCheck } from '@scout/core'
import { Bench } from 'tinybench'
import { createMemory } from '../../packages/agent/dist/memory/memory.js'
import { rowOf } from '../../packages/agent/dist/memory/row.js'
import { expositionOf } from '../../packages/agent/dist/outputs/exposition.js'
import { metrics } from '../../packages/agent/dist/outputs/metrics.js'
import { pageOf } from '../../packages/agent/dist/outputs/page.js'
import { planTasks } from '../../packages/agent/dist/plan/plan.js'

const links = 500
const protocols = ['http', 'tcp', 'udp', 'icmp', 'dns']

const peers = Array.from({ length: links }, (_, number) => ({
  id: `scout-${number}`,
  name: `scout-${number}`,
  namespace: 'scout',
  node: `node-${number}`,
  zone: `zone-${number % 3}`,
  addresses: [`10.244.${number >> 8}.${number & 0xff}`],
  port: 8081,
  state: /** @type {const} */ ('ready'),
  stateSinceMs: Date.now(),
}))
const checks = protocols.map((protocol) => {
  const target = protocol === 'dns' ? '{name}@{host}' : undefined
  return makeCheck({ name: protocol, protocol, target }, { intervalMs: 10_000 })
})
const families = new Set(/** @type {const} */ (['ipv4']))
const tasks = planTasks({ checks, peers, families, from: 'node-a' })

/** @returns {import('@scout/core').AnyResult} */
const resultOf = (/** @type {number} */ totalNs) => ({
  protocol: 'tcp',
  target: '10.244.0.1:8081',
  endpoint: { host: '10.244.0.1', address: '10.244.0.1', family: 'ipv4', port: 8081 },
  startedAtMs: Date.now(),
  phasesNs: { connect: totalNs },
  totalNs,
  clock: { tx: 'user', rx: 'user' },
  ok: true,
  detail: { sourcePort: 40_000, isResetAtOnce: false },
})
const memory = createMemory()
memory.setTasks(tasks, Date.now())
for (const [index, task] of tasks.entries()) memory.record(task, resultOf(100_000 + index * 1_000), true)

const [someTask] = tasks
if (someTask === undefined) throw new Error('the plan is empty')
const someResult = resultOf(250_000)
const takeRow = () =>
  rowOf({
    takenAtMs: Date.now(),
    startedAtMs: Date.now(),
    self: {
      name: 'scout-a',
      node: 'node-a',
      zone: 'zone-0',
      addresses: ['10.244.9.9'],
      nodeAddresses: [],
      version: '0.0.0',
    },
    isReady: true,
    families,
    checks,
    settleMs: 5_000,
    tasks,
    roster: {
      peers: new Map(peers.map((peer) => [peer.id, peer])),
      knowledge: { source: 'bench', heardAtMs: Date.now() },
    },
    memory,
    vantages: [],
    schedule: { started: 0, late: 0, skipped: 0, lost: 0, inFlight: 0, waiting: 0, dropped: 0 },
    held: 0,
    greetings: { answered: links, malformed: 0, silent: 0, unreached: 0 },
    diagnosis: { isSpeaking: false, rows: 1, ready: 1, incidents: [], sent: {}, received: {} },
  })
const row = { ...takeRow(), console: { answered: 0, rejected: 0, unsent: 0 }, logLinesLost: 0 }

const bench = new Bench({
  name: `an agent with ${links} links by ${protocols.length} protocols`,
  time: 300,
  throws: true,
})
bench
  .add('memory: record a result', () => void memory.record(someTask, someResult, true))
  .add('plan: make it', () => void planTasks({ checks, peers, families, from: 'node-a' }))
  .add('memory: take a plan', () => memory.setTasks(tasks, Date.now()))
  .add('row: take it', () => void takeRow())
  .add('row: as JSON', () => void JSON.stringify(row))
  .add('metrics: exposition', () => void expositionOf(metrics, row))
  .add('page: as HTML', async () => {
    await pageOf(row, { incidents: [], speaker: undefined, isSpeaking: false, rows: 1, ready: 1, missing: [] })
  })

await bench.run()
console.log(bench.name)
console.table(bench.table())
