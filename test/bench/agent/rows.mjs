// What an agent with many peers has in memory, and the row that it makes of that.

import { makeCheck } from '@scout/core'
import { createMemory } from '../../../packages/agent/dist/memory/memory.js'
import { rowOf } from '../../../packages/agent/dist/memory/row.js'
import { planTasks } from '../../../packages/agent/dist/plan/plan.js'

const families = new Set(/** @type {const} */ (['ipv4']))

export const peersOf = (/** @type {number} */ count) =>
  Array.from({ length: count }, (_, number) => ({
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
export const checkOf = (/** @type {import('@scout/core').CheckDefinition} */ { name, protocol }) => {
  const target = protocol === 'dns' ? '{name}@{host}' : undefined
  return makeCheck({ name, protocol, target }, { intervalMs: 10_000 })
}

/** @returns {import('@scout/core').AnyResult} */
export const resultOf = (/** @type {number} */ totalNs) => ({
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
/** @param {{ peers: ReturnType<typeof peersOf>, checks: readonly import('@scout/core').Check[] }} mesh */
export function agentIn({ peers, checks }) {
  const plan = () => planTasks({ checks, peers, families, from: 'node-a' })
  const tasks = plan()
  const memory = createMemory()
  memory.setTasks(tasks, Date.now())
  for (const [index, task] of tasks.entries()) memory.record(task, resultOf(100_000 + index * 1_000), true)
  const takeRow = () => ({
    ...rowOf({
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
      arrivals: [],
      families,
      checks,
      settleMs: 5_000,
      tasks,
      sample: new Set(tasks.flatMap(({ key: { to } }) => to ?? [])),
      collected: [],
      roster: {
        peers: new Map(peers.map((peer) => [peer.id, peer])),
        knowledge: { source: 'bench', heardAtMs: Date.now() },
      },
      memory,
      vantages: [],
      schedule: { started: 0, late: 0, skipped: 0, lost: 0, inFlight: 0, waiting: 0, dropped: 0 },
      held: 0,
      greetings: { answered: peers.length, malformed: 0, silent: 0, unreached: 0 },
      diagnosis: { isSpeaking: false, rows: 1, ready: 1, incidents: [], sent: {}, received: {} },
    }),
    console: { answered: 0, rejected: 0, unsent: 0 },
    logLinesLost: 0,
  })
  return { plan, tasks, memory, takeRow }
}
