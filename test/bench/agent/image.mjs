import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../../scripts/command.mjs'

/** @typedef {{ command: readonly string[], environment: Record<string, string> }} Image how the image starts an agent */

/**
 * Builds a checkout with its own scripts, bundles it as for the image, and returns how to start the agent: the bundle with the flags and
 * variables of the checkout's Containerfile.
 *
 * @param {string} checkout
 * @param {string} node
 * @returns {Image}
 */
export function buildImage(checkout, node) {
  const tree = realpathSync(checkout)
  if (!existsSync(join(tree, 'deploy/image/Containerfile'))) throw new Error(`${checkout} is not a checkout of Scout`)
  const bundle = join(root, '.cache/bench', createHash('sha256').update(tree).digest('hex').slice(0, 12))
  runIn(tree, ['scripts/build.mjs'])
  runIn(tree, ['scripts/image/bundle.mjs', bundle])
  const { flags, environment } = startInImage(tree)
  return { command: [node, ...flags, join(bundle, 'bin/scout-agent')], environment }
}

/**
 * Returns Node's flags and the variables with which the image of a checkout starts the agent.
 *
 * @param {string} tree
 * @returns {{ flags: readonly string[], environment: Record<string, string> }}
 */
export function startInImage(tree) {
  const file = join(tree, 'deploy/image/Containerfile')
  const text = readFileSync(file, 'utf8').replaceAll(/\\\n\s*/g, '')
  /** @type {readonly string[]} */
  const entry = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(text)?.[1] ?? '[]')
  if (!entry.some((arg) => arg.endsWith('scout-agent'))) throw new Error(`the ENTRYPOINT of ${file} starts no agent`)
  const variables = Array.from(
    text.matchAll(/^ENV (.*)$/gm),
    ([, line = '']) => line.match(/\w+=("[^"]*"|\S+)/g) ?? [],
  ).flat()
  const environment = Object.fromEntries(
    variables.map((text) => [text.split('=')[0], text.replace(/^\w+=/, '').replaceAll('"', '')]),
  )
  return {
    flags: entry.filter((arg) => arg.startsWith('--')),
    environment: { ...environment, PATH: process.env['PATH'] ?? '' },
  }
}

/**
 * @param {string} tree
 * @param {readonly string[]} args
 */
function runIn(tree, args) {
  const { status } = spawnSync(process.execPath, args, { cwd: tree, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`node ${args.join(' ')} failed in ${tree}`)
}
