import { row } from '@scout/core'
import { z } from 'zod'
import { incident } from '../../diagnosis/answer.ts'

/*
 * Every document of the API. The OpenAPI description, the types and the reference page derive from these schemas. Readers should accept
 * further fields, and values of `reason`, `check`, `path` and `vantage` that they do not know.
 */

export const node = z.string().describe('name of a node')
export const atMs = z.number().describe('wall clock in milliseconds since 1970')
const byKind = z.record(z.string(), z.int())
const family = z.string().optional().describe('ipv4 or ipv6; absent if the target is a name')

const sight = {
  speaker: node.optional().describe('node of the agent that speaks for the mesh; absent while none is known'),
  isSpeaking: z.boolean().describe('whether this agent is the one that speaks'),
  sees: z
    .object({
      rows: z.int().describe('agents whose evidence is at hand'),
      ready: z.int().describe('agents that are ready'),
      missing: z.array(z.object({ node, sinceMs: atMs })).readonly(),
    })
    .describe('how much of the mesh this document covers'),
}

const lost = z.object({
  sent: z.int(),
  lost: z.int().describe('of these, without an answer in time'),
  forth: z
    .int()
    .optional()
    .describe('of these, lost on the way there, where the other side counts; known with the next answer'),
  back: z.int().optional().describe('of these, lost on the way back'),
})

const cell = z
  .object({
    check: z.string(),
    family,
    state: z
      .enum(['ok', 'failing', 'waiting', 'unable'])
      .describe(
        'waiting: no current result; unable: the agent lacks a privilege or feature, which is no evidence about the link',
      ),
    sinceMs: atMs.optional().describe('wall clock at which it became ok or failing'),
    symptom: z
      .string()
      .optional()
      .describe(
        'how it fails: silent, refused, lossy, slow, jittery and so on; or remarked, where it is ok and its DSCP changes on the way',
      ),
    reason: z.string().optional(),
    phase: z.string().optional(),
    message: z.string().optional(),
    medianNs: z.number().optional().describe('median path time of the newest successes, in nanoseconds'),
    slowerNs: z.number().optional().describe('if it is slow or jittery: nanoseconds above the baseline'),
    spreadNs: z.number().optional().describe('if it is jittery: nanoseconds from the 10th to the 90th percentile'),
    loss: z
      .object({ low: z.number(), high: z.number() })
      .optional()
      .describe('if it is lossy: 95 % bounds of the proportion'),
    lost: lost.optional().describe('packets of the last ten minutes, or attempts where a check does not count packets'),
  })
  .describe('one check on one link over one address family')

/* Readers of peers' documents refuse what no honest agent has. */
const cells = z.array(cell).max(1_000).readonly()

export const links = z.object({
  takenAtMs: atMs,
  atMs: atMs.optional().describe('the past moment that was asked for; absent for the present'),
  record: z
    .object({ fromMs: atMs, toMs: atMs })
    .optional()
    .describe('the time for which `at` has an answer; absent if this agent keeps no record'),
  self: z.object({ node, name: z.string(), version: z.string() }).describe('the agent that answers'),
  ...sight,
  by: node.describe(
    'node of the agent that made this document; another one than self where this agent holds only its own row',
  ),
  nodes: z
    .array(
      z.object({
        name: node,
        zone: z.string().optional(),
        state: z
          .enum(['ready', 'missing', 'starting', 'leaving'])
          .describe('missing: its agent is ready, but its evidence is not at hand'),
      }),
    )
    .max(5_000)
    .readonly(),
  checks: z
    .array(z.object({ name: z.string(), protocol: z.string(), path: z.string(), vantage: z.string() }))
    .readonly(),
  isAbridged: z
    .boolean()
    .describe('whether the cells of links on which everything passes are left out, because the mesh is large'),
  links: z.array(z.object({ from: node, to: node, cells })).readonly(),
  others: z
    .array(z.object({ from: node, target: z.string(), kind: z.enum(['service', 'name-server', 'name']), cells }))
    .readonly()
    .describe('checks of targets other than peers'),
})

export type LinksDocument = z.output<typeof links>
export type Cell = z.output<typeof cell>

