// The bases of the image where no registry is reachable: Debian by debootstrap from this machine's mirror, Node from its npm
// package. They stand in for node:24-bookworm and node:24-bookworm-slim, with Node in the same place.

import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, runNpm, step } from '../command.mjs'

/** @typedef {import('./builder.mjs').Builder} Builder */

const release = 'bookworm'
const packagesOf = /** @type {const} */ ({
  build: ['ca-certificates', 'g++', 'make', 'python3'],
  run: ['libstdc++6'],
})
const languagesAndManuals = ['usr/share/locale', 'usr/share/man', 'usr/share/info', 'usr/share/lintian']
const leftovers = ['var/cache/apt', 'var/lib/apt/lists', 'var/cache/debconf', 'var/cache/ldconfig', 'var/log']

/**
 * Returns the names of a base to build on and one to run on, building them if this recipe has not done so before.
 *
 * @param {Builder} builder
 * @returns {Promise<{ build: string, run: string } | undefined>} `undefined` when a step failed, which has been reported
 */
export async function madeBases(builder) {
  const recipe = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)))
  const tag = recipe.digest('hex').slice(0, 12)
  const bases = { build: `localhost/scout-build-base:${tag}`, run: `localhost/scout-run-base:${tag}` }
  if ((await builder.has(bases.build)) && (await builder.has(bases.run))) return bases
  if (process.getuid?.() !== 0) {
    process.stderr.write('cannot make a base for the image without a registry: debootstrap needs root\n')
    return undefined
  }
  const work = mkdtempSync(join(tmpdir(), 'scout-image-'))
  try {
    const isMade =
      (await step('fetching Node 24', () => fetchNode(work))) &&
      (await step('making a base to build on', () => makeBase('build', { work, builder, name: bases.build }))) &&
      (await step('making a base to run on', () => makeBase('run', { work, builder, name: bases.run })))
    return isMade ? bases : undefined
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** @param {string} work */
function fetchNode(work) {
  writeFileSync(join(work, 'package.json'), '{ "private": true }\n')
  return runNpm(['install', '--no-package-lock', '--ignore-scripts', `${nodePackage()}@24`, 'npm@11'], { cwd: work })
}

function nodePackage() {
  return `node-${process.platform}-${process.arch}`
}

/**
 * @param {keyof typeof packagesOf} kind
 * @param {{ work: string, builder: Builder, name: string }} to
 */
async function makeBase(kind, { work, builder, name }) {
  const files = join(work, kind)
  const cache = join(work, 'debian')
  mkdirSync(cache, { recursive: true })
  const made = await run('debootstrap', [
    '--variant=minbase',
    `--cache-dir=${cache}`,
    `--include=${packagesOf[kind].join(',')}`,
    release,
    files,
    ...(await mirrors()),
  ])
  if (!made.isOk) return made
  strip(files)
  const node = join(work, 'node_modules', nodePackage())
  cpSync(join(node, 'bin/node'), join(files, 'usr/local/bin/node'))
  if (kind === 'build') {
    // Its symbols are a tenth of the image's size.
    const stripped = await run('chroot', [files, 'strip', '--strip-unneeded', '/usr/local/bin/node'])
    if (!stripped.isOk) return stripped
    cpSync(join(files, 'usr/local/bin/node'), join(node, 'bin/node'))
    cpSync(join(node, 'include'), join(files, 'usr/local/include'), { recursive: true })
    cpSync(join(work, 'node_modules/npm'), join(files, 'usr/local/lib/node_modules/npm'), { recursive: true })
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(files, 'usr/local/bin/npm'))
  }
  const archived = await run('tar', ['--create', '--file', join(work, 'base.tar'), '--directory', files, '.'])
  if (!archived.isOk) return archived
  rmSync(files, { recursive: true })
  writeFileSync(join(work, 'Containerfile'), 'FROM scratch\nADD base.tar /\n')
  return builder.build({ context: work, file: join(work, 'Containerfile'), name })
}

/** Returns the mirror of this machine's Debian packages; debootstrap has a default. */
async function mirrors() {
  const selection = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', `Codename: ${release}`]
  const { isOk, output } = await run('apt-get', selection)
  return isOk ? output.split('\n').filter(Boolean).slice(0, 1) : []
}

/**
 * Removes everything except what programs need, and the licences.
 *
 * @param {string} files
 */
function strip(files) {
  for (const path of [...languagesAndManuals, ...leftovers]) {
    rmSync(join(files, path), { recursive: true, force: true })
    mkdirSync(join(files, path), { recursive: true })
  }
  const documents = join(files, 'usr/share/doc')
  for (const name of readdirSync(documents)) {
    for (const document of readdirSync(join(documents, name)).filter((file) => file !== 'copyright')) {
      rmSync(join(documents, name, document), { recursive: true })
    }
  }
}
