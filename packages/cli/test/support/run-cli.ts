import picocolors from 'picocolors'
import { expect } from 'vitest'
import { run } from '../../src/program.ts'
import type { ExitCode } from '../../src/shell/exit-code.ts'
import type { Io, Output, TerminalListeners } from '../../src/shell/io.ts'

export interface Finished {
  readonly code: ExitCode
  readonly out: string
  readonly err: string
}

/** What may happen to a terminal. */
export interface Terminal {
  resize(columns: number): void
  /** Acts as Ctrl-Z does, without stopping the process. */
  suspend(): void
  resume(): void
}

interface Surroundings {
  /** Name that it is called by. */
  readonly name?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Makes both streams a terminal of this width (default: files). */
  readonly terminalColumns?: number
  readonly terminalRows?: number
  /** Called with all standard output so far, a function that ends the run as Ctrl-C does, and the terminal. */
  readonly onOutput?: (out: string, end: () => void, terminal: Terminal) => void
}

/** Runs the program inside this process, as its main file would. */
export async function runCli(argv: readonly string[], surroundings: Surroundings = {}): Promise<Finished> {
  const { name = 'scout-probe', environment = {}, terminalColumns, terminalRows, onOutput } = surroundings
  const texts = { out: '', err: '' }
  const controller = new AbortController()
  const followers = new Set<TerminalListeners>()
  let columns = terminalColumns
  const terminal: Terminal = {
    resize(to) {
      columns = to
      for (const follower of followers) follower.resized()
    },
    suspend() {
      for (const follower of followers) follower.leaves()
    },
    resume() {
      for (const follower of followers) follower.returns()
    },
  }
  const stream = (name: 'out' | 'err'): Output => ({
    write(text) {
      texts[name] += text
      if (name === 'out') onOutput?.(texts.out, () => controller.abort(), terminal)
    },
    isTerminal: terminalColumns !== undefined,
    get columns() {
      return columns
    },
    rows: terminalRows,
    follow(listeners) {
      followers.add(listeners)
      return () => followers.delete(listeners)
    },
    colours: picocolors.createColors(false),
  })
  const io: Io = { name, environment, out: stream('out'), err: stream('err'), ended: controller.signal }
  const code = await run(argv, io)
  return { code, ...texts }
}

/** Returns the help of a command, or of the program. */
export async function helpOf(...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await runCli([...argv, '--help'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return out
}

/** Masks times, ports and clocks as `#`, because they differ between runs and machines. */
export function masked(text: string, ...ports: readonly number[]): string {
  const timeless = text
    .replaceAll(/\d+\.\d{3}\b/g, '#')
    .replaceAll(/source-port=\d+/g, 'source-port=#')
    .replaceAll(/clock=[a-z-]+/g, 'clock=#')
    .replaceAll(/ (ttl|sender-ttl)=\d+| residence=\S+/g, '')
  return ports.reduce((result, port) => result.replaceAll(new RegExp(`(:|port )${port}\\b`, 'g'), '$1#'), timeless)
}
