import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Output {
  readonly stdout: string
  readonly stderr: string
}

interface RunOptions {
  readonly input?: string
  readonly expected?: readonly number[]
  readonly cwd?: string
}

/** Runs a command to its end. Exit codes other than `expected` are errors that carry the command's own words. */
export async function run(
  argv: readonly string[],
  { input = '', expected = [0], ...options }: RunOptions = {},
): Promise<Output> {
  const [file = '', ...args] = argv
  const child = spawn(file, args, { ...options, stdio: 'pipe' })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdin.on('error', () => {}).end(input) // if a tool ends before it has read, its exit code has the reason
  const [code]: unknown[] = await once(child, 'close')
  if (typeof code !== 'number' || !expected.includes(code))
    throw new Error(`${argv.slice(0, 12).join(' ')} ended with ${String(code)}: ${output.stderr || output.stdout}`)
  return output
}

/** Runs one of the bench's own programs and returns what it printed as JSON. */
export async function runProgram(path: string, request: object): Promise<unknown> {
  const { stdout } = await run([process.execPath, programPath(path), JSON.stringify(request)])
  return JSON.parse(stdout)
}

/** Where a program of the bench lies, named by its path in `src`. */
export function programPath(path: string): string {
  return fileURLToPath(new URL(`../${path.replace(/\.ts$/, '.js')}`, import.meta.url))
}

/** Resolves when the output of a starting service matches; rejects when it ends before. */
export function seen(child: ChildProcess, pattern: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let words = ''
    const listen = (text: Buffer) => {
      words += text.toString()
      if (pattern.test(words)) resolve()
    }
    child.stdout?.on('data', listen)
    child.stderr?.on('data', listen)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${child.spawnfile} ended with ${code}: ${words}`)))
  })
}

/** The path of a command, looked for where Go installs itself, too; undefined when this machine has none. */
export function findCommand(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/go/bin']
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/** Whether this machine has a command; to need none is to have it. */
export function isThere(command: string | undefined): boolean {
  return command === undefined || findCommand(command) !== undefined
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
