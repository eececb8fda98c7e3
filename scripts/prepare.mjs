// Makes a checkout ready to run: system tools, packages, build. A step that is up to date costs next to nothing and says
// nothing. All of this runs before anything is installed, so it lives on Node's own modules alone.

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root, run, runNpm, step } from './command.mjs'
import { ensureTools, whyMissing } from './system-tools.mjs'

/**
 * What is read of a package.json.
 *
 * @typedef {{ workspaces?: string[], optionalDependencies?: Record<string, string>, scripts?: object, description?: string }} Manifest
 */

const installStamp = join(root, 'node_modules/.scout-install')
const buildStamp = join(root, 'node_modules/.scout-build')

/**
 * Ends the process when a step fails, for nothing that follows could work.
 *
 * @param {import('./system-tools.mjs').Task} task
 */
export async function prepare(task) {
  await install(task)
  if (!(await buildNative()) || !(await build())) process.exit(1)
}

/**
 * System tools and packages, without the build.
 *
 * @param {import('./system-tools.mjs').Task} task
 */
export async function install(task) {
  await ensureTools(task)
  if (!(await installPackages())) process.exit(1)
}

async function installPackages() {
  const stamp = `${nodeKey()}\n${dependencyHash()}\n`
  const installed = existsSync(installStamp) ? readFileSync(installStamp, 'utf8') : ''
  // Native parts that failed without a compiler are built once there is one; those that were built are kept without it.
  if (installed === stamp || (!canCompile() && installed === withoutCompiler(stamp))) return true
  // Installing on top keeps the packages of running processes. Another version of Node, or an install that had no compiler, needs its
  // native parts rebuilt.
  const isOnTop = installed.startsWith(`${nodeKey()}\n`) && process.env['CI'] !== 'true'
  const command = [...(isOnTop ? ['install', '--no-save'] : ['ci']), '--include=dev', '--include=optional']
  const isDone = await step('installing packages', () => runNpm(command, { env: installEnvironment() }))
  if (!isDone) return false
  for (const name of absentOptionalPackages()) {
    process.stderr.write(`${name} could not be built and is left out: npm install --foreground-scripts shows why\n`)
  }
  writeFileSync(installStamp, canCompile() ? stamp : withoutCompiler(stamp))
  return true
}

/** What node-gyp runs. */
function canCompile() {
  return /** @type {const} */ (['g++', 'make', 'python3']).every((name) => whyMissing(name) === undefined)
}

/** @param {string} stamp */
function withoutCompiler(stamp) {
  return `without a compiler\n${stamp}`
}

function nodeKey() {
  return `${process.version} ${process.platform} ${process.arch}`
}

/** Changes with everything that decides what is installed, but not with a script or a description. */
function dependencyHash() {
  const hash = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')))
  for (const folder of ['.', ...workspaces()]) {
    const { scripts, description, ...deciding } = manifest(folder)
    hash.update(JSON.stringify([folder, deciding]))
  }
  return hash.digest('hex')
}

/**
 * By default node-gyp downloads the headers of Node; most installations of Node include them.
 *
 * @returns {NodeJS.ProcessEnv}
 */
function installEnvironment() {
  const prefix = dirname(dirname(process.execPath))
  if (!existsSync(join(prefix, 'include/node/node_version.h'))) return process.env
  // npm 11 warns about unknown settings, but the node-gyp of npm 10 has no other way.
  const isOldNpm = /^npm\/(?:\d|10)\./.test(process.env['npm_config_user_agent'] ?? '')
  return { [isOldNpm ? 'npm_config_nodedir' : 'npm_package_config_node_gyp_nodedir']: prefix, ...process.env }
}

function absentOptionalPackages() {
  return workspaces()
    .flatMap((folder) => Object.keys(manifest(folder).optionalDependencies ?? {}))
    .filter((name) => !existsSync(join(root, 'node_modules', name)))
}

/** An install builds the native part; this follows changes of its sources. */
async function buildNative() {
  const folder = join(root, 'packages/core/native')
  const built = join(folder, 'build/Release/scout.node')
  // If it cannot be built, Scout reports that when it runs.
  if (!existsSync(built)) return true
  const sources = readdirSync(folder).filter((name) => /\.(?:c|h|gyp)$/.test(name))
  const newestMs = Math.max(...sources.map((name) => newestChangeMs(join(folder, name))))
  if (newestMs < statSync(built).mtimeMs) return true
  const command = ['run', 'install', '--workspace', 'packages/core']
  return step('building the native part', () => runNpm(command, { env: installEnvironment() }))
}

async function build() {
  const folders = workspaces().filter((folder) => existsSync(join(root, folder, 'tsconfig.json')))
  if (isBuilt(folders)) return true
  const startedAt = new Date()
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const isDone = await step('building', () => run(process.execPath, [compiler, '-b', ...folders]))
  if (isDone) {
    writeFileSync(buildStamp, '')
    // What is saved while the compiler runs is younger than the stamp, so the next run builds it.
    utimesSync(buildStamp, startedAt, startedAt)
  }
  return isDone
}

/** @param {readonly string[]} folders */
function isBuilt(folders) {
  if (!existsSync(buildStamp) || folders.some((folder) => !existsSync(join(root, folder, 'dist')))) return false
  const inputs = folders.flatMap((folder) => [`${folder}/src`, `${folder}/package.json`, `${folder}/tsconfig.json`])
  const newestMs = Math.max(...['tsconfig.base.json', ...inputs].map((path) => newestChangeMs(join(root, path))))
  return newestMs < statSync(buildStamp).mtimeMs
}

/**
 * Folders count as well: removing a file changes nothing else.
 *
 * @param {string} path
 * @returns {number}
 */
function newestChangeMs(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return 0
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestChangeMs(join(path, name))))
}

/** @returns {readonly string[]} */
function workspaces() {
  return manifest('.').workspaces ?? []
}

/**
 * @param {string} folder
 * @returns {Manifest}
 */
function manifest(folder) {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
}
