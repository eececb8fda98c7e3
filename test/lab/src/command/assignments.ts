import { LabError } from '../errors.ts'

/** Turns `key=value` words into an object; what values mean is the schema's matter. */
export function parseAssignments(words: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    words.map((word) => {
      const equals = word.indexOf('=')
      if (equals < 1) throw new LabError('usage', `"${word}" is not a parameter: write it as key=value`)
      return [word.slice(0, equals), word.slice(equals + 1)]
    }),
  )
}
