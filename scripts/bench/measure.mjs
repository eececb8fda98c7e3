// npm run bench:accuracy, npm run bench:cost and npm run bench:paths: a bench of test/bench/measurement, in separate namespaces.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, run, step } from '../command.mjs'
import { prepare } from '../prepare.mjs'

await prepare('bench')

const folder = join(root, 'test/bench/measurement/dist')
const [name = '', ...args] = process.argv.slice(2)
if (name === 'paths') await bundlePrograms()
/** @type {typeof import('../../test/bench/measurement/src/stage/enter.ts')} */
const { runOnStage } = await import(pathToFileURL(join(folder, 'stage/enter.js')).href)
process.exitCode = await runOnStage(join(folder, name, 'main.js'), args)

/** Whole commands are timed as the image has them. */
async function bundlePrograms() {
  const bundler = join(root, 'scripts/image/bundle.mjs')
  const folder = join(root, '.cache/bench/programs')
  if (!(await step('bundling the programs', () => run(process.execPath, [bundler, folder])))) process.exit(1)
}
