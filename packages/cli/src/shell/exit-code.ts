import { type FailureReason, isFailureReason, outcomeFor, type Statistics } from '@scout/core'

/** What the process tells its caller. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, unable: 3 } as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Ends a command: a sentence for the user, and what the process tells its caller. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** A failed probe outweighs one that could not be tried; and a run that was ended before any result has shown nothing to be ok. */
export function exitCodeOf(runs: readonly Pick<Statistics, 'received' | 'failures'>[]): ExitCode {
  const reasons = runs.flatMap(({ failures }) => Object.keys(failures)).filter(isFailureReason)
  if (reasons.some((reason) => !isHopeless(reason))) return exitCodes.failed
  if (reasons.length > 0) return exitCodes.unable
  return runs.every(({ received }) => received > 0) ? exitCodes.ok : exitCodes.failed
}

/** Trying again would change nothing before this process ends. */
export function isHopeless(reason: FailureReason): boolean {
  return outcomeFor(reason) === 'unable'
}
