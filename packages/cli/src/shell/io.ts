import { isatty } from 'node:tty'
import picocolors from 'picocolors'
import { exitCodes } from './exit-code.ts'

export type Colours = ReturnType<typeof picocolors.createColors>

/** One of the two streams a command writes to. */
export interface Output {
  write(text: string): void
  readonly isTerminal: boolean
  /** Characters a line can take; undefined where lines are as long as they are. */
  readonly columns: number | undefined
  /** Paints on a terminal and under FORCE_COLOR, never under NO_COLOR; else returns its argument. */
  readonly colours: Colours
}

/** All that a command may touch of the process it runs in. */
export interface Io {
  /** What the program was called as. */
  readonly name: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Results. */
  readonly out: Output
  /** Remarks and progress. */
  readonly err: Output
  /** Aborts when nobody wants more: Ctrl-C, SIGTERM, or a reader that closed the pipe. */
  readonly ended: AbortSignal
}

export function processIo(name: string): Io {
  const controller = new AbortController()
  const end = () => {
    // Whoever asks again gets the default: the process ends at once.
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
 * Variable of the environment that makes any input, or its end, count as Ctrl-C. Who runs the program in a pod has no signal to send,
 * and when the connection breaks all the program sees of it is the end of its input.
 */
export const endsWithInput = 'SCOUT_PROBE_ENDS_WITH_INPUT'

function endWithInput(end: () => void): void {
  for (const event of ['data', 'end', 'error']) process.stdin.once(event, end)
  // What has nothing else to wait for does not wait for this.
  process.stdin.unref()
}

function outputOf(stream: NodeJS.WriteStream & { readonly fd: number }, name: string, end: () => void): Output {
  const isTerminal = isatty(stream.fd)
  let isOpen = true
  stream.on('error', (error: NodeJS.ErrnoException) => {
    isOpen = false
    // The reader left (scout-probe … | head), which is its good right.
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
      // A terminal that a container runtime lends has no size until somebody tells it.
      return stream.columns > 0 ? stream.columns : columnsIn(process.env)
    },
    colours: picocolors.createColors(wantsColour(process.env, isTerminal)),
  }
}

function wantsColour({ NO_COLOR = '', FORCE_COLOR = '', TERM }: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  return NO_COLOR === '' && (FORCE_COLOR === '' ? isTerminal && TERM !== 'dumb' : FORCE_COLOR !== '0')
}

function columnsIn({ COLUMNS = '' }: NodeJS.ProcessEnv): number | undefined {
  return /^[1-9]\d{0,4}$/.test(COLUMNS) ? Number(COLUMNS) : undefined
}

/** One line on a terminal that is written over until it is cleared; nothing anywhere else. */
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
