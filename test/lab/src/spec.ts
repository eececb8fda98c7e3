import { responderPort } from '@scout/core/settings'
import { z } from 'zod'
import { parseOptions } from './options.ts'

/** The port on which pods answer, agents and the lab's own servers alike; the default port of services and faults. */
export const podPort = responderPort

/** What a lab is made of; everything else follows from it (see `topology.ts`). */
export const labSpecSchema = z.strictObject({
  nodes: z.coerce.number().int().min(1).max(200).default(3).describe('number of nodes'),
  network: z.enum(['routed', 'vxlan']).default('routed').describe('how pods of different nodes reach each other'),
  families: z.enum(['ipv4', 'ipv6', 'dual']).default('dual').describe('address families'),
  zones: z.coerce.number().int().min(1).max(26).default(1).describe('zones, a router between them'),
  dnsReplicas: z.coerce
    .number()
    .int()
    .min(0)
    .max(20)
    .default(1)
    .describe('name servers behind the cluster DNS address'),
  services: z
    .array(
      z.strictObject({
        name: z.string(),
        port: z.int().min(1).max(65535),
        targetPort: z.int().min(1).max(65535),
        /** Numbers of the pods that serve it; every pod when left out. */
        endpoints: z.array(z.int().min(1)).min(1).optional(),
      }),
    )
    .default([{ name: 'echo', port: 80, targetPort: podPort }]),
})

export type LabSpec = z.output<typeof labSpecSchema>
export type LabSpecInput = z.input<typeof labSpecSchema>

/** Fills in the defaults; throws a `usage` error that names the nearest key. */
export function parseLabSpec(input: LabSpecInput): LabSpec {
  const spec = parseOptions('the lab', labSpecSchema, input)
  // Blocks of nodes are dealt to zones, so a zone without a node cannot be reached and means a typing mistake.
  return { ...spec, zones: Math.min(spec.zones, spec.nodes) }
}
