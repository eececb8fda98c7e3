// npm run test:cluster: the end-to-end tests, against the cluster that KUBECONFIG names.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root, run, step } from './command.mjs'
import { prepare } from './prepare.mjs'
import { closeReport } from './test-report.mjs'

const usage = `usage: npm run test:cluster -- [options] [files]

Builds the image, puts it into the nodes and tests what runs from it in the cluster that KUBECONFIG names. Needs kubectl and helm.

  --load COMMAND     loads the archive whose path is written behind it into the nodes; kind does that for its own clusters
  --image ARCHIVE    loads this archive instead of building one
  --commands FOLDER  with "on" and "power", for the tests that reach below Kubernetes
  -t PATTERN         only the tests with such names

Examples:
  npm run test:cluster
  npm run test:cluster -- --load 'k3d image import --cluster scout' chart mesh
`
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    load: { type: 'string' },
    image: { type: 'string' },
    commands: { type: 'string', default: process.env['SCOUT_CLUSTER_COMMANDS'] ?? '' },
    testNamePattern: { type: 'string', short: 't' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help === true) {
  process.stdout.write(usage)
  process.exit(0)
}
for (const tool of ['kubectl', 'helm']) {
  if (!(await run(tool, ['--help'])).isOk) end(`${tool} is not on the PATH`)
}
const answer = await run('kubectl', ['get', 'nodes', '--output', 'name', '--request-timeout', '10s'])
if (!answer.isOk) end(`there is no cluster to test on, set KUBECONFIG: ${answer.output.trim()}`)
await prepare('test')

const load = values.load ?? (await kindLoad())
const archive = values.image ?? builtImage()
// The command comes as one text, as a shell takes it; the path goes behind it as it is.
const isLoaded = await step('loading the image into the nodes', () => run('sh', ['-c', `${load} "$1"`, 'sh', archive]))
if (!isLoaded) process.exit(1)

process.env['SCOUT_CLUSTER_COMMANDS'] = values.commands
const { startVitest } = await import('vitest/node')
const { testNamePattern } = values
const vitest = await startVitest('test', positionals, {
  config: join(root, 'vitest.cluster.config.ts'),
  watch: false,
  ...(testNamePattern === undefined ? {} : { testNamePattern }),
})
closeReport(vitest)

/** How the archive gets into the nodes of the cluster that is in use, if it is one of kind's. */
async function kindLoad() {
  const { output } = await run('kubectl', ['config', 'current-context'])
  const name = /^kind-(.+)$/m.exec(output)?.[1]
  if (name === undefined)
    end(`say with --load how an image gets into the nodes of ${output.trim()}: it is none of kind's`)
  return `kind load image-archive --name ${name}`
}

/** The path of an image built now. */
function builtImage() {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts/image.mjs')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) process.exit(1)
  return stdout.trim()
}

/**
 * @param {string} why
 * @returns {never}
 */
function end(why) {
  process.stderr.write(`test:cluster: ${why}\n`)
  process.exit(2)
}
