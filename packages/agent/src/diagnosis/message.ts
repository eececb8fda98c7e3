import { type Arrival, type Aspect, type Collected, isFailureReason, type Known, symptoms } from '@scout/core'
import { z } from 'zod'
import { textUpTo, wallMs, word } from './words.ts'

/*
 * What an agent sends to a watcher. Links on which everything passes are most of its row: they are sent in short, as the base of later
 * messages, once a minute and when they change. Facts about the other links are in every message.
 */

/** Responder path for evidence. */
export const evidencePath = '/evidence'

/** Largest message that is accepted. */
export const mostMessageBytes = 512 << 10

/** Most facts in a message, their bytes, and most links in its base. What is beyond counts as unknown. */
export const mostFacts = 1_024
export const mostFactBytes = 320 << 10
export const mostLinks = 4_096

/** How much of what an agent has collected it keeps and sends, the newest. */
export const mostCollected = 32

const text = textUpTo(1_000)
const count = z.int().min(0)
const durationNs = z.number().min(0)

const end = z.object({ kind: z.enum(['node', 'name-server', 'service']), name: word })

const proportion = z.number().min(0).max(1)
const interval = { low: proportion, high: proportion }
const share = z
  .object({ lost: count, of: count, ...interval })
  .refine(({ lost, of }) => lost <= of, 'more lost than there were')

const aspect = {
  check: word,
  protocol: word,
  bytes: count.optional(),
  path: word,
  vantage: word,
  family: word.optional(),
  direction: z.enum(['forward', 'return']).optional(),
  socket: z.enum(['kept', 'idle']).optional(),
  server: word.optional(),
}

const dscp = z.int().min(0).max(63)

/** Of packets or attempts. */
const affected = z.object({ ...interval, forth: share.optional(), back: share.optional() })

/** A fact without the node it was measured from, which is that of the sender. */
const fact = z.object({
  ...aspect,
  to: end,
  target: text,
  symptom: z.enum(symptoms),
  sinceMs: wallMs,
  trials: count,
  lastMs: wallMs,
  medianNs: durationNs.optional(),
  loss: affected.optional(),
  odd: affected.optional(),
  dscp: z.object({ sent: dscp, seen: dscp }).optional(),
  slowerNs: durationNs.optional(),
  spread: z.object({ nowNs: durationNs, usualNs: durationNs }).optional(),
  // A newer agent may have reasons that this version does not know.
  reason: word.optional().transform((reason) => (reason !== undefined && isFailureReason(reason) ? reason : undefined)),
  phase: word.optional(),
  code: word.optional(),
  icmpFrom: word.optional(),
  message: text.optional(),
} satisfies Readonly<Record<keyof Omit<Aspect & Known, 'from'>, z.ZodType>>)

/** Links on which everything passes. */
const base = z.object({
  aspects: z.array(z.object(aspect)).max(256).readonly(),
  /** Each with the places of its aspects in that list, and the attempts and median time of each; 0 if it has none. */
  links: z
    .array(
      z.object({
        to: end,
        of: z.array(count).max(256).readonly(),
        trials: z.array(count).max(256).readonly(),
        mediansNs: z.array(durationNs).max(256).readonly().optional(),
      }),
    )
    .max(mostLinks)
    .readonly(),
})

/** What its sender has collected about one of its links. */
const collected = z.object({
  to: word,
  proof: word,
  family: word.optional(),
  says: text,
  shows: z.enum(symptoms).optional(),
  packets: count,
  atMs: wallMs,
} satisfies Readonly<Record<keyof Omit<Collected, 'from'>, z.ZodType>>)

/** What arrives at the sender from one of the nodes of `facts`. */
const arrival = z.object({
  from: word,
  family: word,
  lastMs: wallMs,
} satisfies Readonly<Record<keyof Omit<Arrival, 'at' | 'asOfMs'>, z.ZodType>>)

const message = z.object({
  from: z.object({ name: word, namespace: word.optional(), process: word, startedAtMs: wallMs }),
  /** Increases with each message of a process. */
  sequence: count,
  takenAtMs: wallMs,
  /** Time until the next message, at most. */
  nextMs: z.number().min(0).max(600_000),
  node: z.object({
    name: word,
    zone: word.optional(),
    isStarved: z.boolean(),
    isOverlay: z.boolean().optional(),
  }),
  /** Number of the base that the message continues. */
  baseId: count,
  base: base.optional(),
  /** Facts about links that are not as in the base. Those of a newer agent that this version cannot read are left out. */
  facts: z
    .array(z.unknown())
    .max(mostFacts)
    .transform((facts) => facts.flatMap((one) => fact.safeParse(one).data ?? [])),
  /** Other links that are not as in the base, about which the message has no room for facts. */
  unknown: z.array(end).max(mostLinks).readonly(),
  /** What it has collected to prove incidents. Older agents collect nothing. */
  collected: z
    .array(z.unknown())
    .max(mostCollected)
    .transform((all) => all.flatMap((one) => collected.safeParse(one).data ?? []))
    .default([]),
  /** Older agents report none. */
  arrivals: z.array(arrival).max(mostFacts).readonly().default([]),
  /** Version of the incidents that the sender has from this watcher. */
  seen: word.optional(),
})

export type Message = z.output<typeof message>
export type Base = z.output<typeof base>
/** A fact as sent. */
export type SentFact = z.output<typeof fact>

/** Returns a message; undefined if it is malformed. */
export function parseMessage(text: string): Message | undefined {
  try {
    return message.safeParse(JSON.parse(text)).data
  } catch {
    return undefined // not JSON: as malformed as the rest
  }
}

/** Returns what is signed of a message, which names its sender, process and sequence. */
export function signedText(body: string): string {
  return `evidence\n${body}`
}
