import { parseArgs } from 'node:util'

export interface BenchOptions {
  /** Where to write everything as JSON. */
  readonly json: string | undefined
  /** Put the figures into docs/measurement.md. */
  readonly write: boolean
  /** A figure that misses its limit fails the run. */
  readonly strict: boolean
  readonly rounds: number
}

export function readOptions(args: readonly string[], defaults: { readonly rounds: number }): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      rounds: { type: 'string', default: String(defaults.rounds) },
    },
  })
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds takes a whole number from 1, not ${values.rounds}`)
  return { json: values.json, write: values.write, strict: values.strict, rounds }
}
