// Node 24, the version in the image, whatever Node runs this. npm carries Node itself, headers included.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, runNpm, step } from './command.mjs'

/** Folder of everything about Node 24. Not below node_modules, where vitest and Node refuse to load TypeScript. */
export const node24Cache = join(root, '.cache/node24')
const nodePackage = `node-${process.platform}-${process.arch}`

/**
 * Returns the path of a Node 24 and its version, fetching it if this checkout has none; undefined if it cannot be fetched.
 *
 * @returns {Promise<{ path: string, version: string } | undefined>}
 */
export async function node24() {
  const path = join(node24Cache, 'node_modules', nodePackage, 'bin/node')
  if (!existsSync(path) && !(await step('fetching Node 24', fetchNode))) return undefined
  return { path, version: spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout.trim() }
}

function fetchNode() {
  mkdirSync(node24Cache, { recursive: true })
  writeFileSync(join(node24Cache, 'package.json'), '{ "private": true }\n')
  return runNpm(['install', '--no-save', '--no-package-lock', `${nodePackage}@24`], { cwd: node24Cache })
}
