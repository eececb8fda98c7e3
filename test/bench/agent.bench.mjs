// What an agent's outputs cost: one snapshot of 500 links by five protocols, and everything that is made from it.

import { Bench } from 'tinybench'
import { createLedger } from '../../packages/agent/dist/memory/ledger.js'
import { viewOf } from '../../packages/agent/dist/memory/snapshot.js'
import { metricsOf } from '../../packages/agent/dist/outputs/metrics.js'
import { pageOf } from '../../packages/agent/dist/outputs/page.js'

const links = 500
const protocols = /** @type {const} */ (['http', 'tcp', 'udp', 'icmp', 'dns'])

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
const keys = new Map(
  protocols.flatMap((protocol) => {
    const check = { name: protocol, protocol, target: '{host}:{port}', options: {} }
    return peers.map((peer) => {
      const key = { check, peer, target: `${peer.addresses[0]}:8081`, family: /** @type {const} */ ('ipv4') }
      return /** @type {const} */ ([`${protocol} ${peer.id}`, key])
    })
  }),
)

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
const ledger = createLedger()
ledger.setSeries(keys)
for (const [index, id] of [...keys.keys()].entries()) ledger.record(id, resultOf(100_000 + index * 1_000), true)

const [someId = ''] = keys.keys()
const someResult = resultOf(250_000)
const takeSeries = () => [...ledger.series.values()].map(viewOf)
/** @type {import('@scout/agent').Snapshot} */
const snapshot = {
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
  knowledge: { source: 'bench', heardAtMs: Date.now() },
  peers,
  departed: [],
  series: takeSeries(),
  schedule: { started: 0, late: 0, skipped: 0, inFlight: 0, waiting: 0 },
  setAside: 0,
  held: 0,
  greetings: { answered: links, malformed: 0, silent: 0 },
  strays: {},
  responders: {},
}

const bench = new Bench({
  name: `an agent with ${links} links by ${protocols.length} protocols`,
  time: 300,
  throws: true,
})
bench
  .add('ledger: record a result', () => ledger.record(someId, someResult, true))
  .add('snapshot: take it', takeSeries)
  .add('snapshot: as JSON', () => JSON.stringify(snapshot))
  .add('metrics: exposition', async () => {
    await metricsOf(snapshot).metrics()
  })
  .add('page: as HTML', async () => {
    await pageOf(snapshot)
  })

await bench.run()
console.log(bench.name)
console.table(bench.table())