const slots = z.object({
  spanMs: z.int().min(1_000).describe('length of a slot'),
  slots: z
    .array(
      z.object({
        fromMs: atMs.describe('wall clock at which the slot starts'),
        passed: z.int(),
        failed: z.int().describe('attempts that count against the link'),
        other: z.int().describe('attempts that are no evidence about it'),
        lost: lost.optional().describe('packets, where the probe sends them itself'),
        reasons: z.array(z.string()).readonly(),
        timesNs: z
          .object({ min: z.number(), p50: z.number(), p99: z.number(), max: z.number() })
          .optional()
          .describe('path times of successes, in nanoseconds'),
      }),
    )
    .max(1_500)
    .readonly()
    .describe('slots with an attempt, oldest first'),
})

export const history = z.object({
  from: node,
  to: node.optional().describe('absent for checks of targets other than peers'),
  takenAtMs: atMs,
  missing: z.string().optional().describe('why there is no history, as one sentence; absent if there is'),
  series: z
    .array(
      z.object({
        check: z.string(),
        path: z.string(),
        vantage: z.string(),
        family,
        from: node,
        to: node.optional(),
        protocol: z.string(),
        target: z.string(),
        recent: slots.describe('ten minutes by 10 s'),
        day: slots.describe('a day by the minute'),
      }),
    )
    .readonly(),
  failures: z
    .array(
      z.object({
        atMs,
        check: z.string(),
        family,
        reason: z.string(),
        phase: z.string(),
        message: z.string(),
      }),
    )
    .readonly()
    .describe('the newest failures of each series, newest first'),
})

export type HistoryDocument = z.output<typeof history>

const shownIncident = incident
  .extend({ kind: z.literal('incident'), rivals: incident.shape.rivals.optional() })
  .describe('one incident; rivals are other causes, where the name is in doubt')

export const incidents = z.object({ ...sight, incidents: z.array(shownIncident).readonly() })

export type IncidentsDocument = z.output<typeof incidents>

export const mesh = incidents.extend({
  agents: z
    .array(
      z.object({
        kind: z.literal('agent'),
        node,
        zone: z.string().optional(),
        name: z.string(),
        namespace: z.string().optional(),
        addresses: z.array(z.string()).readonly(),
        state: z.string(),
        ok: z.boolean().describe('whether its evidence is at hand'),
      }),
    )
    .readonly(),
  links: z
    .array(
      z.object({
        kind: z.enum(['link', 'other']),
        from: node,
        to: node.optional(),
        state: z.enum(['ok', 'failing']),
        failing: z
          .array(
            z.object({
              check: z.string(),
              family,
              target: z.string(),
              reason: z.string(),
              phase: z.string().optional(),
              message: z.string().optional(),
              sinceMs: atMs,
            }),
          )
          .readonly(),
      }),
    )
    .readonly(),
})

export const self = z.object({
  takenAtMs: atMs,
  startedAtMs: atMs,
  uptimeMs: z.number(),
  ...row.pick({ self: true, isReady: true, knowledge: true, schedule: true, lateness: true, history: true }).shape,
  peers: byKind.describe('number of peers by state'),
  watchers: z.array(node).readonly().describe('the agents that hold the evidence of the whole mesh, by rank'),
  ...sight,
  abilities: z
    .array(z.object({ name: z.string(), isGranted: z.boolean(), found: z.string() }))
    .readonly()
    .describe('what this process may do, found by trial; if not granted: why, and what to change'),
  probes: z
    .array(
      z.object({
        protocol: z.string(),
        means: z.string().describe('the kind of socket that it uses'),
        clocks: z.object({ tx: z.string(), rx: z.string() }).optional(),
        obstacle: z.string().optional().describe('why it cannot run'),
        remark: z.string().optional().describe('why it cannot use better clocks'),
      }),
    )
    .readonly(),
  evidence: z.object({ sent: byKind, received: byKind }).describe('messages with evidence, by outcome'),
  console: byKind.describe('requests by outcome'),
  logLinesLost: z.int(),
})

export type SelfDocument = z.output<typeof self>

/** Data of the event `changed`. */
export const changed = z.object({
  links: z
    .string()
    .describe(
      'differs when the state of a link, its reason or the list of agents has changed, not with each measurement',
    ),
  incidents: z.string().describe('differs when an incident has changed'),
})

export type Changed = z.output<typeof changed>

export const problem = z.object({ message: z.string().describe('what is wrong and what to do, in one sentence') })

export { row as snapshot }
