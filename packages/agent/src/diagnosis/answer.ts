import { type Incident, printable } from '@scout/core'
import { z } from 'zod'
import { textUpTo, wallMs, word } from './words.ts'

/** An incident as agents exchange and show it. */
export type ShownIncident = Omit<Incident, 'weights'>

const text = textUpTo(2_000)
const nodes = z.array(word).max(1_024).readonly()

export const incident = z.object({
  id: word,
  cause: word,
  scope: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('link'), from: word, to: word }),
    z.object({ kind: z.literal('node'), node: word }),
    z.object({ kind: z.literal('node-side'), node: word, side: z.enum(['in', 'out']) }),
    z.object({ kind: z.literal('node-group'), nodes }),
    z.object({ kind: z.literal('zone-pair'), zones: nodes }),
    z.object({ kind: z.literal('service'), name: word }),
    z.object({ kind: z.literal('name-server'), address: word }),
    z.object({ kind: z.literal('cluster') }),
    z.object({ kind: z.literal('prober'), node: word }),
  ]),
  direction: z.enum(['forward', 'return', 'both', 'none']),
  state: z.enum(['transient', 'open', 'closed']),
  severity: z.enum(['critical', 'warning', 'informational']),
  confidence: z.number(),
  openedAtMs: wallMs,
  closedAtMs: wallMs.optional(),
  summary: text,
  evidence: z.array(text).max(64).readonly(),
  ruledOut: z
    .array(z.object({ cause: word, because: text }))
    .max(64)
    .readonly(),
  rivals: z
    .array(z.object({ cause: word, confidence: z.number(), separatedBy: text }))
    .max(64)
    .readonly(),
  next: text,
})

/** Incidents that a watcher publishes at most, open and closed. */
export const mostIncidents = 96

const answer = z.discriminatedUnion('accepted', [
  z.object({ accepted: z.literal(false), because: z.string() }),
  z.object({
    accepted: z.literal(true),
    /** The watcher lacks the base of this message. */
    needsBase: z.boolean(),
    /** How many rows it holds, with its own. */
    rows: z.int(),
    speaks: z.boolean(),
    /** Version of its incidents, and these if the sender has another one. */
    version: word,
    /** Differs when the states of links have changed, as the watcher sees them. */
    changes: word.optional(),
    incidents: z.array(incident).max(mostIncidents).readonly().optional(),
  }),
])

/** What a watcher answers to evidence. */
export type Answer = z.output<typeof answer>

/** Returns an answer; undefined if it is malformed. */
export function parseAnswer(text: string): Answer | undefined {
  try {
    return answer.safeParse(JSON.parse(text)).data
  } catch {
    return undefined // not JSON: as malformed as the rest
  }
}

const mostShown = 64

/** Returns an incident without what only its own watcher needs, and with lists and texts of limited length. */
export function shownIncident({ weights: _, ...incident }: Incident): ShownIncident {
  const cut = (text: string) => printable(text).slice(0, 1_000)
  return {
    ...incident,
    summary: cut(incident.summary),
    next: cut(incident.next),
    evidence: incident.evidence.slice(0, mostShown).map(cut),
    ruledOut: incident.ruledOut.slice(0, mostShown).map((one) => ({ ...one, because: cut(one.because) })),
    rivals: incident.rivals.slice(0, mostShown).map((one) => ({ ...one, separatedBy: cut(one.separatedBy) })),
  }
}
