// Makes the add-on ready: a build that comes with the package is used where it fits, else node-gyp makes one. An install
// never fails for want of it: Scout then says at run time what is missing and what that costs.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const prefix = dirname(dirname(process.execPath))

if (process.platform === 'linux') install()

function install() {
  const { status, error } = spawnSync(
    process.execPath,
    [createRequire(import.meta.url).resolve('node-gyp-build/bin.js')],
    {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...process.env,
        ...(isOutdated() ? { npm_config_build_from_source: 'true' } : {}),
        // node-gyp downloads the headers of Node unless told where they are; most installations of Node bring them along.
        ...(existsSync(join(prefix, 'include/node/node_api.h')) ? { npm_config_nodedir: prefix } : {}),
      },
    },
  )
  if (status === 0) return
  const reason = error?.message ?? `node-gyp ended with ${status}`
  process.stderr.write(
    `the native part of @scout/core could not be built (${reason}): packets are timed by this process instead of the kernel; install a C compiler, make and python3, then npm rebuild @scout/core\n`,
  )
}

/** Whether a build exists that is older than what it is made of. */
function isOutdated() {
  const built = join(folder, 'build/Release/scout.node')
  if (!existsSync(built)) return false
  const builtMs = statSync(built).mtimeMs
  const sources = readdirSync(folder).filter((name) => /\.(?:c|h|gyp)$/.test(name))
  return sources.some((name) => statSync(join(folder, name)).mtimeMs > builtMs)
}
