import {
  type Family,
  type Node,
  type Pod,
  routerNamespace,
  type Topology,
  tunnelInterface,
  tunnelPort,
  underlayNamespace,
} from '../topology.ts'
import { compileServices } from './services.ts'
import { type NamespacePlan, step } from './step.ts'

/** The hardware address of each zone's silent default gateway: no interface has it, so packets to it are lost. */
const outsideMac = '02:00:00:00:00:fe'
// Without this veths hand TCP over in packets of up to 64 KiB, and faults by size or by chance hit the wrong thing.
const link = 'gso_max_segs 1'

/** `ip -batch` text that makes every namespace and every link, each end created where it belongs. */
export function compileLinks(topology: Topology): string {
  const namespaces = [
    underlayNamespace,
    ...(topology.hasRouter ? [routerNamespace] : []),
    ...topology.nodes.map((node) => node.name),
    ...topology.pods.map((pod) => pod.name),
  ]
  const routers = topology.hasRouter ? topology.zones : []
  return [
    ...namespaces.map((name) => `netns add ${name}`),
    ...topology.nodes.map(({ name }) => veth([name, underlayNamespace], ['eth0', name])),
    ...routers.map((zone) => veth([zone.routerPort, underlayNamespace], [zone.name, routerNamespace])),
    ...topology.pods.map((pod) => veth([pod.name, `node${pod.node}`], ['eth0', pod.name])),
    '',
  ].join('\n')
}

/**
 * What to apply inside each namespace once the links are there. Plans of one group do not depend on each other; of every
 * link the second end comes up in a later group than the first.
 */
export function compileNamespaces(topology: Topology): readonly (readonly NamespacePlan[])[] {
  const routers = topology.hasRouter ? [compileRouter(topology)] : []
  return [
    [compileUnderlay(topology)],
    [...routers, ...topology.nodes.map((node) => compileNode(topology, node))],
    topology.pods.map((pod) => compilePod(topology, pod)),
  ]
}

/**
 * Shell scripts that wait, side by side, until every link carries packets. When the second end of a link comes up, the kernel
 * starts the first one's queue and the bridge's port from a work item of its own (linux/net/core/link_watch.c), which may have
 * to wait for its lock; until then packets are lost, and with them the first second of every neighbour. So it is the
 * first ends that are looked at: those of the underlay and of the nodes.
 */
export function compileWaits({ nodes }: Topology, count: number): readonly string[] {
  const namespaces = [underlayNamespace, ...nodes.map((node) => node.name)]
  const hands = Array.from({ length: count }, (_, hand) => namespaces.filter((_name, index) => index % count === hand))
  return hands.filter((names) => names.length > 0).map(waitScript)
}

function waitScript(namespaces: readonly string[]): string {
  return [
    `for name in ${namespaces.join(' ')}; do`,
    '  tries=0',
    '  while ip -n "$name" -o link show up | grep -qE "state (DOWN|LOWERLAYERDOWN)"; do',
    '    tries=$((tries + 1))',
    '    [ $tries -lt 1000 ] || { echo "links of $name stay down" >&2; exit 1; }',
    '    sleep 0.01',
    '  done',
    'done',
    '',
  ].join('\n')
}

function veth([name, namespace]: readonly [string, string], [peer, peerNamespace]: readonly [string, string]): string {
  return `link add name ${name} netns ${namespace} type veth peer name ${peer} netns ${peerNamespace}`
}

