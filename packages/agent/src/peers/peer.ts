import { isIP } from 'node:net'
import { responderPort } from '@scout/core'
import { z } from 'zod'

/** Where a peer is in its life; one that is gone is in no list. Failures count only while it is ready. */
export type PeerState = 'starting' | 'ready' | 'leaving'

export const ipAddress = z.string().refine((text) => isIP(text) !== 0, 'is not an IP address')

/** A peer as a person writes it in a list. */
export const writtenPeer = z
  .strictObject({
    name: z.string().min(1).describe('unique among the peers'),
    namespace: z.string().optional(),
    node: z.string().min(1).optional().describe('the node it runs on (default: its name)'),
    zone: z.string().optional(),
    addresses: z.array(ipAddress).min(1).describe('of both families'),
    port: z.int().min(1).max(65_535).default(responderPort).describe('of its responder'),
  })
  .transform(({ node, ...rest }) => ({ ...rest, node: node ?? rest.name }))

/** A list of peers as a person writes it. */
export const writtenPeers = z.array(writtenPeer).superRefine((peers, context) => {
  const names = new Set<string>()
  for (const [index, { name }] of peers.entries()) {
    if (names.has(name)) context.addIssue({ code: 'custom', message: 'is listed twice', path: [index, 'name'] })
    names.add(name)
  }
})

/** Another agent, as discovery knows it. */
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
  /** URL of the API server's proxy to its responder, where its addresses cannot be reached from here; it carries only HTTP. */
  readonly proxy?: string | undefined
}
