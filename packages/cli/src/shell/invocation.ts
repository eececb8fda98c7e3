import type { ExitCode } from './exit-code.ts'
import type { Io } from './io.ts'

/** One call of the program: where its commands write, and where they leave their exit code. */
export interface Invocation {
  readonly io: Io
  /** Runs this call on the node that was named with it, and not here; absent unless one was. */
  elsewhere(): (() => Promise<ExitCode>) | undefined
  finish(code: ExitCode): void
}
