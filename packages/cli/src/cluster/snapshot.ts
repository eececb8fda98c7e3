import { z } from 'zod'

const failure = z.object({ reason: z.string(), phase: z.string(), message: z.string() })

const series = z.object({
  check: z.string(),
  target: z.string(),
  family: z.enum(['ipv4', 'ipv6']).optional(),
  /** Absent for a check that is not about peers. */
  peer: z.object({ node: z.string() }).optional(),
  state: z.enum(['ok', 'failing', 'waiting', 'unable']),
  sinceMs: z.number().optional(),
  attempts: z.number(),
  successes: z.number(),
  last: z.object({ failure: failure.optional() }).optional(),
})

/** The part of an agent's snapshot that is shown here. */
export const snapshot = z.object({
  takenAtMs: z.number(),
  knowledge: z.object({ trouble: z.string().optional() }),
  series: z.array(series),
})

export type Snapshot = z.output<typeof snapshot>
export type Series = z.output<typeof series>
