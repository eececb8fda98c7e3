import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import { eventually } from '../../../../test/support/eventually.ts'

const script = fileURLToPath(new URL('../../bin/scout-probe.js', import.meta.url))

/** The command as it was built, in a process of its own. */
export interface RunningCli {
  readonly process: ChildProcessByStdio<null, Readable, Readable>
  out(): string
  err(): string
  /** Until standard output or error has `text`. */
  waitFor(text: string): Promise<void>
  exit(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

interface Start {
  /** What runs it: `setpriv …`. */
  readonly wrapper?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Its output goes to a terminal, which script(1) lends it. */
  readonly isOnTerminal?: boolean
}

export function startCli(
  argv: readonly string[],
  { wrapper = [], env = {}, isOnTerminal = false }: Start = {},
): RunningCli {
  assertBuilt('packages/core')
  assertBuilt('packages/cli')
  const command = [...wrapper, process.execPath, script, ...argv]
  const [file = '', ...args] = isOnTerminal ? ['script', '-qec', command.map(quoted).join(' '), '/dev/null'] : command
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const exited = once(child, 'close')
  const texts = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (texts.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (texts.err += chunk.toString()))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return {
    process: child,
    out: () => texts.out,
    err: () => texts.err,
    waitFor: (text) => eventually(() => (texts.out + texts.err).includes(text), `"${text}" from ${argv.join(' ')}`),
    async exit() {
      await exited
      return { code: child.exitCode, signal: child.signalCode }
    },
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
