import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Records what a program loads, by V8's coverage: start it with `env`, and read `modules` once it has exited. */
export function recordModules() {
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return {
    env: { NODE_V8_COVERAGE: folder },
    /** Returns the URLs of all modules that it evaluated in any thread. */
    modules(): readonly string[] {
      return readdirSync(folder).flatMap((name) => {
        const { result }: { result: readonly { url: string }[] } = JSON.parse(readFileSync(join(folder, name), 'utf8'))
        return result.map(({ url }) => url)
      })
    },
  }
}
