/** Codes of a `ScoutError`: misuse by the caller, detected before the first packet. */
export type ScoutErrorCode =
  | 'invalid-target'
  | 'invalid-option'
  | 'unknown-option'
  | 'unknown-probe'
  | 'invalid-duration'
  | 'closed'

/** Thrown only for misuse; network failures are reported as a `Failure` in a result. */
export class ScoutError extends Error {
  override readonly name = 'ScoutError'
  readonly code: ScoutErrorCode

  constructor(code: ScoutErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export function closedError(): ScoutError {
  return new ScoutError('closed', 'this prober is closed: create a new one')
}

/** Returns what a caught value says, whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
