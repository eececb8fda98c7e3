import { nearest } from '@scout/core'
import { z } from 'zod'

type Path = readonly PropertyKey[]

/**
 * What a schema has against a value, in one sentence that names the setting, its value unless that is a secret, and the remedy.
 * `placeOf` adds where the setting was written.
 */
export function explainMisfit(
  error: z.ZodError,
  schema: z.ZodType,
  placeOf: (path: Path) => string = () => '',
): string {
  const [first] = error.issues
  if (first === undefined) throw error
  // A key that is misspelt is often missing, too; the spelling explains both.
  const unknown = error.issues.find((issue) => issue.code === 'unrecognized_keys')
  if (unknown === undefined) {
    const what = first.path.length === 0 ? 'the whole' : `setting ${first.path.join('.')}`
    return `${what}${placeOf(first.path)} ${explainIssue(first)}`
  }
  const [key = ''] = unknown.keys
  const path = [...unknown.path, key]
  const known = keysAt(schema, unknown.path)
  const near = nearest(key, known)
  const hint = near === undefined ? `known here: ${known.join(', ')}` : `did you mean ${near}?`
  return `there is no setting ${path.join('.')}${placeOf(path)}: ${hint}`
}

/** Why a file cannot be read, in one sentence: YAML's errors go on with the lines in question. */
export function explainError(error: unknown): string {
  const [sentence = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  return sentence.replace(/:$/, '')
}

function explainIssue({ code, input, message, path }: z.core.$ZodIssue): string {
  // The sentences of our own checks name the value.
  if (code === 'custom') return `cannot be used: ${message}`
  // The schema's begin with a word of their own and repeat what was given: "Invalid input: expected number, received string".
  const expectation = message.replace(/^[A-Z][a-z ]+: /, '').replace(/, received \w+$/, '')
  if (input === undefined) return `is missing: ${expectation}`
  return `cannot be ${path.at(-1) === 'key' ? 'this secret' : JSON.stringify(input)}: ${expectation}`
}

function keysAt(schema: z.ZodType, path: Path): readonly string[] {
  let node: z.core.JSONSchema._JSONSchema | undefined = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  for (const step of path) {
    if (typeof node !== 'object') return []
    const inner: typeof node.items = typeof step === 'number' ? node.items : node.properties?.[String(step)]
    node = Array.isArray(inner) ? undefined : inner
  }
  return typeof node === 'object' ? Object.keys(node.properties ?? {}) : []
}
