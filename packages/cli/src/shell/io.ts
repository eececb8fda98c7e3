import { setMaxListeners } from 'node:events'
import { isatty } from 'node:tty'
import { ScoutError } from '@scout/core'
import picocolors from 'picocolors'
import { exitCodes } from './exit-code.ts'

export type Colours = ReturnType<typeof picocolors.createColors>

export interface TerminalListeners {
  /** The size is another. */
  resized(): void
  /** Ctrl-Z is about to stop the process. */
  leaves(): void
  /** The process goes on. */
  returns(): void
}

/** One of the two streams a command writes to. */
export interface Output {
  write(text: string): void
  readonly isTerminal: boolean
  /** Width of a line in characters; undefined where lines are not folded. */
  readonly columns: number | undefined
  /** Height of a terminal in lines; undefined if it is unknown. */
  readonly rows: number | undefined
  /** Calls these as the terminal changes; returns a function that ends that. */
  follow(listeners: TerminalListeners): () => void
  /** Adds colours on a terminal and under FORCE_COLOR, never under NO_COLOR; otherwise returns its argument. */
  readonly colours: Colours
}

/** The parts of its process that a command may use. */
export interface Io {
  /** Name that the program was called by. */
  readonly name: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Results. */
  readonly out: Output
  /** Remarks and progress. */
  readonly err: Output
  /** Aborts at Ctrl-C, at SIGTERM, and when the reader of a pipe closes it. */
  readonly ended: AbortSignal
}

export function processIo(name: string): Io {
  const controller = new AbortController()
  // Each check in progress listens.
  setMaxListeners(0, controller.signal)
  const end = () => {
    // A second signal has its default effect: the process ends at once.
    process.off('SIGINT', end).off('SIGTERM', end)
    controller.abort()
  }
  process.on('SIGINT', end).on('SIGTERM', end)
  if (process.env[endsWithInput] === '1') endWithInput(end)
  return {
    name,
    environment: process.env,
    out: outputOf(process.stdout, name, end),
    err: outputOf(process.stderr, name, end),
    ended: controller.signal,
  }
}

/**
 * Environment variable that makes any input, or its end, count as Ctrl-C. `kubectl exec` cannot send a signal, and the only sign of a
 * broken connection is the end of the input.
 */
export const endsWithInput = 'SCOUT_PROBE_ENDS_WITH_INPUT'

function endWithInput(end: () => void): void {
  for (const event of ['data', 'end', 'error']) process.stdin.once(event, end)
  // Does not keep the process alive.
  process.stdin.unref()
}

function outputOf(stream: NodeJS.WriteStream & { readonly fd: number }, name: string, end: () => void): Output {
  const isTerminal = isatty(stream.fd)
  let isOpen = true
  stream.on('error', (error: NodeJS.ErrnoException) => {
    isOpen = false
    // The reader closed the pipe (scout-probe … | head).
    if (error.code === 'EPIPE') return end()
    process.stderr.write(`${name}: cannot write its output: ${error.message}\n`)
    process.exit(exitCodes.failed)
  })
  return {
    write(text) {
      if (isOpen) stream.write(text)
    },
    isTerminal,
    get columns() {
      // The terminal of a container has no size until the runtime sets it.
      return stream.columns > 0 ? stream.columns : columnsIn(process.env)
    },
    get rows() {
      return stream.rows > 0 ? stream.rows : undefined
    },
    follow: (listeners) => followTerminal(stream, listeners),
    colours: picocolors.createColors(wantsColour(process.env, isTerminal)),
  }
}

function followTerminal(stream: NodeJS.WriteStream, { resized, leaves, returns }: TerminalListeners): () => void {
  const stop = () => {
    leaves()
    // Without a listener, the signal has its default effect.
    process.off('SIGTSTP', stop).kill(process.pid, 'SIGTSTP')
  }
  const resume = () => {
    // SIGSTOP, too, ends with SIGCONT, and then the listener is still there.
    process.off('SIGTSTP', stop).on('SIGTSTP', stop)
    returns()
  }
  stream.on('resize', resized)
  process.on('SIGTSTP', stop).on('SIGCONT', resume)
  return () => {
    stream.off('resize', resized)
    process.off('SIGTSTP', stop).off('SIGCONT', resume)
  }
}

function wantsColour({ NO_COLOR = '', FORCE_COLOR = '', TERM }: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  return NO_COLOR === '' && (FORCE_COLOR === '' ? isTerminal && TERM !== 'dumb' : FORCE_COLOR !== '0')
}

function columnsIn({ COLUMNS = '' }: NodeJS.ProcessEnv): number | undefined {
  return /^[1-9]\d{0,4}$/.test(COLUMNS) ? Number(COLUMNS) : undefined
}

/**
 * Returns the token in an environment variable; empty if there is none. No message repeats it.
 * @throws {ScoutError} if a header cannot contain it
 */
export function tokenIn({ environment }: Pick<Io, 'environment'>, variable: string): string {
  const token = environment[variable]?.trim() ?? ''
  if (/^[\x21-\x7e]*$/.test(token)) return token
  throw new ScoutError('invalid-option', `${variable} is not a token: write printable ASCII without spaces`)
}

/** One line on a terminal that is overwritten until it is cleared. Prints nothing elsewhere. */
export interface Progress {
  show(text: string): void
  clear(): void
}

export function startProgress(err: Output): Progress {
  const write = (text: string) => {
    if (err.isTerminal) err.write(`\r${text.slice(0, (err.columns ?? 80) - 1)}\x1b[K`)
  }
  return { show: write, clear: () => write('') }
}
