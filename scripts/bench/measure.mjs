// npm run bench:accuracy, npm run bench:cost and npm run bench:paths: a bench of test/bench/measurement, in separate namespaces.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../command.mjs'
import { prepare } from '../prepare.mjs'

await prepare('bench')

const folder = join(root, 'test/bench/measurement/dist')
const [name = '', ...args] = process.argv.slice(2)
/** @type {typeof import('../../test/bench/measurement/src/stage/enter.ts')} */
const { runOnStage } = await import(pathToFileURL(join(folder, 'stage/enter.js')).href)
process.exitCode = await runOnStage(join(folder, name, 'main.js'), args)