function compileUnderlay({ families, zones, nodes, hasRouter }: Topology): NamespacePlan {
  const ports = [
    ...nodes.map((node) => ({ port: node.name, zone: node.zone })),
    ...(hasRouter ? zones.map((zone) => ({ port: zone.routerPort, zone })) : []),
  ]
  return {
    namespace: underlayNamespace,
    steps: [
      // A switch has no addresses; these would only add their own chatter to what is to be observed.
      ...step(
        'sysctl',
        families.includes('ipv6') ? ['net/ipv6/conf/all/disable_ipv6 1', 'net/ipv6/conf/default/disable_ipv6 1'] : [],
      ),
      ...step('ip', [
        // Snooping would hold back neighbour solicitations until a querier is elected, which here is never.
        ...zones.map(({ bridge }) => `link add ${bridge} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`),
        ...zones.map(({ bridge }) => `link set ${bridge} up`),
        ...ports.map(({ port, zone }) => `link set ${port} master ${zone.bridge} up ${link}`),
      ]),
    ],
  }
}

function compileRouter({ families, zones, nodes, spec }: Topology): NamespacePlan {
  const routes = spec.network === 'routed' ? nodes : []
  return {
    namespace: routerNamespace,
    steps: [
      ...step(
        'sysctl',
        forwardingSysctls(
          families,
          zones.map((zone) => zone.name),
        ),
      ),
      ...step('ip', [
        'link set lo up',
        ...zones.map((zone) => `link set ${zone.name} up ${link}`),
        ...each(families, zones, (family, zone) =>
          address(family, `${zone.router[family]}${bits[family].subnet}`, zone.name),
        ),
        ...each(families, routes, (family, node) => `route add ${node.podRange[family]} via ${node.addresses[family]}`),
      ]),
    ],
  }
}

function compileNode(topology: Topology, node: Node): NamespacePlan {
  const { families, spec, zones, nodes, podMtu } = topology
  const others = nodes.filter((other) => other !== node)
  const otherZones = zones.filter((zone) => zone !== node.zone)
  return {
    namespace: node.name,
    steps: [
      ...step('sysctl', forwardingSysctls(families, ['eth0', ...node.pods.map((pod) => pod.name)])),
      ...step('ip', [
        'link set lo up',
        `link set eth0 up ${link}`,
        ...families.map((family) => address(family, `${node.addresses[family]}${bits[family].subnet}`, 'eth0')),
        ...families.map(
          (family) => `neigh add ${node.zone.outside[family]} lladdr ${outsideMac} dev eth0 nud permanent`,
        ),
        ...families.map((family) => `route add default via ${node.zone.outside[family]} dev eth0`),
        ...each(
          families,
          otherZones,
          (family, zone) => `route add ${zone.subnet[family]} via ${node.zone.router[family]}`,
        ),
        ...node.pods.map((pod) => `link set ${pod.name} mtu ${podMtu} up ${link}`),
        ...each(families, node.pods, (family, pod) =>
          address(family, `${node.podGateway[family]}${bits[family].host}`, pod.name),
        ),
        ...each(families, node.pods, (family, pod) => `route add ${pod.addresses[family]} dev ${pod.name}`),
        ...(spec.network === 'routed'
          ? each(families, others, (family, other) => `route add ${podRoute(node, other, family)}`)
          : tunnel(topology, node, others)),
      ]),
      ...step(
        'bridge',
        spec.network === 'routed' ? [] : others.map((other) => `fdb append ${tunnelEntry(topology, other)}`),
      ),
      ...step(
        'nft',
        [compileServices(topology, node)].filter((text) => text !== ''),
      ),
    ],
  }
}

/** The route of a node to another node's pods in a routed pod network. */
export function podRoute(node: Node, other: Node, family: Family): string {
  const via = node.zone === other.zone ? other.addresses[family] : node.zone.router[family]
  return `${other.podRange[family]} via ${via}`
}

/** The forwarding entry of a node for another node's end of the tunnel. */
function tunnelEntry({ tunnelFamily }: Topology, other: Node): string {
  return `${other.tunnel.mac} dev ${tunnelInterface} dst ${other.addresses[tunnelFamily]}`
}

