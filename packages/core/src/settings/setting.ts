import type { z } from 'zod'
import { rangeOf } from './misfit.ts'
import { type Field, fieldBelow, fieldOf, isRecord, objectOf, writtenDuration, writtenName } from './shape.ts'

export type SettingKind = 'text' | 'number' | 'integer' | 'duration' | 'boolean' | 'choice'

/** One option of a schema, with its names in files, flags and variables. */
export interface Setting {
  /** Name in code: `console.port`, `timeoutMs`. */
  readonly key: string
  /** Name in a file: `console.port`, `timeout`. */
  readonly name: string
  /** Name of its flag: `console-port`. */
  readonly flag: string
  /** Name of its environment variable: `CONSOLE_PORT`. */
  readonly variable: string
  /** Kind of its value, or of each value; a `structure` can be written only in a file. */
  readonly kind: SettingKind | 'structure'
  /** Number of values. `pairs` are named values, such as the headers of a request. */
  readonly takes: 'one' | 'list' | 'pairs'
  /** Placeholder for the value in help: `duration`, `text,…`, `name: text`. */
  readonly placeholder: string
  readonly description: string
  /** The default as text. For a computed default, a schema provides it with `.meta({ defaultText })`. */
  readonly defaultText: string | undefined
  readonly default: unknown
  readonly choices: readonly string[] | undefined
  /** Limits of a number, as `at least 1 and at most 5`; empty if it has none. */
  readonly range: string
  /**
   * Converts text to the value that a file would contain. Leaves invalid text unchanged, because the schema explains it better.
   * `before` is the value of an earlier flag, to which lists and pairs are added.
   */
  read(text: string, before?: unknown): unknown
}

/** Returns all settings of a schema, including nested groups. Flags, variables, help and reference pages derive from this list. */
export function settingsOf(schema: z.ZodType): readonly Setting[] {
  return settingsAt(fieldOf(schema), [])
}

function settingsAt(field: Field, keys: readonly string[]): readonly Setting[] {
  const { properties } = field.shape
  if (properties === undefined) return [settingAt(field, keys)]
  return Object.keys(properties).flatMap((key) => settingsAt(fieldBelow(field, key), [...keys, key]))
}

function settingAt(field: Field, keys: readonly string[]): Setting {
  const { shape, isDuration } = field
  const names = keys.map((key, index) => (index === keys.length - 1 && isDuration ? writtenName(key) : key))
  const flag = names.join('-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const takes = shape.type === 'array' ? 'list' : shape.type === 'object' ? 'pairs' : 'one'
  const each = takes === 'list' ? fieldBelow(field, 0) : takes === 'pairs' ? pairValue(field) : field
  const kind = kindOf(each)
  const values = each.shape.enum ?? (each.shape.const === undefined ? undefined : [each.shape.const])
  const readOne = readerOf(kind, values ?? [])
  return {
    key: keys.join('.'),
    name: names.join('.'),
    flag,
    variable: flag.replaceAll('-', '_').toUpperCase(),
    kind: kind ?? 'structure',
    takes,
    placeholder: placeholders[takes](kind === 'integer' ? 'number' : (kind ?? 'structure')),
    description: shape.description ?? '',
    defaultText: kind === undefined ? wordedDefault(field) : textOfDefault(field),
    default: shape.default,
    choices: values?.map(String),
    range: rangeOf(each.shape, each.isDuration),
    read(text, before) {
      switch (takes) {
        case 'one':
          return readOne(text)
        case 'list':
          return [...listOf(before), ...readList(text, readOne)]
        case 'pairs':
          return readPair(text, before, readOne)
      }
    },
  }
}

const placeholders: Readonly<Record<Setting['takes'], (kind: string) => string>> = {
  one: (kind) => kind,
  list: (kind) => `${kind},…`,
  pairs: (kind) => `name: ${kind}`,
}

function pairValue({ shape }: Field): Field {
  return { shape: objectOf(shape.additionalProperties), isDuration: false }
}

function kindOf({ shape, isDuration }: Field): SettingKind | undefined {
  if (shape.enum !== undefined || shape.const !== undefined) return 'choice'
  switch (shape.type) {
    case 'string':
      return 'text'
    case 'boolean':
      return 'boolean'
    case 'number':
    case 'integer':
      return isDuration ? 'duration' : shape.type
    default:
      return undefined
  }
}

type ReadOne = (text: string) => unknown

function readerOf(kind: SettingKind | undefined, choices: readonly unknown[]): ReadOne {
  switch (kind) {
    case 'number':
    case 'integer':
      return (text) => (/^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : text)
    case 'boolean':
      return (text) => (text === 'true' ? true : text === 'false' ? false : text)
    case 'choice':
      return (text) => choices.find((choice) => String(choice).toLowerCase() === text.toLowerCase()) ?? text
    case 'text':
    case 'duration':
    case undefined:
      return (text) => text
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function readList(text: string, readOne: ReadOne): readonly unknown[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(readOne)
}

function readPair(text: string, before: unknown, readOne: ReadOne): unknown {
  const colon = text.indexOf(':')
  if (colon < 1) return text
  return { ...(isRecord(before) ? before : {}), [text.slice(0, colon).trim()]: readOne(text.slice(colon + 1).trim()) }
}

function wordedDefault({ shape }: Field): string | undefined {
  return typeof shape['defaultText'] === 'string' ? shape['defaultText'] : undefined
}

function textOfDefault(field: Field): string | undefined {
  const { default: preset } = field.shape
  const show = (value: unknown) =>
    field.isDuration && typeof value === 'number' ? writtenDuration(value) : String(value)
  const text = Array.isArray(preset) ? preset.map(show).join(', ') : isRecord(preset) ? '' : show(preset ?? '')
  return wordedDefault(field) ?? (text === '' ? undefined : text)
}
