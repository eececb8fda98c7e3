// npm run test:node24: all tests, or those that arguments name, on Node 24, in a fresh copy of the checkout, so that the packages installed here
// keep the native parts built for the Node in use.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { root, run, step } from '../command.mjs'
import { node24, node24Cache } from '../node24.mjs'

const copy = join(node24Cache, 'checkout')

const node = await node24()
if (node === undefined || !(await step('copying the checkout', copyCheckout))) process.exit(1)

process.stderr.write(`testing on Node ${node.version}\n`)
const env = { ...process.env, PATH: `${dirname(node.path)}${delimiter}${process.env['PATH']}` }
const { status } = spawnSync(node.path, ['scripts/test/test.mjs', ...process.argv.slice(2)], {
  cwd: copy,
  env,
  stdio: 'inherit',
})
process.exitCode = status ?? 1

/** Copies the files that git would, committed or not. */
async function copyCheckout() {
  const list = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
  if (!list.isOk) return list
  rmSync(copy, { recursive: true, force: true })
  for (const path of list.output.split('\0').filter((path) => path !== '' && existsSync(join(root, path)))) {
    cpSync(join(root, path), join(copy, path), { verbatimSymlinks: true })
  }
  return list
}
