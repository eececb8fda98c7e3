// npm run test:node24: the whole suite on Node 24, in a fresh copy of the checkout, so that the packages installed here
// keep the native parts built for the Node in use. npm carries Node itself, headers included.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { root, run, runNpm, step } from '../command.mjs'

// Not below node_modules, where vitest and Node refuse to load TypeScript.
const cache = join(root, '.cache/node24')
const copy = join(cache, 'checkout')
const nodePackage = `node-${process.platform}-${process.arch}`
const bin = join(cache, 'node_modules', nodePackage, 'bin')
const node = join(bin, 'node')

mkdirSync(cache, { recursive: true })
if (!existsSync(node)) await orEnd('fetching Node 24', fetchNode)
await orEnd('copying the checkout', copyCheckout)

const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
process.stderr.write(`testing on Node ${version}\n`)
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` }
const { status } = spawnSync(node, ['scripts/test/test.mjs', ...process.argv.slice(2)], {
  cwd: copy,
  env,
  stdio: 'inherit',
})
process.exitCode = status ?? 1

function fetchNode() {
  writeFileSync(join(cache, 'package.json'), '{ "private": true }\n')
  return runNpm(['install', '--no-save', '--no-package-lock', `${nodePackage}@24`], { cwd: cache })
}

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

/**
 * @param {string} what
 * @param {() => Promise<{ isOk: boolean, output: string }>} work
 */
async function orEnd(what, work) {
  if (!(await step(what, work))) process.exit(1)
}
