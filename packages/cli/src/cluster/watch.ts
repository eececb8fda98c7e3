import { setTimeout as sleep } from 'node:timers/promises'
import { ScoutError } from '@scout/core'
import { CommandError, type ExitCode, exitCodes } from '../shell/exit-code.ts'
import type { Io } from '../shell/io.ts'
import type { Look } from './seen.ts'
import { linesFace } from './watch-lines.ts'
import { screenFace } from './watch-screen.ts'

/** Shows what one look after another finds. */
export interface Face {
  show(look: Look): void
  /** Shows that no look was possible. */
  fail(message: string): void
  end(): void
}

export interface WatchFormat {
  readonly intervalMs: number
  readonly isJson: boolean
  readonly isExplained: boolean
}

interface Watched {
  readonly look: () => Promise<Look>
  readonly first: Look
  /** Monotonic clock at the start of the first. */
  readonly startMs: number
}

/** Looks again and again until Ctrl-C; returns the exit code of the last look. */
export async function watching({ look, first, startMs }: Watched, format: WatchFormat, io: Io): Promise<ExitCode> {
  const { out, environment, ended } = io
  const isRedrawn = !format.isJson && out.isTerminal && environment['TERM'] !== 'dumb'
  const face = isRedrawn ? screenFace(format, out) : linesFace(format, io)
  let { exitCode } = first
  let dueMs = startMs
  try {
    face.show(first)
    for (;;) {
      dueMs = Math.max(dueMs + format.intervalMs, performance.now())
      await sleep(dueMs - performance.now(), undefined, { signal: ended }).catch(() => {}) // ended: see below
      const seen = ended.aborted ? undefined : await tried(look)
      // A look that Ctrl-C cuts short shows nothing.
      if (seen === undefined || ended.aborted) return exitCode
      exitCode = seen.exitCode
      if ('message' in seen) face.fail(seen.message)
      else face.show(seen)
    }
  } finally {
    face.end()
  }
}

/** Looks; an error that would end a single look is a result, because the next one may succeed. */
async function tried(look: () => Promise<Look>): Promise<Look | Pick<CommandError, 'message' | 'exitCode'>> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof CommandError) return error
    // The Scout that the flags select has gone.
    if (error instanceof ScoutError) return { message: error.message, exitCode: exitCodes.failed }
    throw error
  }
}
