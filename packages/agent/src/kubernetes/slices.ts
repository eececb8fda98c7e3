import { isIP } from 'node:net'
import { splitZone, usableAddressOf } from '@scout/core'
import { z } from 'zod'
import { type Peer, type PeerState, plainName } from '../peers/peer.ts'

/** An entry of a list that does not have its documented form. */
interface Invalid {
  readonly invalid: string
}

/** Reads each entry of a list on its own, so that an invalid one does not hide the others. */
function eachOf<Entry extends object>(entry: z.ZodType<Entry>) {
  const read = (value: unknown): Entry | Invalid => {
    const { data, error } = entry.safeParse(value)
    if (data !== undefined) return data
    const [issue] = error?.issues ?? []
    return { invalid: `${issue?.path.join('.')}: ${issue?.message}` }
  }
  return z
    .array(z.unknown().transform(read))
    .nullish()
    .transform((entries) => entries ?? [])
}

const sliceEndpoint = z.object({
  addresses: z.array(z.string()),
  conditions: z
    .object({
      ready: z.boolean().nullish(),
      serving: z.boolean().nullish(),
      terminating: z.boolean().nullish(),
    })
    .nullish(),
  nodeName: plainName.nullish(),
  zone: plainName.nullish(),
  targetRef: z.object({ name: plainName.nullish(), uid: z.string().nullish() }).nullish(),
})

const slicePort = z.object({ name: z.string().nullish(), port: z.int().min(1).max(65_535).nullish() })

/** The part of an EndpointSlice that is used here (discovery.k8s.io/v1); absent fields mean what its documentation says. */
export const slice = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  ports: eachOf(slicePort),
  endpoints: eachOf(sliceEndpoint),
})

export type Slice = z.output<typeof slice>
type SliceEndpoint = z.output<typeof sliceEndpoint>

export interface SlicePeers {
  readonly peers: readonly Peer[]
  /** Sentences about what was ignored. */
  readonly oddities: readonly string[]
}

interface SlicePeersOptions {
  /** Name of the responder's port in the Service. */
  readonly portName: string
  /** Port of slices without a port of that name. */
  readonly otherwisePort: number
}

/**
 * Returns the pods of the slices of one Service. A pod has an endpoint in one slice for each of its address families, and briefly in
 * two slices of one family while it moves between them; they share its UID.
 */
export function peersOf(slices: Iterable<Slice>, options: SlicePeersOptions): SlicePeers {
  const peers = new Map<string, Peer>()
  const oddities: string[] = []
  const inOrder = [...slices].toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  for (const slice of inOrder) {
    const about = `endpoint slice ${slice.metadata.name} has`
    for (const { invalid } of slice.ports.filter(isInvalid))
      oddities.push(`${about} an invalid port (${invalid}): ignored`)
    for (const endpoint of slice.endpoints) {
      if (isInvalid(endpoint)) {
        oddities.push(`${about} an invalid endpoint (${endpoint.invalid}): ignored`)
        continue
      }
      const found = peerOf(slice, endpoint, options)
      for (const address of endpoint.addresses.filter((text) => addressOf(text) === undefined))
        oddities.push(`${about} the invalid address "${address}" for ${found.name}: ignored`)
      const known = peers.get(found.id)
      peers.set(found.id, known === undefined ? found : merged(known, found))
    }
  }
  return { peers: [...peers.values()].map(settled), oddities }
}

function isInvalid(entry: object): entry is Invalid {
  return 'invalid' in entry
}

function peerOf(
  { metadata, ports }: Slice,
  endpoint: SliceEndpoint,
  { portName, otherwisePort }: SlicePeersOptions,
): Peer {
  const { targetRef, nodeName, zone, addresses } = endpoint
  const name = targetRef?.name ?? addresses[0] ?? 'unnamed'
  return {
    id: targetRef?.uid ?? name,
    name,
    namespace: metadata.namespace,
    node: nodeName ?? name,
    zone: zone ?? undefined,
    addresses: addresses.flatMap((text) => addressOf(text) ?? []),
    port:
      ports.flatMap((port) => (isInvalid(port) || port.name !== portName ? [] : (port.port ?? [])))[0] ?? otherwisePort,
    state: stateOf(endpoint),
  }
}

/** Returns a usable address, which has no zone: that would be an interface of another host. */
function addressOf(text: string): string | undefined {
  return splitZone(text).zone === undefined ? usableAddressOf(text)?.address : undefined
}

/** `ready` is always true where not-ready addresses are published; `serving` is the pod's own readiness. */
function stateOf({ conditions }: SliceEndpoint): PeerState {
  if (conditions?.terminating === true) return 'leaving'
  return (conditions?.serving ?? conditions?.ready ?? true) ? 'ready' : 'starting'
}

/** The slices of a pod change one after the other: the state that is furthest from ready counts. */
function merged(a: Peer, b: Peer): Peer {
  const states = [a.state, b.state]
  const state =
    (['leaving', 'starting', 'ready'] as const).find((candidate) => states.includes(candidate)) ?? 'starting'
  return { ...a, zone: a.zone ?? b.zone, addresses: [...a.addresses, ...b.addresses], state }
}

/** Sorts the addresses: slices have random names, so the same addresses in another order are no change. */
function settled(peer: Peer): Peer {
  const addresses = inOrder([...new Set(peer.addresses)])
  // A pod without an address cannot be probed, so it cannot fail.
  return { ...peer, addresses, state: addresses.length === 0 && peer.state === 'ready' ? 'starting' : peer.state }
}

/** IPv4 first. */
export function inOrder(addresses: readonly string[]): readonly string[] {
  return addresses.toSorted((a, b) => isIP(a) - isIP(b) || (a < b ? -1 : 1))
}
