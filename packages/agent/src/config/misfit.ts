import { type Misfit, messageOf } from '@scout/core'

/** Returns one sentence that names a setting and its mistake; `originOf` adds its source. */
export function explainMisfit(misfit: Misfit, originOf: (path: readonly string[]) => string = () => ''): string {
  const { path } = misfit
  const subject = `setting ${path.join('.')}${originOf(path)}`
  if (misfit.kind === 'unknown') return `there is no ${subject}: ${misfit.hint}`
  return misfit.about(path.length === 0 ? 'its content' : subject)
}

/** Returns why a file cannot be read, in one sentence: YAML errors continue with the offending lines. */
export function explainError(error: unknown): string {
  const [sentence = ''] = messageOf(error).split('\n')
  return sentence.replace(/:$/, '')
}
