import { parseDurationMs, ScoutError } from '@scout/core'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import type { PrometheusChoice } from '../prometheus/look.ts'
import { clusterOptions, readClusterFlags } from './cluster-flags.ts'
import { type Flag, flagsOf, valuesOf } from './flags.ts'

const pairs = z.object({
  labels: z
    .record(z.string().regex(/^[a-zA-Z_]\w*$/), z.string())
    .default({})
    .describe('label that the metrics must have, such as cluster'),
  headers: z
    .record(
      z.string().regex(/^[!#$%&'*+.^`|~\w-]+$/),
      z
        .string()
        .regex(/^[\t -~\x80-\xff]*$/)
        .meta({ writeOnly: true }),
    )
    .default({})
    .describe('header of each request to that server, such as X-Scope-OrgID'),
})

const flags: readonly Flag[] = flagsOf(pairs)

const texts = z.object({
  prometheus: z.string().optional(),
  at: z.string().optional(),
  ca: z.string().optional(),
})

export function addPrometheusFlags(command: Command): Command {
  const options = [
    new Option(
      '--prometheus <url>',
      'show the mesh from the metrics of its agents, in a server with the API of Prometheus',
    ),
    new Option('--at <time>', 'time to show, or how long ago: 2026-01-02T12:00:00Z, 2h (default: now)'),
    ...flags.map(({ option }) => option),
    new Option('--ca <file>', 'certificate authority of that server, in PEM (default: those of Node)'),
  ]
  for (const option of options) command.addOption(option.helpGroup(group))
  return command
}

const group = 'Prometheus options:'

/** Returns what the flags select; undefined if they select the agents themselves. @throws {ScoutError} for flags that do not go together */
export function readPrometheusFlags(command: Command, program: Command): PrometheusChoice | undefined {
  const { prometheus, at, ca } = texts.parse(command.opts())
  if (prometheus === undefined) {
    const given = command.options.find(
      (option) => option.helpGroupHeading === group && command.getOptionValue(option.attributeName()) !== undefined,
    )
    if (given !== undefined) throw new ScoutError('invalid-option', `${given.long} needs --prometheus`)
    return undefined
  }
  const [key] = Object.keys(readClusterFlags(program))
  const clusterFlag = clusterOptions('anywhere').find((option) => option.attributeName() === key)
  if (clusterFlag !== undefined) {
    throw new ScoutError(
      'invalid-option',
      `${clusterFlag.long} selects agents, and --prometheus asks none: use --label`,
    )
  }
  return { prometheus, ca, ...pairs.parse(valuesOf(flags, command)), atMs: at === undefined ? undefined : momentOf(at) }
}

/** RFC 3339 §5.6, in which seconds may be missing. */
const dateTime = z.iso.datetime({ offset: true })

function momentOf(text: string): number {
  const nowMs = Date.now()
  const atMs = dateTime.safeParse(text).success ? Date.parse(text) : nowMs - agoMsOf(text)
  if (atMs > nowMs) throw new ScoutError('invalid-option', `--at: ${text} is in the future`)
  return atMs
}

function agoMsOf(text: string): number {
  try {
    return parseDurationMs(text)
  } catch (error) {
    if (!(error instanceof ScoutError)) throw error
    throw new ScoutError(
      'invalid-option',
      `--at: "${text}" is neither a time with its zone nor a duration: write 2026-01-02T12:00:00Z, 2026-01-02T13:00:00+01:00 or 2h`,
    )
  }
}
