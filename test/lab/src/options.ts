import { closest, distance } from 'fastest-levenshtein'
import type { z } from 'zod'
import { LabError } from './errors.ts'

/** One setting as a person types it: what the command line, the catalogue and the README show. */
export interface OptionDescription {
  readonly name: string
  readonly description: string
  readonly defaultText: string
  readonly choices: readonly string[]
}

const jsonSchema = { unrepresentable: 'any', io: 'input' } as const

/** Parses settings with a schema; a mistake becomes one sentence that names the key and, if it is unknown, the nearest one. */
export function parseOptions<S extends z.ZodObject>(owner: string, schema: S, input: unknown): z.output<S> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys
    throw new LabError('usage', `${owner} has no parameter "${key}" (${suggest(key, Object.keys(schema.shape))})`)
  }
  const [key] = issue?.path ?? []
  const field = schema.shape[String(key)]
  if (field === undefined) throw new LabError('usage', `${owner} is described by settings, not by ${typeof input}`)
  const value = typeof input === 'object' && input !== null ? Reflect.get(input, String(key)) : input
  throw new LabError(
    'usage',
    `${owner} cannot take ${String(key)}=${JSON.stringify(value)}: it takes ${takenBy(field)}`,
  )
}

/** The known word somebody meant, or all of them when none is near. */
export function suggest(word: string, known: readonly string[]): string {
  if (known.length === 0) return 'there are none'
  const best = closest(word, known)
  // Two letters, or a third of the word.
  const isNear = distance(word, best) <= Math.max(2, best.length / 3) && distance(word, best) < word.length
  return isNear ? `did you mean "${best}"` : `there are ${known.join(', ')}`
}

export function describeOptions(schema: z.ZodObject): readonly OptionDescription[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const definition = field.toJSONSchema(jsonSchema)
    return {
      name,
      description: definition.description ?? '',
      defaultText: definition.default === undefined ? '' : String(definition.default),
      choices: (definition.enum ?? []).map(String),
    }
  })
}

/** `a number from 0.01 to 100 (percent of the packets)`. */
function takenBy(field: z.ZodType): string {
  const { enum: choices, type, minimum, maximum, description } = field.toJSONSchema(jsonSchema)
  if (choices !== undefined) return choices.join(' or ')
  const kind = type === 'integer' ? 'a whole number' : `${type === 'array' ? 'an' : 'a'} ${String(type)}`
  const largest = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '' : ` to ${maximum}`
  const range = minimum === undefined ? '' : largest === '' ? ` of at least ${minimum}` : ` from ${minimum}${largest}`
  return `${kind}${range}${description === undefined ? '' : ` (${description})`}`
}
