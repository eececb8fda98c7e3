import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../../scripts/command.mjs'

/** @typedef {{ command: readonly string[], environment: Record<string, string> }} Image how the image starts an agent */

const folderInImage = '/opt/scout/'

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
  const text = readFileSync(join(tree, 'deploy/image/Containerfile'), 'utf8')
  /** @type {readonly string[]} */
  const [program, ...args] = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(text)?.[1] ?? '[]')
  if (program !== 'node') throw new Error(`cannot read the ENTRYPOINT of ${tree}/deploy/image/Containerfile`)
  const variables = Array.from(text.matchAll(/^ENV (.*)$/gm), ([, line = '']) => line.split(' ')).flat()
  const environment = Object.fromEntries(variables.map((text) => [text.split('=')[0], text.replace(/^\w+=/, '')]))
  return {
    command: [node, ...args.map((arg) => arg.replace(folderInImage, `${bundle}/`))],
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
