import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A child process runs what was built: a test that starts one must not judge yesterday's sources. */
export function assertBuilt(folder: string): void {
  const builtMs = Math.max(
    modifiedMs(join(root, folder, 'dist/.tsbuildinfo')),
    modifiedMs(join(root, 'node_modules/.scout-build')),
  )
  if (newestMs(join(root, folder, 'src')) > builtMs)
    throw new Error(`${folder}/dist is older than its sources: npm run build`)
}

/** So does a browser. */
export function assertPageBuilt(): void {
  assertBuilt('packages/agent')
  const built = join(root, 'packages/agent/dist/web/index.html')
  if (newestMs(join(root, 'packages/agent/web')) > modifiedMs(built))
    throw new Error('packages/agent/dist/web is older than its sources: npm run build')
}

function newestMs(folder: string): number {
  return Math.max(
    ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => modifiedMs(join(folder, name))),
  )
}

function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
