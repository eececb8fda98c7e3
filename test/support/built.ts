import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A child process runs what was built: a test that starts one must not judge yesterday's sources. */
export function assertBuilt(folder: string): void {
  const sources = join(root, folder, 'src')
  const changedMs = Math.max(
    ...readdirSync(sources, { recursive: true, encoding: 'utf8' }).map((name) => modifiedMs(join(sources, name))),
  )
  const builtMs = Math.max(
    modifiedMs(join(root, folder, 'dist/.tsbuildinfo')),
    modifiedMs(join(root, 'node_modules/.scout-build')),
  )
  if (changedMs > builtMs) throw new Error(`${folder}/dist is older than its sources: npm run build`)
}

function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
