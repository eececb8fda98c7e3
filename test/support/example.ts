import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { assertBuilt } from './built.ts'
import { unshare } from './child.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The blocks of TypeScript in a document of this repository that use one of its packages, exactly as they stand there. */
export function examplesIn(document: string): readonly string[] {
  const text = readFileSync(join(root, document), 'utf8')
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].flatMap(([, code = '']) =>
    code.includes("'@scout/") ? [code] : [],
  )
}

/**
 * Runs an example as a program that has installed the packages, and returns what it prints. The addresses of the documents
 * answer it, in a network of its own. Fails as the program fails.
 */
export async function runExample(code: string): Promise<string> {
  assertBuilt('packages/core')
  // A folder from which the packages of this repository are found.
  const cache = join(root, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'example-'))
  try {
    const program = join(folder, 'example.mjs')
    writeFileSync(program, code)
    const main = fileURLToPath(new URL('example-main.mjs', import.meta.url))
    const setup = 'ip link set lo up && ip address add 10.244.1.31 dev lo && exec "$@"'
    const [file, ...args] = [...unshare, 'sh', '-c', setup, 'sh', process.execPath, main, program]
    const { stdout } = await promisify(execFile)(file, args)
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}
