import { z } from 'zod'
import { byReason, durations, family, series } from './series-report.ts'

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

/** Header with the token of a console, for requests through an API server, which keeps `authorization` to itself. */
export const tokenHeader = 'sec-scout-token'

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
  /** In a large mesh: that this agent probes other nodes at present. */
  isOutOfSample: z.literal(true).optional(),
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

/** When the UDP responder of the agent's pod last read a genuine request from a node that has a ready peer. */
const arrival = z.object({ from: z.string(), family, atMs: z.number() })

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
  /** Incidents that are not closed, if it speaks, the gravest first. `scope` is the kind of place. */
  incidents: z
    .array(
      z.object({
        id: z.string().default(''),
        cause: z.string(),
        scope: z.string(),
        severity: z.string(),
        summary: z.string().default(''),
      }),
    )
    .readonly(),
  /** Evidence sent to watchers and received from peers, by outcome. */
  sent: byReason,
  received: byReason,
})

/** What an agent has collected once for an incident, because it proves the cause or decides between causes. */
const collected = z.object({
  /** Id of the incident. */
  incident: z.string(),
  proof: z.string(),
  /** Node of the peer, and the address that was asked. */
  to: z.string(),
  target: z.string(),
  family: family.optional(),
  /** Wall clock at its end. */
  atMs: z.number(),
  /** One clause for people. */
  says: z.string(),
  /** Symptom that it shows; absent if it decides nothing. */
  shows: z.string().optional(),
  packets: z.int(),
  /** The same as `says` for programs, by proof: sizes in bytes, losses by flow, hops by flow. */
  values: z.record(z.string(), z.unknown()),
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
  /** Absent: nodes from which nothing arrived since their peer is ready, or whose packets have the address of another. */
  arrivals: z.array(arrival).readonly().default([]),
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
  collected: z.array(collected).readonly().default([]),
  /** Requests to page, API, metrics and health. */
  console: counters.default({ answered: 0, rejected: 0, unsent: 0 }),
  /** File that keeps the history across restarts; absent if there is none. */
  history: z
    .object({
      path: z.string(),
      /** 0 before the first write, and while it cannot be written. */
      bytes: z.int(),
      writtenAtMs: z.number().optional(),
      writes: z.object({ written: z.int(), failed: z.int() }),
      /** Why it is not used, or not written. */
      trouble: z.string().optional(),
    })
    .optional(),
  /** Lines that the log could not write. */
  logLinesLost: z.int().default(0),
})

export type Row = z.output<typeof row>
export type NodeConditions = z.output<typeof nodeConditions>
export type Knowledge = z.output<typeof knowledge>
export type Lateness = z.output<typeof lateness>
export type Self = z.output<typeof self>
