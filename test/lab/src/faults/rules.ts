import { type Family, type Node, type Pod, type Topology, tunnelPort, underlayNamespace } from '../topology.ts'
import type { Change, Hook, Pulse } from './fault.ts'
import { addressesOf, type Flow, type Pair, selectFlows, type Vantage } from './selection.ts'

export const ip: Readonly<Record<Family, 'ip' | 'ip6'>> = { ipv4: 'ip', ipv6: 'ip6' }

/** Where a node's packets are taken: before connection tracking sees them, after it, before fragments are joined. */
export const arriving: readonly Hook[] = [{ hook: 'prerouting', priority: -300 }]
export const tracked: readonly Hook[] = [{ hook: 'prerouting', priority: -150 }]
export const unjoined: readonly Hook[] = [{ hook: 'prerouting', priority: -450 }]
/** Where a node hands packets to its pods and to itself: a filter that answers belongs here. */
export const delivering: readonly Hook[] = [
  { hook: 'forward', priority: -5 },
  { hook: 'input', priority: -5 },
]

/** `match`, counted as a hit, then `verdict`. */
export function hit(match: string, verdict = ''): string {
  return `${match} counter name hits ${verdict}`.trim()
}

export function chance(percentage: number): string {
  return percentage >= 100 ? '' : `numgen random mod 10000 < ${Math.round(percentage * 100)}`
}

export type Protocol = 'any' | 'icmp' | 'tcp' | 'udp'

/** The match for a protocol, and for a destination port unless it is 0. */
export function protocolMatch(protocol: Protocol, family: Family, port = 0): string {
  if (protocol === 'icmp') return `meta l4proto ${family === 'ipv4' ? 'icmp' : 'ipv6-icmp'}`
  if (protocol === 'any') return port === 0 ? '' : `th dport ${port}`
  return port === 0 ? `meta l4proto ${protocol}` : `${protocol} dport ${port}`
}

export interface NodeRules {
  readonly vantage?: Vantage
  readonly hooks?: readonly Hook[]
  readonly families?: readonly Family[]
  readonly sets?: readonly string[]
  readonly pulse?: Pulse
  /** The rules for packets that fit `match`. */
  readonly rules: (match: string, family: Family) => readonly string[]
}

/**
 * Rules at the nodes packets arrive at, where those of a VXLAN network are out of the tunnel: one place for pods and
 * nodes, routed and tunnelled. The tunnel's own packets pass, and so does neighbour discovery, as ARP does.
 */
export function atDestination(topology: Topology, pair: Pair, options: NodeRules): readonly Change[] {
  const { vantage = 'both', hooks = arriving, families = topology.families, sets = [], pulse, rules } = options
  return selectFlows(topology, pair).map((flow) => ({
    kind: 'table',
    namespace: flow.destination.name,
    table: {
      family: 'inet',
      hooks,
      sets,
      pulse,
      rules: [
        ...(topology.spec.network === 'vxlan' ? [`udp dport ${tunnelPort} return`] : []),
        ...neighbourDiscovery(families),
        ...families
          .filter((family) => topology.families.includes(family))
          .flatMap((family) => rules(flowMatch(flow, family, vantage), family)),
      ],
    },
  }))
}

/** Rules in the underlay, on the last link to the destination. A VXLAN network shows its outer packets here. */
export function inUnderlay(
  topology: Topology,
  pair: Pair,
  rules: (match: string, family: Family) => readonly string[],
): readonly Change[] {
  return [
    {
      kind: 'table',
      namespace: underlayNamespace,
      table: {
        family: 'bridge',
        hooks: [{ hook: 'forward', priority: 0 }],
        rules: [
          ...neighbourDiscovery(topology.families),
          ...selectFlows(topology, pair).flatMap(({ sources, destination }) =>
            topology.families.flatMap((family) =>
              rules(
                `oifname "${destination.name}" ${ip[family]} saddr ${addressesOf(sources, family, 'both')}`,
                family,
              ),
            ),
          ),
        ],
      },
    },
  ]
}

/** Returns rules for everything delivered to a pod, from any sender. */
export function toPod(
  topology: Topology,
  pod: Pod,
  rules: (match: string, family: Family) => readonly string[],
): Change {
  return {
    kind: 'table',
    namespace: `node${pod.node}`,
    table: {
      family: 'inet',
      hooks: [
        { hook: 'forward', priority: -5 },
        { hook: 'output', priority: -5 },
      ],
      rules: topology.families.flatMap((family) => rules(`${ip[family]} daddr ${pod.addresses[family]}`, family)),
    },
  }
}

export function tableAt(place: Node | Pod, hooks: readonly Hook[], rules: readonly string[]): Change {
  return { kind: 'table', namespace: place.name, table: { family: 'inet', hooks, rules } }
}

function flowMatch({ sources, destination }: Flow, family: Family, vantage: Vantage): string {
  const from = addressesOf(sources, family, vantage)
  return `${ip[family]} saddr ${from} ${ip[family]} daddr ${addressesOf([destination], family, vantage)}`
}

function neighbourDiscovery(families: readonly Family[]): readonly string[] {
  return families.includes('ipv6') ? ['icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return'] : []
}
