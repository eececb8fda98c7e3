import { formatDurationNs, nearest, parseDurationMs, ScoutError, writtenName } from '@scout/core'
import { type Command, Option } from 'commander'
import { z } from 'zod'

/** One option of a schema, and the flag that sets it. */
export interface Flag {
  readonly key: string
  readonly option: Option
}

interface Field {
  readonly key: string
  readonly schema: z.core.$ZodType
  readonly json: z.core.JSONSchema.BaseSchema
  /** `-c, ` or nothing. */
  readonly short: string
}

/**
 * The flags of an option schema. Names are kebab-case; a key that ends in `Ms` takes a duration with its unit and loses the ending
 * (`timeoutMs` → `--timeout 3.5s`); a boolean that is true by default is turned off (`verify` → `--no-verify`); a record is one pair
 * a flag, in the singular (`headers` → `--header 'Name: value'`); an enum lists its choices. The schema itself checks each value.
 */
export function flagsOf(schema: z.ZodObject, shorts: Readonly<Record<string, string>> = {}): readonly Flag[] {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' })
  return Object.entries<z.core.$ZodType>(schema.shape).map(([key, fieldSchema]) => {
    const json = properties[key]
    const short = shorts[key] === undefined ? '' : `${shorts[key]}, `
    return { key, option: optionOf({ key, schema: fieldSchema, json: typeof json === 'object' ? json : {}, short }) }
  })
}

export function addFlags(command: Command, flags: readonly Flag[]): Command {
  for (const { option } of flags) command.addOption(option)
  return command
}

/** What a parsed command line says, under the keys of the schema. */
export function valuesOf(flags: readonly Flag[], command: Command): Record<string, unknown> {
  return Object.fromEntries(
    flags.flatMap(({ key, option }) => {
      const value: unknown = command.getOptionValue(option.attributeName())
      return value === undefined ? [] : [[key, value]]
    }),
  )
}

function optionOf(field: Field): Option {
  const { key, json, short } = field
  const name = `--${kebabCase(writtenName(key))}`
  const about = json.description ?? ''
  if (json.type === 'boolean') {
    return json.default === true
      ? new Option(`${short}${name.replace('--', '--no-')}`, `do not ${about}`)
      : new Option(`${short}${name}`, about)
  }
  if (json.type === 'object') {
    const flag = name.replace(/s$/, '')
    const option = new Option(`${short}${flag} <name: value>`, `${about}; may be repeated`)
    const judge = judgeOf(field, flag, String)
    return option.argParser<object | undefined>((text, before) => ({
      ...before,
      ...z.record(z.string(), z.string()).parse(judge(text, readPair(flag, text))),
    }))
  }
  if (json.enum !== undefined) {
    const choices = json.enum.map(String)
    return taking(field, {
      flag: name,
      placeholder: 'choice',
      about: `${about}: ${choices.join(', ')}`,
      read: (text) => choices.find((choice) => choice.toLowerCase() === text.toLowerCase()) ?? text,
    })
  }
  if (json.type === 'string') return taking(field, { flag: name, placeholder: 'text', about, read: (text) => text })
  if (json.type === 'number' || json.type === 'integer') {
    return writtenName(key) === key
      ? taking(field, { flag: name, placeholder: 'number', about, read: readNumber })
      : taking(field, { flag: name, placeholder: 'duration', about, read: parseDurationMs, show: formatMs })
  }
  throw new TypeError(`option ${key}: there is no kind of flag for its schema ${JSON.stringify(json)}`)
}

interface Manner {
  readonly flag: string
  readonly placeholder: string
  readonly about: string
  /** What the text says, before the schema judges it. */
  readonly read: (text: string) => unknown
  /** A number as a person writes it. */
  readonly show?: (value: number) => string
}

function taking(field: Field, { flag, placeholder, about, read, show = String }: Manner): Option {
  const option = new Option(`${field.short}${flag} <${placeholder}>`, about)
  const preset = field.json.default
  if (typeof preset === 'number') option.default(preset, show(preset))
  else if (typeof preset === 'string' && preset !== '') option.default(preset, preset)
  const judge = judgeOf(field, flag, show)
  return option.argParser((text: string) =>
    judge(
      text,
      prefixed(flag, () => read(text)),
    ),
  )
}

/** The schema's word on a value, in a sentence that names the flag and quotes what was written. */
function judgeOf({ schema, json }: Field, flag: string, show: (value: number) => string) {
  return (text: string, value: unknown): unknown => {
    const parsed = z.safeParse(schema, value)
    if (parsed.success) return parsed.data
    throw new ScoutError('invalid-option', `${flag}: ${complaint(text, parsed.error, { json, show })}`)
  }
}

interface Limits {
  readonly json: z.core.JSONSchema.BaseSchema
  readonly show: (value: number) => string
}

function complaint(text: string, error: z.core.$ZodError, limits: Limits): string {
  const [issue] = error.issues
  switch (issue?.code) {
    case 'too_small':
    case 'too_big':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `${text} is out of range: it takes ${rangeOf(limits)}`
        : `"${text}" does not fit: ${issue.message}`
    case 'invalid_type':
      return `"${text}" is not a ${issue.expected === 'int' ? 'whole ' : ''}number`
    case 'invalid_value': {
      const choices = issue.values.map(String)
      const near = nearest(text, choices)
      return `"${text}" is not one of ${choices.join(', ')}${near === undefined ? '' : `: did you mean ${near}?`}`
    }
    default:
      return `"${text}" does not fit: ${issue?.message ?? error.message}`
  }
}

function rangeOf({ json, show }: Limits): string {
  const bound = (word: string, limit: unknown) => (typeof limit === 'number' ? [`${word} ${show(limit)}`] : [])
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = json
  return [
    ...bound('at least', minimum),
    ...bound('more than', exclusiveMinimum),
    ...bound('at most', maximum),
    ...bound('less than', exclusiveMaximum),
  ].join(' and ')
}

function readPair(flag: string, text: string): Record<string, string> {
  const colon = text.indexOf(':')
  if (colon < 1) throw new ScoutError('invalid-option', `${flag}: "${text}" is not a pair: write it as "name: value"`)
  return { [text.slice(0, colon).trim()]: text.slice(colon + 1).trim() }
}

function readNumber(text: string): number {
  return /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
}

function formatMs(ms: number): string {
  return formatDurationNs(ms * 1e6).replaceAll(/(?<=\D)0[ms]/g, '')
}

/** Runs a parser that knows the value but not the flag it was given for. */
export function prefixed<T>(flag: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof ScoutError) throw new ScoutError(error.code, `${flag}: ${error.message}`, { cause: error })
    throw error
  }
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
