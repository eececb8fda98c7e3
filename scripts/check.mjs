// npm run check: runs every script of package.json whose name starts with `check:`. A check that passes prints nothing, except lines that
// begin with "skipped:" for parts that could not run here.

import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { root, run, seconds } from './command.mjs'
import { prepare } from './prepare.mjs'

/** @type {{ scripts: Record<string, string> }} */
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const checks = Object.entries(scripts).filter(([name]) => name.startsWith('check:'))
const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env['PATH']}` }

// Some checks read the build output.
await prepare('test')
const startMs = performance.now()
const failed = []
for (const [name, command] of checks) {
  const { isOk, output } = await run(command, [], { env, shell: true })
  if (isOk) {
    for (const line of output.split('\n').filter((text) => text.startsWith('skipped:'))) console.log(`${name} ${line}`)
    continue
  }
  failed.push(name)
  process.stdout.write(`${name} (${command})\n${output.trimEnd()}\n\n`)
}
const verdict = failed.length === 0 ? `${checks.length} checks passed` : `${failed.join(', ')} failed`
console.log(`${verdict} in ${seconds(startMs)}`)
process.exitCode = failed.length === 0 ? 0 : 1
