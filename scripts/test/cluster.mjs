// npm run test:cluster: the end-to-end tests, against the cluster that KUBECONFIG names.

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../command.mjs'
import { prepare } from '../prepare.mjs'
import { imageFlags, imageUsage, loadImage } from './cluster-image.mjs'
import { closeReport, retry } from './report.mjs'

const usage = `usage: npm run test:cluster -- [options] [files]

Builds the image, loads it into the nodes of the cluster in KUBECONFIG, and tests it there. Needs kubectl and helm.

${imageUsage}
  --commands FOLDER  folder with the programs "on" and "power", for tests that reach below Kubernetes
  -t PATTERN         pattern of test names to run

Examples:
  npm run test:cluster
  npm run test:cluster -- --load 'k3d image import --cluster scout' chart mesh
`
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...imageFlags,
    commands: { type: 'string', default: process.env['SCOUT_CLUSTER_COMMANDS'] ?? '' },
    testNamePattern: { type: 'string', short: 't' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help === true) {
  process.stdout.write(usage)
  process.exit(0)
}
await prepare('test')
await loadImage(values)

process.env['SCOUT_CLUSTER_COMMANDS'] = values.commands
const { startVitest } = await import('vitest/node')
const { testNamePattern } = values
const vitest = await startVitest('test', positionals, {
  config: join(root, 'vitest.cluster.config.ts'),
  watch: false,
  retry,
  ...(testNamePattern === undefined ? {} : { testNamePattern }),
})
closeReport(vitest)
