import { inspect } from 'node:util'
import { z } from 'zod'
import { ScoutError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import { parseDurationMs } from '../time/duration.ts'
import type { Probe } from './probe.ts'

/** Options every probe has. */
export const commonOptions = z.object({
  timeoutMs: z
    .number()
    .positive()
    .max(600_000)
    .default(3500)
    .describe('give up after this long; 3.5 s leaves room for two retransmitted SYNs (RFC 6298: at 1 s and 3 s)'),
  family: z.enum(['any', 'ipv4', 'ipv6']).default('any').describe('IP version to resolve names to'),
})

export type CommonOptions = z.output<typeof commonOptions>

// Making a schema takes longer than the rest of an attempt's preparation, and so does asking one.
const schemas = new WeakMap<Probe, z.ZodObject>()
const defaults = new WeakMap<Probe, ParsedOptions>()

type ParsedOptions = Readonly<Record<string, unknown>> & CommonOptions

/** Every option of a probe: its own and the common ones. */
export function optionsOf(probe: Probe): z.ZodObject {
  const known = schemas.get(probe)
  if (known !== undefined) return known
  const schema = probe.options.extend(commonOptions.shape).strict()
  schemas.set(probe, schema)
  return schema
}

/** People write durations with their unit, so the unit leaves the name: `timeoutMs` is written `timeout`. */
export function writtenName(option: string): string {
  return option.endsWith('Ms') ? option.slice(0, -2) : option
}

/**
 * Options from code: names and numbers as the schema has them.
 * @throws {ScoutError} `unknown-option`, `invalid-option`
 */
export function parseOptions(probe: Probe, options: object): ParsedOptions {
  if (Object.keys(options).length > 0) return parseGiven(probe, options)
  const known = defaults.get(probe) ?? parseGiven(probe, options)
  defaults.set(probe, known)
  return known
}

function parseGiven(probe: Probe, options: object): ParsedOptions {
  const schema = optionsOf(probe)
  const parsed = schema.safeParse(options, { reportInput: true })
  if (parsed.success) return { ...parsed.data, ...commonOptions.parse(parsed.data) }
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys') throw unknownOption(probe, issue.keys[0] ?? '', Object.keys(schema.shape))
  // The schema's sentences begin with a word of their own: "Too small: expected number to be >0".
  const expectation = (issue?.message ?? parsed.error.message).replace(/^[A-Z][a-z ]+: /, '')
  const value =
    typeof issue?.input === 'string'
      ? JSON.stringify(issue.input)
      : inspect(issue?.input, { breakLength: Number.POSITIVE_INFINITY })
  throw new ScoutError(
    'invalid-option',
    `the ${probe.protocol} probe cannot take ${value} for ${issue?.path.join('.')}: ${expectation}`,
  )
}

/**
 * Options from a person (configuration, command line): written names, durations as text with units.
 * @throws {ScoutError} `unknown-option`, `invalid-option`, `invalid-duration`
 */
export function parseWrittenOptions(probe: Probe, written: Readonly<Record<string, unknown>>): ParsedOptions {
  const names = new Map(Object.keys(optionsOf(probe).shape).map((name) => [writtenName(name), name]))
  const options = Object.entries(written).map(([key, value]): readonly [string, unknown] => {
    const name = names.get(key)
    if (name === undefined) throw unknownOption(probe, key, [...names.keys()])
    return [name, name !== key && typeof value === 'string' ? parseDurationMs(value) : value]
  })
  return parseOptions(probe, Object.fromEntries<unknown>(options))
}

function unknownOption(probe: Probe, key: string, known: readonly string[]): ScoutError {
  const near = nearest(key, known)
  const hint = near === undefined ? `it knows ${known.join(', ')}` : `did you mean ${near}?`
  return new ScoutError('unknown-option', `the ${probe.protocol} probe has no option "${key}": ${hint}`)
}