function tunnel({ families, tunnelFamily, podMtu }: Topology, node: Node, others: readonly Node[]): readonly string[] {
  // Not bound to a device: the kernel would then refuse the MTU that is too large, which is a fault of the catalogue.
  const local = `local ${node.addresses[tunnelFamily]} dstport ${tunnelPort} nolearning`
  return [
    `link add ${tunnelInterface} mtu ${podMtu} address ${node.tunnel.mac} type vxlan id 1 ${local}`,
    `link set ${tunnelInterface} up ${link}`,
    ...families.map((family) =>
      address(family, `${node.tunnel.addresses[family]}${bits[family].host}`, tunnelInterface),
    ),
    ...each(
      families,
      others,
      (family, other) =>
        `neigh add ${other.tunnel.addresses[family]} lladdr ${other.tunnel.mac} dev ${tunnelInterface} nud permanent`,
    ),
    ...each(
      families,
      others,
      (family, other) =>
        `route add ${other.podRange[family]} via ${other.tunnel.addresses[family]} dev ${tunnelInterface} onlink`,
    ),
  ]
}

function compilePod({ families, nodes, podMtu }: Topology, pod: Pod): NamespacePlan {
  const node = nodes[pod.node - 1]
  if (node === undefined) throw new RangeError(`${pod.name} is on node ${pod.node}, which does not exist`)
  return {
    namespace: pod.name,
    steps: [
      ...step('sysctl', hostSysctls(families, ['eth0'])),
      ...step('ip', [
        'link set lo up',
        `link set eth0 mtu ${podMtu} up ${link}`,
        ...families.map((family) => address(family, `${pod.addresses[family]}${bits[family].host}`, 'eth0')),
        ...families.map((family) => `route add default via ${node.podGateway[family]} dev eth0 onlink`),
      ]),
    ],
  }
}

/** Settings of a namespace that routes for others. */
function forwardingSysctls(families: readonly Family[], interfaces: readonly string[]): readonly string[] {
  return [
    'net/ipv4/ip_forward 1',
    // A packet that leaves by the way it came is how faults of routing look; real gateways do not correct them either.
    ...interfaces.map((name) => `net/ipv4/conf/${name}/send_redirects 0`),
    'net/ipv4/conf/all/send_redirects 0',
    ...(families.includes('ipv6') ? ['net/ipv6/conf/all/forwarding 1'] : []),
    ...hostSysctls(families, interfaces),
  ]
}

function hostSysctls(families: readonly Family[], interfaces: readonly string[]): readonly string[] {
  const scopes = ['all', 'default', ...interfaces]
  return [
    // Inside a user namespace only its own groups may be named, and there is one: 0.
    'net/ipv4/ping_group_range 0 0',
    // The limit is per destination, so of several simultaneous probes only the first would receive the error.
    'net/ipv4/icmp_ratelimit 0',
    ...scopes.map((scope) => `net/ipv4/conf/${scope}/rp_filter 0`),
    ...scopes.map((scope) => `net/ipv4/conf/${scope}/accept_redirects 0`),
    ...(families.includes('ipv6')
      ? [
          'net/ipv6/icmp/ratelimit 0',
          // Duplicate address detection would keep every address unusable for its first second (RFC 4862 §5.4).
          ...scopes.map((scope) => `net/ipv6/conf/${scope}/accept_dad 0`),
          ...scopes.map((scope) => `net/ipv6/conf/${scope}/accept_redirects 0`),
        ]
      : []),
  ]
}

const bits: Readonly<Record<Family, { readonly host: string; readonly subnet: string }>> = {
  ipv4: { host: '/32', subnet: '/24' },
  ipv6: { host: '/128', subnet: '/64' },
}

function address(family: Family, prefix: string, device: string): string {
  return `addr add ${prefix} dev ${device}${family === 'ipv6' ? ' nodad' : ''}`
}

function each<T>(families: readonly Family[], items: readonly T[], line: (family: Family, item: T) => string) {
  return families.flatMap((family) => items.map((item) => line(family, item)))
}
