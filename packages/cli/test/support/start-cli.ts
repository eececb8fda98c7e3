import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import { eventually } from '../../../../test/support/eventually.ts'

/** The built command, in a separate process. */
export interface RunningCli {
  readonly process: ChildProcessByStdio<Writable | null, Readable, Readable>
  out(): string
  err(): string
  /** Waits until standard output or error contains `text`. */
  waitFor(text: string): Promise<void>
  exit(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

interface Start {
  readonly program?: 'scout-probe' | 'kubectl-scout'
  /** Command that runs it: `setpriv …`. */
  readonly wrapper?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Makes its input an open pipe instead of an empty one. */
  readonly hasInput?: boolean
  /** Sends its output to a terminal, provided by script(1). */
  readonly isOnTerminal?: boolean
}

export function startCli(
  argv: readonly string[],
  { program = 'scout-probe', wrapper = [], env = {}, hasInput = false, isOnTerminal = false }: Start = {},
): RunningCli {
  assertBuilt('packages/core')
  assertBuilt('packages/agent')
  assertBuilt('packages/cli')
  const script = fileURLToPath(new URL(`../../bin/${program}.js`, import.meta.url))
  const command = [...wrapper, process.execPath, script, ...argv]
  const [file = '', ...args] = isOnTerminal ? ['script', '-qec', command.map(quoted).join(' '), '/dev/null'] : command
  const surroundings = { ...process.env, ...withoutWishes, ...env }
  const child: RunningCli['process'] = hasInput
    ? spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: surroundings })
    : spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: surroundings })
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

/** Variables for the output of the tests themselves, which must not affect the program. */
const withoutWishes = { COLUMNS: undefined, FORCE_COLOR: undefined, NO_COLOR: undefined }

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
