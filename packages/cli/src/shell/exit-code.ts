import { type FailureReason, isFailureReason, outcomeFor, type Statistics } from '@scout/core'

/** Exit codes of the program. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, unable: 3, unknown: 4 } as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Ends a command with a sentence for the user and an exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** Returns the exit code of several runs: a failed probe outweighs an unsupported one, and a run without any result is not ok. */
export function exitCodeOf(runs: readonly Pick<Statistics, 'received' | 'failures'>[]): ExitCode {
  const reasons = runs.flatMap(({ failures }) => Object.keys(failures)).filter(isFailureReason)
  if (reasons.some((reason) => !isHopeless(reason))) return exitCodes.failed
  if (reasons.length > 0) return exitCodes.unable
  return runs.every(({ received }) => received > 0) ? exitCodes.ok : exitCodes.failed
}

/** Whether further attempts of this process would fail in the same way. */
export function isHopeless(reason: FailureReason): boolean {
  return outcomeFor(reason) === 'unable'
}
