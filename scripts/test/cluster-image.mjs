import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root, run, step } from '../command.mjs'

/** How the flags below are explained. */
export const imageUsage = `  --load COMMAND     loads the archive whose path is written behind it into the nodes; kind does that for its own clusters
  --image ARCHIVE    loads this archive instead of building one`

export const imageFlags = /** @type {const} */ ({ load: { type: 'string' }, image: { type: 'string' } })

/**
 * Brings the image into the nodes of the cluster that KUBECONFIG names, built now unless an archive is given. Ends the process when
 * there is no such cluster, or something fails.
 *
 * @param {{ load?: string | undefined, image?: string | undefined }} flags
 */
export async function loadImage({ load, image }) {
  for (const tool of ['kubectl', 'helm']) {
    if (!(await run(tool, ['--help'])).isOk) end(`${tool} is not on the PATH`)
  }
  const answer = await run('kubectl', ['get', 'nodes', '--output', 'name', '--request-timeout', '10s'])
  if (!answer.isOk) end(`there is no cluster, set KUBECONFIG: ${answer.output.trim()}`)
  const command = load ?? (await kindLoad())
  const archive = image ?? builtImage()
  // The command comes as one text, as a shell takes it; the path goes behind it as it is.
  const isLoaded = await step('loading the image into the nodes', () =>
    run('sh', ['-c', `${command} "$1"`, 'sh', archive]),
  )
  if (!isLoaded) process.exit(1)
}

/** How the archive gets into the nodes of the cluster that is in use, if it is one of kind's. */
async function kindLoad() {
  const { output } = await run('kubectl', ['config', 'current-context'])
  const name = /^kind-(.+)$/m.exec(output)?.[1]
  if (name === undefined)
    end(`say with --load how an image gets into the nodes of ${output.trim()}: it is none of kind's`)
  return `kind load image-archive --name ${name}`
}

/** The path of an image built now. */
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
