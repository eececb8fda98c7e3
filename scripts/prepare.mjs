// Prepares a checkout: system tools, packages, build. A step that is up to date takes almost no time and prints nothing. All of this runs
// before anything is installed, so it uses only Node's own modules.

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root, run, runNpm, step } from './command.mjs'
import { ensureTools, whyMissing } from './system-tools.mjs'

/**
 * The used part of a package.json.
 *
 * @typedef {{ workspaces?: string[], optionalDependencies?: Record<string, string>, scripts?: object, description?: string }} Manifest
 */

const installStamp = join(root, 'node_modules/.scout-install')
const buildStamp = join(root, 'node_modules/.scout-build')

/**
 * Ends the process when a step fails, because no later step could work.
 *
 * @param {import('./system-tools.mjs').Task} task
 */
export async function prepare(task) {
  await install(task)
  if (!(await buildNative()) || !(await build()) || !(await buildPage())) process.exit(1)
}

/**
 * Installs system tools and packages, without the build.
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
  // Native parts that failed without a compiler are built once there is one; built ones are kept if the compiler goes.
  if (installed === stamp || (!canCompile() && installed === withoutCompiler(stamp))) return true
  // Installing over the old packages keeps those of running processes. After a change of Node's version, or an install without a compiler,
  // native parts must be rebuilt.
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

/** Tools that node-gyp runs. */
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

/** Returns a stamp that changes with everything that determines the installed packages, but not with scripts or descriptions. */
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
  // npm 11 warns about unknown settings, but the node-gyp of npm 10 offers no other way.
  const isOldNpm = /^npm\/(?:\d|10)\./.test(process.env['npm_config_user_agent'] ?? '')
  return { [isOldNpm ? 'npm_config_nodedir' : 'npm_package_config_node_gyp_nodedir']: prefix, ...process.env }
}

function absentOptionalPackages() {
  return workspaces()
    .flatMap((folder) => Object.keys(manifest(folder).optionalDependencies ?? {}))
    .filter((name) => !existsSync(join(root, 'node_modules', name)))
}

/** Rebuilds the native part after changes of its sources; the first build is part of the install. */
async function buildNative() {
  const folder = join(root, 'packages/core/native')
  const built = join(folder, 'build/Release/scout.node')
  // If it cannot be built, Scout reports that at run time.
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
    // A file saved while the compiler runs is newer than the stamp, so the next run builds it.
    utimesSync(buildStamp, startedAt, startedAt)
  }
  return isDone
}

/** Builds the agent's page into a folder beside the rest of its build. */
async function buildPage() {
  const source = join(root, 'packages/agent/web')
  const built = join(root, 'packages/agent/dist/web/index.html')
  const newestMs = Math.max(newestChangeMs(source), newestChangeMs(join(root, 'packages/agent/package.json')))
  if (newestMs < newestChangeMs(built)) return true
  const startedAt = new Date()
  const vite = join(root, 'node_modules/vite/bin/vite.js')
  const isDone = await step('building the page', () => run(process.execPath, [vite, 'build', source]))
  if (isDone) utimesSync(built, startedAt, startedAt)
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
 * Returns the latest change below a path. Folders count as well: removing a file changes only its folder.
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
