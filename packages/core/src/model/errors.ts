/** Every code a `ScoutError` can carry: misuse by the caller, found before the first packet. */
export type ScoutErrorCode =
  | 'invalid-target'
  | 'invalid-option'
  | 'unknown-option'
  | 'unknown-probe'
  | 'invalid-duration'
  | 'closed'

/** Thrown for misuse and for nothing else; what happens on the network is a `Failure` in a result. */
export class ScoutError extends Error {
  override readonly name = 'ScoutError'
  readonly code: ScoutErrorCode

  constructor(code: ScoutErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export function closedError(): ScoutError {
  return new ScoutError('closed', 'this prober was closed: create another')
}
