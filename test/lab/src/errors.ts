/**
 * Why the lab gave up: `usage` is a mistake of the caller, `unsupported` a machine that cannot hold a lab, `failed` a
 * step that went wrong although both were right.
 */
export type LabErrorCode = 'usage' | 'unsupported' | 'failed'

export class LabError extends Error {
  override readonly name = 'LabError'
  readonly code: LabErrorCode

  constructor(code: LabErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
