// npm run image: builds deploy/image/Containerfile with docker, podman or buildah, the first that works here, and prints the path of the
// archive it wrote: `kind load image-archive $(npm run --silent image)`. By default it has the name in the chart; --tag sets another.

import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root, run, runNpm, step } from '../command.mjs'
import { install } from '../prepare.mjs'
import { ensureTools } from '../system-tools.mjs'
import { madeBases } from './base.mjs'
import { findBuilder } from './builder.mjs'

const { values } = parseArgs({
  options: {
    tag: { type: 'string' },
    output: { type: 'string', default: join(root, '.cache/image/scout.tar') },
    builder: { type: 'string' },
    registry: { type: 'string', default: 'docker.io/library' },
  },
})

await install('start')
const { imageName, version } = await import('../release/chart.mjs')
const name = values.tag ?? imageName
const path = resolve(values.output)
const builder = (await findBuilder(values.builder)) ?? (await installedBuilder())
const bases = (await pulledBases()) ?? (await ensureTools('image'), await madeBases(builder))
if (bases === undefined) process.exit(1)

mkdirSync(dirname(path), { recursive: true })
const isDone =
  (await step(`building ${name} with ${builder.command}`, async () =>
    builder.build({
      context: root,
      file: join(root, 'deploy/image/Containerfile'),
      name,
      args: {
        BUILD_BASE: bases.build,
        RUN_BASE: bases.run,
        NPM_REGISTRY: (await runNpm(['config', 'get', 'registry'])).output.trim().split('\n').at(-1) ?? '',
        VERSION: version,
        REVISION: (await run('git', ['describe', '--always', '--abbrev=40', '--dirty', '--exclude=*'])).output.trim(),
      },
      secrets: certificates(),
    }),
  )) && (await step('writing the archive', () => builder.save(name, path)))
if (!isDone) process.exit(1)
process.stderr.write(`${name}: ${(statSync(path).size / 1e6).toFixed(0)} MB\n`)
console.log(path)

async function installedBuilder() {
  if (values.builder === undefined) await ensureTools('image')
  const installed = await findBuilder(values.builder)
  if (installed !== undefined) return installed
  process.stderr.write(`cannot build an image: no ${values.builder ?? 'docker, podman or buildah'} works here\n`)
  process.exit(1)
}

/** Returns the bases of the Containerfile, if they are already here or their registry is reachable. */
async function pulledBases() {
  const wanted = { build: `${values.registry}/node:24-bookworm`, run: `${values.registry}/node:24-bookworm-slim` }
  for (const base of Object.values(wanted)) {
    if (!(await builder.has(base)) && !(await builder.pull(base))) {
      process.stderr.write(`${base} is not available: making bases from Debian packages\n`)
      return undefined
    }
  }
  return wanted
}

/** Certificate authorities that Node on this machine trusts in addition to its own list, such as a company's proxy. */
function certificates() {
  const path = process.env['NODE_EXTRA_CA_CERTS']
  /** @type {Record<string, string>} */
  const secrets = path !== undefined && existsSync(path) ? { ca: path } : {}
  return secrets
}
