import { z } from 'zod'
import type { Host } from '../stage/host.ts'
import { runProgram } from '../stage/tool.ts'
import type { Pace } from './peers.ts'
import { figures, type Sample } from './sample.ts'
import type { Conversation } from './wire.ts'

/** One tool under one condition. */
export interface Cell {
  readonly tool: string
  readonly condition: string
  readonly host: Host
  readonly conversation: Conversation
  /** The program it runs, where that is one of the machine's. */
  readonly command?: string
  /** Whether the tool takes the time at its server out of a round trip. The truth is then without it, too. */
  readonly sparesServer?: boolean
  measure(): Promise<Readings>
}

export interface Readings {
  /** In the order in which the probes began. */
  readonly samples: readonly Sample[]
  /** What Scout says it took the times with. */
  readonly clocks?: string | undefined
}

interface ScoutCell extends Pick<Cell, 'condition' | 'host' | 'conversation' | 'sparesServer'> {
  readonly protocol: string
  readonly targets: readonly string[]
  readonly pace: Pace
  readonly timeoutMs?: number
  readonly isBusy?: boolean
  readonly isInWorker?: boolean
  /** Each probe waits for the one before it, as it does in the peers of HTTP. */
  readonly isSequential?: boolean
}

/** The main thread is the busy one. By default Scout probes in it; a worker would avoid that. */
export function scout({
  protocol,
  targets,
  pace,
  timeoutMs = 3_000,
  isBusy = false,
  isInWorker = false,
  isSequential = false,
  ...cell
}: ScoutCell): Cell {
  const request = { protocol, targets, ...pace, isBusy, isInWorker, isSequential, options: { timeoutMs } }
  return { ...cell, tool: 'scout', measure: () => readings('accuracy/scout.ts', request) }
}

const readingsSchema = z.object({
  samples: z.array(
    z.object({ to: z.string(), timesNs: z.partialRecord(z.enum(figures), z.number()), limitMs: z.number().optional() }),
  ),
  clocks: z.string().optional(),
})

export async function readings(program: string, request: object): Promise<Readings> {
  return readingsSchema.parse(await runProgram(program, request))
}
