import type { Misfit } from '@scout/core'

/** Returns what is wrong with a setting, in one sentence that names it; `originOf` adds where it was written. */
export function explainMisfit(misfit: Misfit, originOf: (path: readonly string[]) => string = () => ''): string {
  const { path } = misfit
  const subject = `setting ${path.join('.')}${originOf(path)}`
  if (misfit.kind === 'unknown') return `there is no ${subject}: ${misfit.hint}`
  return misfit.about(path.length === 0 ? 'the whole' : subject)
}

/** Why a file cannot be read, in one sentence: YAML's errors go on with the lines in question. */
export function explainError(error: unknown): string {
  const [sentence = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  return sentence.replace(/:$/, '')
}
