import { isatty } from 'node:tty'
import picocolors from 'picocolors'
import { exitCodes } from './exit-code.ts'

export type Colours = ReturnType<typeof picocolors.createColors>

/** One of the two streams a command writes to. */
export interface Output {
  write(text: string): void
  readonly isTerminal: boolean
  /** Characters a line can take. */
  readonly columns: number
  /** Paints on a terminal, and returns its argument anywhere else and under NO_COLOR. */
  readonly colours: Colours
}

/** All that a command may touch of the process it runs in. */
export interface Io {
  /** Results. */
  readonly out: Output
  /** Remarks and progress. */
  readonly err: Output
  /** Aborts when nobody wants more: Ctrl-C, SIGTERM, or a reader that closed the pipe. */
  readonly ended: AbortSignal
}

export function processIo(): Io {
  const controller = new AbortController()
  const end = () => {
    // Whoever asks again gets the default: the process ends at once.
    process.off('SIGINT', end).off('SIGTERM', end)
    controller.abort()
  }
  process.on('SIGINT', end).on('SIGTERM', end)
  return { out: outputOf(process.stdout, end), err: outputOf(process.stderr, end), ended: controller.signal }
}

function outputOf(stream: NodeJS.WriteStream & { readonly fd: number }, end: () => void): Output {
  const isTerminal = isatty(stream.fd)
  let isOpen = true
  stream.on('error', (error: NodeJS.ErrnoException) => {
    isOpen = false
    // The reader left (scout-probe … | head), which is its good right.
    if (error.code === 'EPIPE') return end()
    process.stderr.write(`scout-probe: cannot write its output: ${error.message}\n`)
    process.exit(exitCodes.failed)
  })
  return {
    write(text) {
      if (isOpen) stream.write(text)
    },
    isTerminal,
    get columns() {
      return stream.columns ?? 80
    },
    colours: picocolors.createColors(isTerminal && wantsColour(process.env)),
  }
}

function wantsColour({ NO_COLOR = '', TERM }: NodeJS.ProcessEnv): boolean {
  return NO_COLOR === '' && TERM !== 'dumb'
}
