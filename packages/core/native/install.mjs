// Prepares the add-on: uses the prebuilt binary of the package if it fits, and builds one with node-gyp otherwise. An install
// never fails because of it: without the add-on Scout runs, and reports what is missing and what that costs.

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
        // By default node-gyp downloads the headers of Node; most installations of Node include them.
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

/** Returns whether the build is older than its sources. */
function isOutdated() {
  const built = join(folder, 'build/Release/scout.node')
  if (!existsSync(built)) return false
  const builtMs = statSync(built).mtimeMs
  const sources = readdirSync(folder).filter((name) => /\.(?:c|h|gyp)$/.test(name))
  return sources.some((name) => statSync(join(folder, name)).mtimeMs > builtMs)
}
