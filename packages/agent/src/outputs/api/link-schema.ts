import { row } from '@scout/core'
import { z } from 'zod'
import { atMs, node } from './schemas.ts'

/* The document about one link: what its own agent has of it. */

const hop = z.object({
  hop: z.int().describe('TTL or hop limit'),
  sent: z.int(),
  returned: z.int(),
  from: z
    .array(z.object({ address: z.string(), isTarget: z.boolean(), medianNs: z.number() }))
    .max(8)
    .readonly()
    .describe('who answered; several if the way changed'),
})

const limit = z.object({ passes: z.int(), fails: z.int().optional() })

/** What is known of a proof that this version does not know, or that says it in another way, is in `says` alone. */
const proofValues = z
  .object({
    pathMtu: z.int().describe('mtu: bytes of the largest IP packet that passes both ways'),
    interfaceMtu: z.int().describe('mtu: bytes of the largest that the interface sends'),
    forward: limit.describe('mtu: bytes that pass on the way there, and that do not'),
    back: limit,
    sent: z.int().describe('flows: packets of all flows'),
    lost: z.int(),
    failing: z.array(z.string()).max(256).readonly().describe('flows: names of those that are lost by a broken path'),
    flows: z
      .array(z.object({ name: z.string(), sent: z.int(), lost: z.int() }))
      .max(256)
      .readonly(),
    transport: z.string().describe('trace: what its packets were'),
    ways: z
      .array(
        z.object({ sourcePort: z.int().optional(), isReached: z.boolean(), hops: z.array(hop).max(64).readonly() }),
      )
      .max(16)
      .readonly()
      .describe('trace: a way for each flow'),
  })
  .partial()
  .catch({})

const { series, collected } = row.shape

export const link = z.object({
  takenAtMs: atMs,
  from: node,
  to: node.optional().describe('absent if results of all targets were asked for'),
  missing: z.string().optional().describe('why nothing is known, as one sentence; absent if something is'),
  series: series.unwrap().max(5_000).readonly(),
  collected: z
    .array(collected.unwrap().unwrap().element.extend({ values: proofValues }))
    .max(100)
    .readonly()
    .describe('what the agent has collected for incidents of its links, oldest first'),
})

export type LinkDocument = z.output<typeof link>
