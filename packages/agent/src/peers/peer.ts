import { canonicalAddress, responderPort, usableAddress } from '@scout/core'
import { z } from 'zod'

/** Lifecycle state of a listed peer. Failures count only while it is ready. */
export type PeerState = 'starting' | 'ready' | 'leaving'

const canonical = (text: string) => canonicalAddress(text)?.address ?? text

/** An IP address, in canonical form. */
export const ipAddress = z
  .string()
  .refine((text) => canonicalAddress(text) !== undefined, 'is not an IP address')
  .transform(canonical)

/** A peer as users write it in a list. */
export const writtenPeer = z
  .strictObject({
    name: z.string().min(1).describe('unique among the peers'),
    namespace: z.string().optional(),
    node: z.string().min(1).optional().describe('node that it runs on (default: its name)'),
    zone: z.string().optional(),
    addresses: z
      .array(usableAddress.transform(canonical))
      .min(1)
      .transform((addresses) => [...new Set(addresses)])
      .describe('addresses of one or both families'),
    port: z.int().min(1).max(65_535).default(responderPort).describe('port of its responder'),
  })
  .transform(({ node, ...rest }) => ({ ...rest, node: node ?? rest.name }))

/** A list of peers as users write it. */
export const writtenPeers = z.array(writtenPeer).superRefine((peers, context) => {
  const names = new Set<string>()
  for (const [index, { name }] of peers.entries()) {
    if (names.has(name)) context.addIssue({ code: 'custom', message: 'is listed twice', path: [index, 'name'] })
    names.add(name)
  }
})

/** Another agent, as reported by discovery. */
export interface Peer {
  /** Changes when the peer is replaced, even under the same name (a pod's UID). */
  readonly id: string
  readonly name: string
  readonly namespace?: string | undefined
  readonly node: string
  readonly zone?: string | undefined
  readonly addresses: readonly string[]
  readonly port: number
  readonly state: PeerState
  /** Its source does not know whether it runs: a list calls every peer ready. */
  readonly isAssumed?: boolean | undefined
  /** URL of the API server's proxy to its responder, if its addresses are unreachable from here; it supports only HTTP. */
  readonly proxy?: string | undefined
}
