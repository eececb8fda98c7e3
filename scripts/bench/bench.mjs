// npm run bench: every test/bench/*.bench.mjs, or those whose names contain one of the arguments. One after the other: they measure.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../command.mjs'
import { prepare } from '../prepare.mjs'

await prepare('bench')

const folder = join(root, 'test/bench')
const wanted = process.argv.slice(2)
const files = readdirSync(folder).filter((name) => name.endsWith('.bench.mjs'))
for (const file of files.filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))) {
  await import(pathToFileURL(join(folder, file)).href)
}
