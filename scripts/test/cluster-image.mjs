import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root, run, step } from '../command.mjs'

/** Help for the flags below. */
export const imageUsage = `  --load COMMAND     command that loads an archive, appended as its last argument, into the nodes (default: kind's, for its clusters)
  --image ARCHIVE    archive to load instead of building one`

export const imageFlags = /** @type {const} */ ({ load: { type: 'string' }, image: { type: 'string' } })

/**
 * Loads the image into the nodes of the cluster in KUBECONFIG (default: a new build). Ends the process if there is no such cluster, or
 * if a step fails.
 *
 * @param {{ load?: string | undefined, image?: string | undefined }} flags
 */
export async function loadImage({ load, image }) {
  for (const tool of ['kubectl', 'helm']) {
    if (!(await run(tool, ['--help'])).isOk) end(`${tool} is not on the PATH`)
  }
  const answer = await run('kubectl', ['get', 'nodes', '--output', 'name', '--request-timeout', '10s'])
  if (!answer.isOk) end(`cannot reach a cluster (set KUBECONFIG): ${answer.output.trim()}`)
  const command = load ?? (await kindLoad())
  const archive = image ?? builtImage()
  // The command is shell text; the path is passed as a separate argument.
  const isLoaded = await step('loading the image into the nodes', () =>
    run('sh', ['-c', `${command} "$1"`, 'sh', archive]),
  )
  if (!isLoaded) process.exit(1)
}

/** Returns the command that loads an archive into the nodes of the current cluster, which must be kind's. */
async function kindLoad() {
  const { output } = await run('kubectl', ['config', 'current-context'])
  const name = /^kind-(.+)$/m.exec(output)?.[1]
  if (name === undefined)
    end(
      `cannot load an image into the nodes of ${output.trim()}, which is not a kind cluster: give a command with --load`,
    )
  return `kind load image-archive --name ${name}`
}

/** Builds an image and returns its path. */
function builtImage() {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts/image/image.mjs')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) process.exit(1)
  return stdout.trim()
}

/**
 * @param {string} why
 * @returns {never}
 */
function end(why) {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}
