import { misfitOf, settingsOf } from '@scout/core/settings'
import type { z } from 'zod'
import { LabError } from './errors.ts'

/** One setting as a person types it: what the command line, the catalogue and the README show. */
export interface OptionDescription {
  readonly name: string
  readonly description: string
  readonly defaultText: string
  readonly choices: readonly string[]
}

/** Parses settings with a schema; a mistake becomes one sentence that names the key and, if it is unknown, the nearest one. */
export function parseOptions<S extends z.ZodObject>(owner: string, schema: S, input: unknown): z.output<S> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const misfit = misfitOf({ schema, error: parsed.error, input, isWritten: false })
  const name = misfit.path.join('.')
  throw new LabError(
    'usage',
    misfit.kind === 'unknown'
      ? `${owner} has no parameter "${name}": ${misfit.hint}`
      : misfit.about(`parameter ${name} of ${owner}`),
  )
}

export function describeOptions(schema: z.ZodObject): readonly OptionDescription[] {
  return settingsOf(schema).map(({ key, description, defaultText = '', choices = [] }) => ({
    name: key,
    description,
    defaultText,
    choices,
  }))
}
