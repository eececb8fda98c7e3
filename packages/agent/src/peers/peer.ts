import { canonicalAddress, isPrintable, responderPort, usableAddress } from '@scout/core'
import { z } from 'zod'

/** Lifecycle state of a listed peer. Failures count only while it is ready. */
export type PeerState = 'starting' | 'ready' | 'leaving'

const canonical = (text: string) => canonicalAddress(text)?.address ?? text

/** A name in labels, logs and on the page. */
export const plainName = z.string().max(253).refine(isPrintable, 'has control or format characters, which show nothing')

/** An IP address, in canonical form. */
export const ipAddress = z
  .string()
  .refine((text) => canonicalAddress(text) !== undefined, 'is not an IP address')
  .transform(canonical)

const written = (port: number, whose: string) =>
  z
    .strictObject({
      name: plainName.min(1).describe('unique in this list'),
      namespace: plainName.optional(),
      node: plainName.min(1).optional().describe('node that it runs on (default: its name)'),
      zone: plainName.optional(),
      addresses: z
        .array(usableAddress.transform(canonical))
        .min(1)
        .transform((addresses) => [...new Set(addresses)])
        .describe('addresses of one or both families'),
      port: z.int().min(1).max(65_535).default(port).describe(`port of its ${whose}`),
    })
    .transform(({ node, ...rest }) => ({ ...rest, node: node ?? rest.name }))

const listOf = (entry: ReturnType<typeof written>) =>
  z.array(entry).superRefine((entries, context) => {
    const names = new Set<string>()
    for (const [index, { name }] of entries.entries()) {
      if (names.has(name)) context.addIssue({ code: 'custom', message: 'is listed twice', path: [index, 'name'] })
      names.add(name)
    }
  })

/** A peer as users write it in a list. */
export const writtenPeer = written(responderPort, 'responder')

/** Lists of peers, and of the servers of cluster DNS, as users write them. */
export const writtenPeers = listOf(writtenPeer)
export const writtenDnsPods = listOf(written(53, 'name server'))

/** A list has no life cycle: each entry is ready, as far as the list knows, and replaced when its addresses change. */
export function listedPeer(peer: z.output<typeof writtenPeer>): Peer {
  return { ...peer, id: `${peer.name} ${peer.addresses.join(' ')} ${peer.port}`, state: 'ready', isAssumed: true }
}

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
