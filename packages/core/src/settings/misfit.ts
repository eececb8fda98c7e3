import { inspect } from 'node:util'
import type { z } from 'zod'
import { ScoutError } from '../model/errors.ts'
import { hintFor, nearest } from '../model/nearest.ts'
import { parseDurationMs } from '../time/duration.ts'
import {
  type Field,
  fieldBelow,
  fieldOf,
  hiddenSecret,
  isRecord,
  nameBelow,
  type Shape,
  writtenDuration,
  writtenIn,
} from './shape.ts'

/** Explanation of an invalid value; the caller supplies the subject of the sentence. */
export type Misfit =
  | {
      readonly kind: 'unknown'
      /** Names and indexes as they were written, outermost first; the last one is unknown. */
      readonly path: readonly string[]
      /** `did you mean interval?` */
      readonly hint: string
    }
  | {
      readonly kind: 'unfit'
      readonly path: readonly string[]
      /** `about('--count')` is `--count: 9 is out of range: it must be at least 1 and at most 5`. */
      about(subject: string): string
    }

export interface Judged {
  readonly schema: z.ZodType
  readonly error: z.ZodError
  /** The invalid value as it was given. */
  readonly input: unknown
  /** Whether a person wrote it, with durations as text and without `Ms` in names. */
  readonly isWritten: boolean
}

/**
 * Explains why a schema rejected a value. This is the only place that builds such sentences. It includes the value unless it is secret.
 * Custom checks phrase their message as a predicate (`is not an IP address`) or as advice (`write it as …`).
 */
export function misfitOf({ schema, error, input, isWritten }: Judged): Misfit {
  const [first] = error.issues
  if (first === undefined) throw error
  const root = fieldOf(schema)
  // A misspelled key also shows up as a missing one, so report the spelling first.
  const unknown = error.issues.find((issue) => issue.code === 'unrecognized_keys')
  if (unknown !== undefined) {
    const [key = ''] = unknown.keys
    const { field, path } = locate(root, unknown.path, isWritten)
    return unknownName(key, path, namesAt(field, isWritten))
  }
  const { field, path } = locate(root, first.path, isWritten)
  const value = valueAt(input, path)
  const says = predicate(first, value, isWritten ? field : { ...field, isDuration: false })
  return {
    kind: 'unfit',
    path,
    about: (subject) => (value === undefined ? `${subject} is missing` : `${subject}: ${quoted(field, value)} ${says}`),
  }
}

export function unknownName(name: string, path: readonly string[], known: readonly string[]): Misfit {
  return { kind: 'unknown', path: [...path, name], hint: hintFor(name, known) }
}

export function namesAt(field: Field, isWritten: boolean): readonly string[] {
  return Object.keys(field.shape.properties ?? {}).map((key) => (isWritten ? nameBelow(field, key) : key))
}

function locate(root: Field, keys: readonly PropertyKey[], isWritten: boolean) {
  let field = root
  const path: string[] = []
  for (const key of keys) {
    path.push(typeof key === 'string' && isWritten ? nameBelow(field, key) : String(key))
    field = fieldBelow(field, key)
  }
  return { field, path }
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, step) => (isRecord(inner) || Array.isArray(inner) ? Reflect.get(inner, step) : undefined),
    value,
  )
}

function quoted(field: Field, value: unknown): string {
  const shown = writtenIn({ ...field, isDuration: false }, value)
  if (shown === hiddenSecret) return 'its value'
  return typeof shown === 'string' ? JSON.stringify(shown) : inspect(shown, { breakLength: Number.POSITIVE_INFINITY })
}

function predicate(issue: z.core.$ZodIssue, value: unknown, { shape, isDuration }: Field): string {
  switch (issue.code) {
    case 'too_small':
    case 'too_big':
      return sizePredicate(issue, shape, isDuration)
    case 'invalid_type':
      return isDuration ? durationPredicate(value) : kindPredicate(shape, issue.expected)
    case 'invalid_value': {
      const choices = issue.values.map(String)
      const near = typeof value === 'string' ? nearest(value, choices) : undefined
      return `is not one of ${choices.join(', ')}${near === undefined ? '' : `: did you mean ${near}?`}`
    }
    case 'not_multiple_of':
      return `is not a multiple of ${issue.divisor}`
    default:
      return issue.message.startsWith('is ') ? issue.message : `is invalid: ${issue.message}`
  }
}

type SizeIssue = z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig

function sizePredicate(issue: SizeIssue, shape: Shape, isDuration: boolean): string {
  if (issue.origin === 'number' || issue.origin === 'int')
    return `is out of range: it must be ${rangeOf(shape, isDuration)}`
  const [limit, isTooSmall] =
    issue.code === 'too_small' ? [`at least ${issue.minimum}`, true] : [`at most ${issue.maximum}`, false]
  if (issue.origin === 'string')
    return `is too ${isTooSmall ? 'short' : 'long'}: it must have ${limit} character${limit.endsWith(' 1') ? '' : 's'}`
  return `has too ${isTooSmall ? 'few' : 'many'} entries: it must have ${limit}`
}

function durationPredicate(value: unknown): string {
  try {
    parseDurationMs(String(value))
  } catch (error) {
    if (error instanceof ScoutError) return error.message.replace(/^".*" is/, 'is')
    throw error
  }
  return 'is not a duration: write it as 250ms, 1s or 1m30s'
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
}

function kindPredicate(shape: Shape, expected: string): string {
  const range = rangeOf(shape, false)
  const kind = kinds[String(shape.type)] ?? kinds[expected]
  if (kind === undefined) return 'is not of the form "name: value"'
  return `is not ${kind}${range === '' ? '' : `: it must be ${range}`}`
}

/** Returns `at least 1 and at most 5`; empty if a number has no limits. */
export function rangeOf({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Shape, isDuration: boolean): string {
  const bound = (word: string, limit: unknown) => {
    // The schema library limits every integer to JavaScript's safe range.
    if (typeof limit !== 'number' || Math.abs(limit) === Number.MAX_SAFE_INTEGER) return []
    return [`${word} ${isDuration ? writtenDuration(limit) : limit}`]
  }
  return [
    ...bound('at least', minimum),
    ...bound('more than', exclusiveMinimum),
    ...bound('at most', maximum),
    ...bound('less than', exclusiveMaximum),
  ].join(' and ')
}
