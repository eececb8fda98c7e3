// npm run test:hostile: a healthy mesh beside a neighbour that sends garbage, asks for more than it takes and reads slowly. Exits with 1
// if that costs the mesh more than it may.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from '../../scripts/command.mjs'
import { node24 } from '../../scripts/node24.mjs'
import { prepare } from '../../scripts/prepare.mjs'
import { chart } from '../../scripts/release/chart.mjs'
import { startInImage } from '../bench/agent/image.mjs'

/** @typedef {import('./stage-main.mjs').Request} Request */
/** @typedef {import('./stage-main.mjs').Bound} Bound */

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    'this-node': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help === true) {
  console.log(`usage: npm run test:hostile -- [options]

Agents probe each other in network namespaces without a route out, while another pod sends 20,000 invalid datagrams a second, pipelines
requests for large answers, reads slowly, never ends its requests, and scrapes 100 times a second.

  --minutes NUMBER   how long the load lasts (${values.minutes})
  --this-node        run the agents on this Node, not on that of the image`)
  process.exit(0)
}
const loadMs = Number(values.minutes) * 60_000
if (!(loadMs > 0)) {
  console.error('--minutes takes a number above 0')
  process.exit(2)
}

await prepare('test')
const { parse } = await import('yaml')
/** @type {typeof import('../bench/measurement/src/stage/enter.ts')} */
const { runOnStage } = await import(pathToFileURL(join(root, 'test/bench/measurement/dist/stage/enter.js')).href)

const image = values['this-node'] ? undefined : await node24()
/** @type {Request} */
const request = { node: image?.path ?? process.execPath, ...startInImage(root), loadMs, limitMib: limitMib() }

/** @type {readonly Bound[] | undefined} */
let bounds
const program = fileURLToPath(new URL('./stage-main.mjs', import.meta.url))
const code = await runOnStage(program, [JSON.stringify(request)], (message) => {
  bounds = /** @type {readonly Bound[]} */ (message)
})
if (bounds === undefined) process.exit(code === 0 ? 1 : code)
for (const { what, measured, most, isHeld } of bounds)
  console.log(`${isHeld ? 'held  ' : 'MISSED'}  ${what}: ${measured} (at most ${most})`)
process.exitCode = bounds.every(({ isHeld }) => isHeld) ? 0 : 1

/** Returns the memory that the chart allows an agent. */
function limitMib() {
  /** @type {{ resources: { limits: { memory: string } } }} */
  const { resources } = parse(readFileSync(join(chart, 'values.yaml'), 'utf8'))
  const [, number] = /^(\d+)Mi$/.exec(resources.limits.memory) ?? []
  if (number === undefined) throw new Error(`the chart's limit on memory is not in Mi: ${resources.limits.memory}`)
  return Number(number)
}
