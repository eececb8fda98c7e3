import { parseArgs } from 'node:util'

export interface BenchOptions {
  /** Where to write everything as JSON. */
  readonly json: string | undefined
  /** Put the figures into docs/measurement.md. */
  readonly write: boolean
  /** A figure that misses its limit fails the run. */
  readonly strict: boolean
  readonly rounds: number
  /** Whether a cell, by its tool and its condition, is to be measured. */
  readonly isWanted: (tool: string, condition: string) => boolean
}

export function readOptions(args: readonly string[], defaults: { readonly rounds: number }): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: String(defaults.rounds) },
    },
  })
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds takes a whole number from 1, not ${values.rounds}`)
  if (values.write && values.only !== '')
    throw new Error('--write puts all figures into the document: leave out --only')
  const only = parsePattern(values.only)
  const isWanted = (tool: string, condition: string) => only.test(`${tool}: ${condition}`)
  return { json: values.json, write: values.write, strict: values.strict, rounds, isWanted }
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (cause) {
    throw new Error(`--only takes a regular expression, not ${text}`, { cause })
  }
}
