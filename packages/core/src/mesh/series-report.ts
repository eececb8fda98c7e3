import { z } from 'zod'

/* What a row has of each series, and of the durations between two zones. */

export const family = z.enum(['ipv4', 'ipv6'])
const clock = z.enum(['kernel', 'tcp-info', 'user'])
export const byReason = z.record(z.string(), z.int())

const packets = z.object({
  sent: z.int(),
  arrived: z.int().optional(),
  lostForth: z.int().optional(),
  returned: z.int(),
  duplicated: z.int(),
  duplicatedForth: z.int().optional(),
  remarkedForth: z.int().optional(),
  remarkedBack: z.int().optional(),
  reordered: z.int(),
  reorderedForth: z.int().optional(),
  late: z.int(),
})

const measured = {
  protocol: z.string(),
  target: z.string(),
  endpoint: z
    .object({
      host: z.string(),
      address: z.string(),
      family,
      port: z.int().optional(),
      addressCount: z.int().optional(),
    })
    .optional(),
  startedAtMs: z.number(),
  phasesNs: z.record(z.string(), z.number()),
  totalNs: z.number(),
  clock: z.object({ tx: clock, rx: clock }),
  packets: packets.optional(),
}

/** Result of any probe, as JSON. */
const result = z.discriminatedUnion('ok', [
  z.object({
    ...measured,
    ok: z.literal(true),
    detail: z.unknown(),
    /** It stands for several attempts, of which all else describes the last: how many, and how long they took from the first to the last. */
    condensed: z.object({ attempts: z.int(), spanMs: z.number() }).optional(),
  }),
  z.object({
    ...measured,
    ok: z.literal(false),
    failure: z.object({
      reason: z.string(),
      phase: z.string(),
      message: z.string(),
      code: z.string().optional(),
      icmp: z.object({ type: z.int(), code: z.int(), from: z.string(), mtu: z.int().optional() }).optional(),
    }),
    detail: z.unknown().optional(),
  }),
])

const interval = { low: z.number(), high: z.number() }
/** Lost or odd packets, of how many, and bounds of their proportion (95 %). */
const share = z.object({ lost: z.int(), of: z.int(), ...interval })
/** Packets that arrive oddly, by the detector: the same of those that do, wall clock of the first, and trials since then. */
const odd = { ...interval, forth: share, back: share, sinceMs: z.number(), trials: z.int() }

/** Packets without an answer in time, of how many; and those lost on either way, if the other side counts them. */
const lost = z.object({ sent: z.int(), lost: z.int(), forth: z.int().optional(), back: z.int().optional() })

const counts = { passed: z.int(), reasons: byReason, packets: packets.optional() }

const key = {
  check: z.string(),
  path: z.string(),
  vantage: z.string(),
  family: family.optional(),
}

/** One series, as an agent reports it. */
export const series = z.object({
  ...key,
  protocol: z.string(),
  from: z.string(),
  to: z.string().optional(),
  /** Zone of `to`. */
  toZone: z.string().optional(),
  /** Target of the last attempt, or of the next one if there was none. */
  target: z.string(),
  /**
   * `waiting`: there is no current result, because none has arrived yet, the last one is stale, or no peer on that node is ready.
   * `unable`: this process lacks a privilege or feature that the probe needs.
   */
  state: z.enum(['ok', 'failing', 'waiting', 'unable']),
  /** Wall clock at which it became ok or failing. */
  sinceMs: z.number().optional(),
  /** Conclusive attempts since then. */
  trials: z.int().default(1),
  /** Bytes that the check sends or requests, if its size matters. */
  bytes: z.int().optional(),
  /** If the attempts of the check share a flow: whether it is in use, or idle between them. */
  socket: z.enum(['kept', 'idle']).optional(),
  total: z.object(counts),
  /** Wall clock at which the last attempt that succeeded started; absent if none did. */
  succeededAtMs: z.number().optional(),
  /** Attempts in the last ten minutes. `other` counts inconclusive ones, `lost` packets, if the probe sends them itself. */
  recent: z.object({ passed: z.int(), failed: z.int(), other: z.int(), lost: lost.optional() }),
  /**
   * If some attempts are lost, by the detector: bounds of their proportion (95 %), wall clock of the first, attempts since then; and the packets
   * lost on either way, if the other side counts them.
   */
  loss: z
    .object({
      ...interval,
      forth: share.optional(),
      back: share.optional(),
      sinceMs: z.number(),
      trials: z.int(),
    })
    .optional(),
  /** If packets arrive twice; trials are answers. */
  duplicated: z.object(odd).optional(),
  /** If they are overtaken by later ones; trials are volleys. */
  reordered: z.object(odd).optional(),
  /** If they arrive with another DSCP than they were sent with: which became of which, of the newest. */
  remarked: z.object({ ...odd, dscp: z.object({ sent: z.int(), seen: z.int() }).optional() }).optional(),
  /** Median path time in nanoseconds of the newest successes, 15 at most. */
  medianNs: z.number().optional(),
  /**
   * If successes take longer than usual: nanoseconds between the medians, wall clock of the first, successes since then; and nanoseconds from
   * the 10th to the 90th percentile, if times vary rather than shift.
   */
  slow: z
    .object({
      byNs: z.number(),
      spread: z.object({ nowNs: z.number(), usualNs: z.number() }).optional(),
      sinceMs: z.number(),
      trials: z.int(),
    })
    .optional(),
  /**
   * If nothing could be learned since the last conclusive attempt, because the agent's host lacks what an attempt needs (a free port): wall
   * clock of the first such attempt, how many there were, and the newest.
   */
  hindered: z.object({ sinceMs: z.number(), trials: z.int(), last: result }).optional(),
  /** Results that were discarded because a peer's state changed while they were in flight. */
  setAside: z.int(),
  last: result.optional(),
  /** The newest failures, newest last. */
  failures: z.array(result).readonly(),
})

/** Attempts of one check between two zones. They outlive the nodes they were measured on, because counters must not decrease. */
export const durations = z.object({
  ...key,
  protocol: z.string(),
  fromZone: z.string(),
  toZone: z.string(),
  total: z.object({ passed: z.int(), reasons: byReason }).default({ passed: 0, reasons: {} }),
  /** Sum over the successes, by phase. */
  phasesNs: z.record(z.string(), z.number()).default({}),
  /** One count per edge of `durationEdgesSeconds`, for values above the previous edge and up to this one; then one for values above all. */
  counts: z.array(z.int()).readonly(),
  sumNs: z.number(),
})

export type SeriesReport = z.output<typeof series>
export type DurationsReport = z.output<typeof durations>

/**
 * Returns what a series whose attempts share a flow shows of old flows: whether the last attempt passed over one, or found it dropped. Another
 * failure shows nothing of them: other checks show how new flows fail.
 */
export function flowShown({ state, last }: Pick<SeriesReport, 'state' | 'last'>): 'passes' | 'dropped' | undefined {
  if (last === undefined || (state !== 'ok' && state !== 'failing')) return undefined
  if (!last.ok) return last.failure.reason === 'flow-dropped' ? 'dropped' : undefined
  return typeof last.detail === 'object' && last.detail !== null && 'ageNs' in last.detail ? 'passes' : undefined
}

/** Returns how much the times of a series vary, if they vary rather than shift. How those of a server vary is no matter of the link. */
export function spreadShown({ path, slow }: Pick<SeriesReport, 'path' | 'slow'>) {
  return path === 'pod' ? slow?.spread : undefined
}
