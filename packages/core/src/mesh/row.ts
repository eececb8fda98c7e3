import { z } from 'zod'

/*
 * One row of the mesh: the complete state of one agent at one point in time. The API serves it, the page and the metrics derive from
 * it, and the command line reads it from many agents. This schema is the only definition of that exchange. Agents of different versions
 * coexist during a rollout, so readers treat sets that may grow (reasons, paths, vantages, protocols) as plain text.
 */

const family = z.enum(['ipv4', 'ipv6'])
const clock = z.enum(['kernel', 'tcp-info', 'user'])
const byReason = z.record(z.string(), z.int())

const packets = z.object({
  sent: z.int(),
  arrived: z.int().optional(),
  returned: z.int(),
  duplicated: z.int(),
  reordered: z.int(),
  late: z.int(),
})

const measured = {
  protocol: z.string(),
  target: z.string(),
  endpoint: z.object({ host: z.string(), address: z.string(), family, port: z.int().optional() }).optional(),
  startedAtMs: z.number(),
  phasesNs: z.record(z.string(), z.number()),
  totalNs: z.number(),
  clock: z.object({ tx: clock, rx: clock }),
  packets: packets.optional(),
}

/** Result of any probe, as JSON. */
const result = z.discriminatedUnion('ok', [
  z.object({ ...measured, ok: z.literal(true), detail: z.unknown() }),
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

const counts = { passed: z.int(), reasons: byReason, packets: packets.optional() }

const key = {
  check: z.string(),
  path: z.string(),
  vantage: z.string(),
  family: family.optional(),
}

/** One series, as an agent reports it. */
const series = z.object({
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
  total: z.object(counts),
  /** Attempts in the last ten minutes. `other` counts inconclusive ones. */
  recent: z.object({ passed: z.int(), failed: z.int(), other: z.int() }),
  /** Results that were discarded because a peer's state changed while they were in flight. */
  setAside: z.int(),
  last: result.optional(),
  /** The newest failures, newest last. */
  failures: z.array(result).readonly(),
})

/** Durations of one check between two zones. They outlive the nodes they were measured on, because counters must not decrease. */
const durations = z.object({
  ...key,
  protocol: z.string(),
  fromZone: z.string(),
  toZone: z.string(),
  /** One count per edge of `durationEdgesSeconds`, for values above the previous edge and up to this one; then one for values above all. */
  counts: z.array(z.int()).readonly(),
  sumNs: z.number(),
})

const addresses = z.array(z.string()).readonly()

const self = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  node: z.string(),
  zone: z.string().optional(),
  addresses,
  nodeAddresses: addresses,
  version: z.string(),
})

const nodeConditions = z.object({
  name: z.string(),
  /** Whether new pods are kept off it (`kubectl cordon`). */
  isCordoned: z.boolean(),
  /** Abnormal conditions; empty for a healthy node. */
  problems: z
    .array(z.object({ type: z.string(), status: z.string(), reason: z.string(), sinceMs: z.number().optional() }))
    .readonly(),
})

const knowledge = z.object({
  /** Source of the peers, for display. */
  source: z.string(),
  /** Wall clock of the source's last update or heartbeat; 0 before the first. Absent for a static list, which cannot become stale. */
  heardAtMs: z.number().optional(),
  /** Why it may be stale; absent while the source answers. */
  trouble: z.string().optional(),
  nodes: z.array(nodeConditions).readonly().optional(),
})

const peer = z.object({
  id: z.string(),
  name: z.string(),
  namespace: z.string().optional(),
  node: z.string(),
  zone: z.string().optional(),
  addresses,
  state: z.enum(['starting', 'ready', 'leaving']),
  stateSinceMs: z.number(),
  version: z.string().optional(),
  /** Why no check can reach it; absent if one can. */
  obstacle: z.string().optional(),
})

const vantage = z.object({
  name: z.string(),
  /** Port of its responder. */
  port: z.int(),
  responders: z.record(z.string(), z.object({ answered: z.int(), rejected: z.int(), unsent: z.int() })),
  /** Answers that no attempt was waiting for, by protocol. */
  strays: z.record(z.string(), z.object({ late: z.int(), duplicate: z.int(), foreign: z.int() })),
})

export const row = z.object({
  takenAtMs: z.number(),
  /** Wall clock at which the agent's process started. */
  startedAtMs: z.number(),
  self,
  isReady: z.boolean(),
  knowledge,
  peers: z.array(peer).readonly(),
  vantages: z.array(vantage).readonly(),
  series: z.array(series).readonly(),
  durations: z.array(durations).readonly(),
  /** Like `greetings`, may hold further counters, which match the table of metrics. */
  schedule: z
    .object({
      started: z.int(),
      late: z.int(),
      skipped: z.int(),
      lost: z.int().default(0),
      inFlight: z.int(),
      waiting: z.int(),
    })
    .catchall(z.int()),
  /** Discarded results of departed peers and of all series. */
  setAside: z.int(),
  /** Failures held until it is clear whether their peer was leaving, and the results queued after them. */
  held: z.int(),
  greetings: z.object({ answered: z.int(), malformed: z.int(), silent: z.int() }).catchall(z.int()),
})

export type Row = z.output<typeof row>
export type SeriesReport = z.output<typeof series>
export type DurationsReport = z.output<typeof durations>
export type NodeConditions = z.output<typeof nodeConditions>
export type Knowledge = z.output<typeof knowledge>
export type Self = z.output<typeof self>

/** Upper edges of duration counts: geometric from 50 µs, and dense around the delays of one, two and three lost SYNs (1, 3 and 7 s). */
export const durationEdgesSeconds = [
  0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.95, 1.1, 2.9, 3.2, 6.9, 7.2,
] as const
