import { z } from 'zod'

/** A value given outside the file, with where it came from. */
export interface Setting {
  readonly path: string
  readonly text: string
  readonly origin: string
}

/** A setting simple enough for a flag and a variable of the environment. */
export interface SettingKind {
  /** Its place in the file: `console.port`. */
  readonly path: string
  /** `--console-port` */
  readonly flag: string
  /** `SCOUT_CONSOLE_PORT` */
  readonly variable: string
  readonly description: string
  readonly choices: readonly string[] | undefined
  /** Text as the schema wants it; what cannot be read is left as it is, for the schema to name. */
  read(text: string): unknown
}

type Node = z.core.JSONSchema.BaseSchema

/** Every simple setting of a schema: flags and variables are derived from it, never listed. */
export function settingsOf(schema: z.ZodObject): readonly SettingKind[] {
  // The JSON schema of the written side; a computed default has no JSON form and is left out of it.
  return walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), [])
}

function walk(node: Node, path: readonly string[]): readonly SettingKind[] {
  if (node.properties !== undefined) {
    return Object.entries(node.properties).flatMap(([key, inner]) =>
      typeof inner === 'boolean' ? [] : walk(inner, [...path, key]),
    )
  }
  const read = readers[kindOf(node)]
  if (read === undefined) return []
  const words = path.join('-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  return [
    {
      path: path.join('.'),
      flag: words,
      variable: `SCOUT_${words.replaceAll('-', '_').toUpperCase()}`,
      description: node.description ?? '',
      choices: node.enum?.map(String),
      read,
    },
  ]
}

function kindOf({ type, items }: Node): string {
  if (type !== 'array') return String(type)
  return typeof items === 'object' && !Array.isArray(items) ? `${String(items.type)} list` : ''
}

const readers: Readonly<Record<string, (text: string) => unknown>> = {
  string: (text) => text,
  integer: readNumber,
  number: readNumber,
  boolean: (text) => (text === 'true' ? true : text === 'false' ? false : text),
  'string list': (text) => text.split(',').filter((part) => part !== ''),
}

function readNumber(text: string): unknown {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}
