import type { ExitCode } from './exit-code.ts'
import type { Io } from './io.ts'

/** One call of the program: where its commands write, and where they leave their exit code. */
export interface Invocation {
  readonly io: Io
  finish(code: ExitCode): void
}
