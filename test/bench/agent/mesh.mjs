// npm run bench:agent -- --mesh: an agent as it is in its pod, with peers that answer and probe back. Prints what its process needs,
// against limits.

import { loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from '../../../scripts/command.mjs'
import { node24 } from '../../../scripts/node24.mjs'
import { prepare } from '../../../scripts/prepare.mjs'
import { failuresIn, figuresOf, isHeld } from './figures.mjs'
import { buildImage } from './image.mjs'

/** @typedef {import('./stage-main.mjs').Request} Request */
/** @typedef {import('./stage-main.mjs').Result} Result */

const { values } = parseArgs({
  options: {
    mesh: { type: 'boolean' },
    peers: { type: 'string', default: '31' },
    probed: { type: 'string', default: '64' },
    minutes: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '2m' },
    tree: { type: 'string', default: root },
    against: { type: 'string' },
    strict: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help === true) {
  console.log(`usage: npm run bench:agent -- --mesh [options]

An agent from the image's bundle, with the image's flags and Node 24, in a network namespace of its own. Its peers answer and probe back.
It finds them through an API server over TLS; a kubelet probes it and a Prometheus scrapes it. Loops at idle priority keep the cores awake.

  --peers NUMBER     peers (${values.peers}); there are limits for 31 and 1000
  --probed NUMBER    nodes that each agent probes at most (${values.probed}, as by default)
  --minutes NUMBER   how long it is measured (${values.minutes})
  --warmup DURATION  how long it runs before (${values.warmup})
  --tree DIR         checkout to measure (this one)
  --against DIR      another checkout to measure first, for comparison
  --strict           exit with 1 if a limit is missed`)
  process.exit(0)
}

await prepare('bench')
const { parseDurationMs } = await import('@scout/core')
/** @type {typeof import('../measurement/src/stage/enter.ts')} */
const { runOnStage } = await fromMeasurement('stage/enter.js')
/** @type {typeof import('../measurement/src/report/table.ts')} */
const { formatNumber, formatTable } = await fromMeasurement('report/table.js')

const warmupMs = parseDurationMs(values.warmup)
const measureMs = Number(values.minutes) * 60_000
const peers = Number(values.peers)
const probed = Math.min(peers, Number(values.probed))
if (!(measureMs > 0) || ![peers, probed].every((count) => Number.isInteger(count) && count >= 1 && count <= 65_000)) {
  console.error('--minutes takes a number above 0, --peers and --probed take a whole number from 1 to 65000')
  process.exit(2)
}
const node = (await node24()) ?? { path: process.execPath, version: process.version }
if (!node.version.startsWith('v24.')) {
  console.error(
    `Node 24 cannot be fetched: the agent runs on ${node.version}, whose memory and time differ from the image's`,
  )
}

const trees = [...(values.against === undefined ? [] : [values.against]), values.tree]
const images = trees.map((tree) => buildImage(tree, node.path))
/** @type {Result[]} */
const measured = []
for (const [index, image] of images.entries()) measured.push(await run(image, trees[index]))

const yardsticks = measured.flatMap(({ yardsticks }) => yardsticks)
const factors = yardsticks.map(({ factor }) => factor)
const yardstick = factors.reduce((total, factor) => total + factor, 0) / factors.length
const figures = figuresOf({ peers, probed, yardstick, measured })
print()
const isMissed = figures.some((figure) => measured.slice(-1).some((last) => isHeld(figure, last) === false))
process.exitCode = values.strict && isMissed ? 1 : 0

/**
 * @param {Request['image']} image
 * @param {string | undefined} name
 * @returns {Promise<Result>}
 */
async function run(image, name) {
  process.stderr.write(
    `${name}: ${peers} peers, ${probed} probed, ${values.warmup} of warm-up, then ${values.minutes} minutes …\n`,
  )
  /** @type {Result | undefined} */
  let result
  /** @type {Request} */
  const request = { image, node: node.path, peers, probed, warmupMs, measureMs }
  const program = fileURLToPath(new URL('./stage-main.mjs', import.meta.url))
  const code = await runOnStage(program, [JSON.stringify(request)], (message) => {
    result = /** @type {Result} */ (message)
  })
  if (result === undefined) process.exit(code === 0 ? 1 : code)
  return result
}

function print() {
  const columns = values.against === undefined ? ['measured'] : ['before', 'measured']
  const rows = figures.map((figure) => {
    const { name, read, atMost, atLeast } = figure
    const shown = measured.map((one) => {
      const value = read(one)
      return value === undefined ? 'not measured' : formatNumber(value)
    })
    const limit =
      atMost === undefined ? (atLeast === undefined ? '' : `≥ ${formatNumber(atLeast)}`) : formatNumber(atMost)
    const held = measured.slice(-1).map((last) => isHeld(figure, last))[0]
    return [name, ...shown, limit, held === undefined ? '' : held ? 'held' : '**missed**']
  })
  console.log(formatTable(['figure', ...columns, 'limit', 'verdict'], rows, { textColumns: 1 }))
  const shownFactors = factors.map((factor) => factor.toFixed(2)).join(', ')
  console.log(`
yardstick ${yardstick.toFixed(2)} (${shownFactors}); limits on time are for 2.0, scaled by it
Node ${node.version.slice(1)}, IPv4, load average ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`)
  for (const one of measured.flatMap(failuresIn)) console.log(one)
}

/** @param {string} path */
async function fromMeasurement(path) {
  return import(pathToFileURL(join(root, 'test/bench/measurement/dist', path)).href)
}
