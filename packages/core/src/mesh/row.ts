import { z } from 'zod'

/*
 * One row of the mesh: the complete state of one agent at one point in time. The API serves it, the page and the metrics derive from
 * it, and the command line reads it from many agents. This schema is the only definition of that exchange. Agents of different versions
 * coexist during a rollout, so readers treat sets that may grow (reasons, paths, vantages, protocols) as plain text.
 */

/**
 * Header of requests by programs of Scout. Through an API server they arrive with its name as their host. A page in a browser may send them
 * under any host, but no header that begins like this (Fetch standard §2.2.2), so that agents can tell one from the other.
 */
export const programHeader = 'sec-scout'

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
  /** Conclusive attempts since then. */
  trials: z.int().default(1),
  /** Bytes that the check sends or requests, if its size matters. */
  bytes: z.int().optional(),
  total: z.object(counts),
  /** Attempts in the last ten minutes. `other` counts inconclusive ones. */
  recent: z.object({ passed: z.int(), failed: z.int(), other: z.int() }),
  /** If some attempts are lost, by the detector: bounds of their proportion (95 %), wall clock of the first, attempts since then. */
  loss: z.object({ low: z.number(), high: z.number(), sinceMs: z.number(), trials: z.int() }).optional(),
  /** If successes take longer than usual: nanoseconds between the medians, wall clock of the first, successes since then. */
  slow: z.object({ byNs: z.number(), sinceMs: z.number(), trials: z.int() }).optional(),
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
  /** MTU in bytes of the interface that has the pod's first address. */
  mtu: z.int().optional(),
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

/** Whether the agent got the CPU it needs, over its last minute. */
const lateness = z.object({
  spanMs: z.number(),
  /** Attempts that started, that did so more than an interval late, and that did not start at all. */
  started: z.int(),
  late: z.int(),
  skipped: z.int(),
  /** Longest delay of a timer of this process, or of an answer to the heartbeat of a thread that probes. */
  stalledMs: z.number(),
  /** How long the limit of its cgroup kept it from running (cpu.stat throttled_usec); absent without one. */
  throttledMs: z.number().optional(),
  /** Share of the CPU time of the node that its hypervisor gave to others (/proc/stat steal), 0 to 1; absent if unknown. */
  stolenRatio: z.number().optional(),
})

/** Of a server. Like `schedule`, may hold further counters. */
const counters = z.object({ answered: z.int(), rejected: z.int(), unsent: z.int() }).catchall(z.int())

const vantage = z.object({
  name: z.string(),
  /** Port of its responder. */
  port: z.int(),
  /** By responder. */
  responders: z.record(z.string(), counters),
  /** Answers that no attempt was waiting for, by protocol. */
  strays: z.record(z.string(), z.object({ late: z.int(), duplicate: z.int(), foreign: z.int() })),
})

/** What an agent does as one of those that diagnose the mesh together. */
const diagnosis = z.object({
  /** Whether it is the watcher that speaks for the mesh, or for its part of it. */
  isSpeaking: z.boolean(),
  /** Rows that it holds, its own included, of how many ready agents. */
  rows: z.int(),
  ready: z.int(),
  /** Incidents that are not closed, if it speaks: their causes, kinds of scope and severities. */
  incidents: z.array(z.object({ cause: z.string(), scope: z.string(), severity: z.string() })).readonly(),
  /** Evidence sent to watchers and received from peers, by outcome. */
  sent: byReason,
  received: byReason,
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
  lateness: lateness.optional(),
  /** Discarded results of departed peers and of all series. */
  setAside: z.int(),
  /** Failures held until it is clear whether their peer was leaving, and the results queued after them. */
  held: z.int(),
  greetings: z
    .object({ answered: z.int(), malformed: z.int(), silent: z.int(), unreached: z.int().default(0) })
    .catchall(z.int()),
  diagnosis: diagnosis.default({ isSpeaking: false, rows: 0, ready: 0, incidents: [], sent: {}, received: {} }),
  /** Requests to page, API, metrics and health. */
  console: counters.default({ answered: 0, rejected: 0, unsent: 0 }),
  /** Lines that the log could not write. */
  logLinesLost: z.int().default(0),
})

export type Row = z.output<typeof row>
export type SeriesReport = z.output<typeof series>
export type DurationsReport = z.output<typeof durations>
export type NodeConditions = z.output<typeof nodeConditions>
export type Knowledge = z.output<typeof knowledge>
export type Lateness = z.output<typeof lateness>
export type Self = z.output<typeof self>
