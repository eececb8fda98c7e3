// npm run check: everything a reviewer should not have to look for. Silent about what is in order.

import { join } from 'node:path'
import { root, run, seconds } from './command.mjs'
import { install, prepare } from './prepare.mjs'

/** @type {Readonly<Record<string, readonly (readonly [file: string, ...args: string[]])[]>>} */
const checks = {
  layout: [['biome', 'check', '--error-on-warnings']],
  lint: [['oxlint', '--type-aware', '--deny-warnings']],
  types: [['tsc', '-b']],
  unused: [['knip', '--no-progress', '--treat-config-hints-as-errors']],
  packages: ['core', 'agent', 'cli'].map((name) => ['publint', `packages/${name}`, '--strict']),
}

const startMs = performance.now()
const asked = process.argv.slice(2)
const unknown = asked.find((name) => !(name in checks))
if (unknown !== undefined) {
  console.error(`there is no check named ${unknown}: take ${Object.keys(checks).join(', ')}`)
  process.exit(2)
}

const chosen = asked.length > 0 ? asked : Object.keys(checks)
await install('test')
const failed = []
for (const name of chosen) {
  // The shape of a package is the shape of what was built.
  if (name === 'packages') await prepare('test')
  const results = await Promise.all(
    (checks[name] ?? []).map(([file, ...args]) => run(join(root, 'node_modules/.bin', file), args)),
  )
  const broken = results.filter((result) => !result.isOk)
  if (broken.length === 0) continue
  failed.push(name)
  for (const { output } of broken) process.stdout.write(`${output.trimEnd()}\n\n`)
}
const took = seconds(startMs)
if (failed.length === 0) console.log(`check: ${chosen.join(', ')} in order (${took})`)
else console.log(`check: ${failed.join(', ')} failed (${took}); npm run fix repairs the layout`)
process.exitCode = failed.length === 0 ? 0 : 1
