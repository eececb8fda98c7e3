// What an agent's outputs cost: one row of 500 links by five protocols, and everything that is made from it; and one scrape of an agent with
// 32 peers and the default settings, which may take 20 ms and 200 kB.

import { gzipSync } from 'node:zlib'
import { catalogue } from '@scout/core'
import { Bench } from 'tinybench'
import { configSchema } from '../../packages/agent/dist/config/index.js'
import { expositionOf } from '../../packages/agent/dist/outputs/metrics/exposition.js'
import { createLinks } from '../../packages/agent/dist/outputs/metrics/labels.js'
import { metrics } from '../../packages/agent/dist/outputs/metrics/metrics.js'
import { agentIn, checkOf, peersOf, resultOf } from './agent/rows.mjs'

const links = 500
const protocols = ['http', 'tcp', 'udp', 'icmp', 'dns']
const { plan, tasks, memory, takeRow } = agentIn({
  peers: peersOf(links),
  checks: protocols.map((name) => checkOf({ name, protocol: name })),
})
const [someTask] = tasks
if (someTask === undefined) throw new Error('the plan is empty')
const someResult = resultOf(250_000)
const row = takeRow()

const bench = new Bench({
  name: `an agent with ${links} links by ${protocols.length} protocols`,
  time: 300,
  throws: true,
})
bench
  .add('memory: record a result', () => void memory.record(someTask, someResult, true))
  .add('plan: make it', () => void plan())
  .add('memory: take a plan', () => memory.setTasks(tasks, Date.now()))
  .add('row: take it', () => void takeRow())
  .add('row: as JSON', () => void JSON.stringify(row))
  .add('metrics: exposition', () => void expositionOf(metrics, row))

await bench.run()
console.log(bench.name)
console.table(bench.table())

const limits = { peers: 32, ms: 20, bytes: 200_000 }
const scraped = agentIn({ peers: peersOf(limits.peers), checks: catalogue.map(checkOf) })
const linksOf = createLinks()
const budget = configSchema.parse({}).metrics.series
const scrape = () => Buffer.concat(expositionOf(metrics, scraped.takeRow(), { format: 'openmetrics', budget, linksOf }))
const times = 100
// The first ones compile.
for (let time = 0; time < times; time++) gzipSync(scrape(), { level: 1 })
const before = process.cpuUsage()
for (let time = 0; time < times; time++) gzipSync(scrape(), { level: 1 })
const { user, system } = process.cpuUsage(before)
const ms = (user + system) / 1_000 / times
const { length } = scrape()
console.log(
  `an agent with ${limits.peers} peers: one scrape of ${length} bytes, compressed, takes ${ms.toFixed(1)} ms of CPU`,
)
if (!(ms < limits.ms && length < limits.bytes)) {
  console.error(`more than ${limits.bytes} bytes or ${limits.ms} ms`)
  process.exitCode = 1
}
