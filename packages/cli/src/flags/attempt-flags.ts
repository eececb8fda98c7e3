import { type Command, Option } from 'commander'
import { z } from 'zod'
import { addFlags, type Flag, flagsOf, valuesOf } from './flags.ts'

interface Repetition {
  readonly count: number
  readonly intervalMs: number
}

/** Flags of every command that probes: count, interval, IP version and output format. */
export interface AttemptFlags {
  addTo(command: Command): Command
  read(command: Command): Repetition & { readonly family: 'any' | 'ipv4' | 'ipv6'; readonly isJson: boolean }
}

/** One attempt, for a command without flags to repeat it. */
const once: Repetition = { count: 1, intervalMs: 1_000 }

/** Returns the flags, with the defaults of one command; without defaults, it makes one attempt. */
export function attemptFlags(defaults?: Repetition): AttemptFlags {
  const isRepeated = defaults !== undefined
  const repetition = z.object({
    count: z
      .int()
      .min(0)
      .max(1_000_000_000)
      .default((defaults ?? once).count)
      .describe('number of attempts; 0 means until Ctrl-C'),
    intervalMs: z
      .number()
      .min(1)
      .max(3_600_000)
      .default((defaults ?? once).intervalMs)
      .describe('time between the starts of two attempts'),
  })
  const flags: readonly Flag[] = !isRepeated ? [] : flagsOf(repetition, { count: '-c', intervalMs: '-i' })
  return {
    addTo: (command) =>
      addFlags(command, flags)
        .addOption(new Option('-4, --ipv4', 'resolve names to IPv4 addresses only').conflicts('ipv6'))
        .addOption(new Option('-6, --ipv6', 'resolve names to IPv6 addresses only').conflicts('ipv4'))
        .option('--json', 'print only JSON, one object per line'),
    read(command) {
      const { count, intervalMs } = repetition.parse(valuesOf(flags, command))
      return {
        count: count === 0 ? Number.POSITIVE_INFINITY : count,
        intervalMs,
        family:
          command.getOptionValue('ipv4') === true ? 'ipv4' : command.getOptionValue('ipv6') === true ? 'ipv6' : 'any',
        isJson: command.getOptionValue('json') === true,
      }
    },
  }
}
