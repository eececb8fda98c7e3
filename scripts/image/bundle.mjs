// node scripts/image/bundle.mjs FOLDER: bundles the programs of the image. Every program becomes a file that needs no packages, plus files
// for modules loaded on demand: importing all of @kubernetes/client-node costs 50 MB of memory more than its used part in one file.
// The folder has the layout of the checkout, and each module keeps its original location: files that it finds relative to itself (a
// manifest, a native part, a worker) are there.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { build } from 'esbuild'
import { root } from '../command.mjs'

/** @typedef {{ bin?: Record<string, string>, dependencies?: Record<string, string> }} Manifest */

/** Programs that run in threads of other programs. */
const workers = ['packages/agent/dist/vantage/thread-main.js', 'packages/core/dist/attempt/worker/main.js']
/** Packages resolved at run time, because they are native or load native parts. */
const loaded = ['node-gyp-build', 'raw-socket']
/** Dependencies that a package declares but needs only for its build. */
const buildTools = ['nan']

/** Modules that load far more than Scout uses, with the part it uses. The bundler rejects any other name. */
const doors = {
  '@kubernetes/client-node/dist/index.js': `
    export { KubeConfig } from './config.js'
  `,
  '@kubernetes/client-node/dist/gen/index.js': `
    export { createConfiguration } from './configuration.js'
    export { ServerConfiguration } from './servers.js'
  `,
}

const [folder] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node scripts/image/bundle.mjs FOLDER')
  process.exit(2)
}
const out = resolve(folder)
rmSync(out, { recursive: true, force: true })
mkdirSync(join(out, 'bin'), { recursive: true })

for (const path of readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)) {
  copy(`${path}/package.json`)
  copyNativeParts(`${path}/native`)
  for (const [name, file] of Object.entries(manifest(path).bin ?? {})) {
    await bundle(join(path, file))
    symlinkSync(join('..', path, file), join(out, 'bin', name))
  }
}
for (const worker of workers) await bundle(worker)
for (const name of loaded) copyPackage(name)
copy('packages/agent/dist/web')

/** @param {string} program */
async function bundle(program) {
  const toRoot = relative(dirname(program), '.')
  await build({
    absWorkingDir: root,
    entryPoints: [program],
    outdir: join(out, dirname(program)),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // Of an ES module, only what is used is kept: a seventh of OpenTelemetry.
    mainFields: ['module', 'main'],
    conditions: ['module'],
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'linked',
    // node-fetch 2 uses deprecated parts of Node, which would log warnings in the agent.
    alias: { punycode: 'punycode/' },
    logLevel: 'warning',
    banner: {
      js: [
        // CommonJS packages require Node's own modules.
        "import { createRequire as __createRequire } from 'node:module'",
        'const require = __createRequire(import.meta.url)',
        `const __moduleUrl = (path) => new URL('${toRoot}/' + path, import.meta.url).href`,
      ].join('\n'),
    },
    plugins: [{ name: 'scout', setup }],
  })
}

/** @param {import('esbuild').PluginBuild} bundler */
function setup(bundler) {
  // As an ES module, node:http is read with all its exports, and reading WebSocket loads all of Node's own undici: 6 MiB in each thread.
  bundler.onResolve({ filter: /^(?:node:)?http$/ }, ({ kind }) =>
    kind === 'import-statement' ? { path: 'node:http', namespace: 'required', sideEffects: false } : undefined,
  )
  bundler.onLoad({ filter: /.*/, namespace: 'required' }, ({ path }) => ({
    contents: `module.exports = require(${JSON.stringify(path)})`,
  }))
  bundler.onLoad({ filter: /\/packages\/[^/]+\/dist\/.*\.js$/ }, ({ path }) => ({ contents: ownModule(path) }))
  for (const [door, contents] of Object.entries(doors)) {
    bundler.onLoad({ filter: new RegExp(`/node_modules/${door}$`) }, () => ({ contents }))
  }
}

/**
 * Returns one of our modules, with its original location.
 *
 * @param {string} file
 */
function ownModule(file) {
  const path = relative(root, file)
  const source = readFileSync(file, 'utf8')
  if (source.includes('new Worker(') && !workers.some((worker) => dirname(worker) === dirname(path))) {
    throw new Error(`${path} starts a thread, but that program is not bundled: add it to scripts/image/bundle.mjs`)
  }
  return (
    source
      .replaceAll('import.meta.url', `__moduleUrl(${JSON.stringify(path)})`)
      // A namespace object keeps all of zod, in forty languages; a namespace import keeps only the used part.
      .replaceAll("import { z } from 'zod'", "import * as z from 'zod'")
  )
}

/**
 * Copies a package without its sources.
 *
 * @param {string} name
 */
function copyPackage(name) {
  const path = `node_modules/${name}`
  if (!existsSync(join(root, path))) throw new Error(`${name} is not installed: npm ci could not build it`)
  const needed = Object.keys(manifest(path).dependencies ?? {}).filter((other) => !buildTools.includes(other))
  if (needed.length > 0) throw new Error(`${name} needs ${needed.join(', ')}: add them to scripts/image/bundle.mjs`)
  for (const file of readdirSync(join(root, path))) {
    if (/^(?:package\.json|.*\.js|LICENSE.*|README.*)$/.test(file)) copy(`${path}/${file}`)
  }
  copyNativeParts(path)
}

/** @param {string} path a folder that node-gyp may have built in */
function copyNativeParts(path) {
  const built = `${path}/build/Release`
  if (!existsSync(join(root, built))) return
  for (const file of readdirSync(join(root, built)).filter((name) => name.endsWith('.node'))) copy(`${built}/${file}`)
}

/** @param {string} path */
function copy(path) {
  cpSync(join(root, path), join(out, path), { recursive: true })
}

/**
 * @param {string} path
 * @returns {Manifest}
 */
function manifest(path) {
  return JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'))
}
