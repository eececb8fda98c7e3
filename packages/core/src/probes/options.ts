import { z } from 'zod'
import { canonicalAddress, whyUnusable } from '../model/address.ts'
import { ScoutError } from '../model/errors.ts'
import { type Misfit, misfitOf } from '../settings/misfit.ts'
import { loadWritten } from '../settings/written.ts'
import type { Probe } from './probe.ts'

/** An IP address of one host. */
export const usableAddress = z.string().superRefine((text, context) => {
  const address = canonicalAddress(text)
  const why = address === undefined ? 'is not an IP address' : whyUnusable(address)
  if (why !== undefined) context.addIssue({ code: 'custom', message: why })
})

const timeout = z.number().positive().max(600_000)

/** Options of every probe. */
export const commonOptions = z.object({
  timeoutMs: timeout
    .default(3500)
    .describe('timeout of an attempt; 3.5 s allows for two retransmitted SYNs (RFC 6298: after 1 s and 3 s)'),
  family: z.enum(['any', 'ipv4', 'ipv6']).default('any').describe('IP version of addresses that names resolve to'),
  address: usableAddress.optional().describe('address to probe instead of the one that the name resolves to'),
})

export type CommonOptions = z.output<typeof commonOptions>

// Creating a schema takes longer than the rest of preparing an attempt, and so does parsing with one.
const schemas = new WeakMap<Probe, z.ZodObject>()
const defaults = new WeakMap<Probe, ParsedOptions>()

type ParsedOptions = Readonly<Record<string, unknown>> & CommonOptions

/** Returns the schema of all options of a probe: its own and the common ones. */
export function optionsOf(probe: Probe): z.ZodObject {
  const known = schemas.get(probe)
  if (known !== undefined) return known
  const { shape } = commonOptions
  const { timeoutMs } = probe
  const ownTimeout =
    timeoutMs === undefined ? {} : { timeoutMs: timeout.default(timeoutMs).describe('timeout of an attempt') }
  const schema = probe.options.extend({ ...shape, ...ownTimeout }).strict()
  schemas.set(probe, schema)
  return schema
}

/**
 * Parses options from code, with the names and units of the schema.
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
  const parsed = schema.safeParse(options)
  if (parsed.success) return complete(parsed.data)
  throw misuse(probe, misfitOf({ schema, error: parsed.error, input: options, isWritten: false }))
}

/**
 * Parses options that a person wrote in a configuration or on the command line, with durations as text with units.
 * @throws {ScoutError} `unknown-option`, `invalid-option`
 */
export function parseWrittenOptions(probe: Probe, written: Readonly<Record<string, unknown>>): ParsedOptions {
  const loaded = loadWritten(optionsOf(probe), written)
  if (loaded.ok) return complete(loaded.value)
  throw misuse(probe, loaded.misfit)
}

function complete(options: Readonly<Record<string, unknown>>): ParsedOptions {
  return { ...options, ...commonOptions.parse(options) }
}

function misuse({ protocol }: Probe, misfit: Misfit): ScoutError {
  const name = misfit.path.join('.')
  return misfit.kind === 'unknown'
    ? new ScoutError('unknown-option', `the ${protocol} probe has no option "${name}": ${misfit.hint}`)
    : new ScoutError('invalid-option', misfit.about(`option ${name} of the ${protocol} probe`))
}
