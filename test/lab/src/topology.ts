import { type LabSpec, type LabSpecInput, parseLabSpec } from './spec.ts'

export type Family = 'ipv4' | 'ipv6'
/** One value for each family; which families exist in a lab is `Topology.families`. */
export type ByFamily = Readonly<Record<Family, string>>

export interface Zone {
  readonly name: string
  readonly bridge: string
  readonly subnet: ByFamily
  readonly router: ByFamily
  /** The default gateway of its nodes: it takes packets and never answers, as the world outside a cluster seems to do. */
  readonly outside: ByFamily
  /** An unused address of its network. */
  readonly unused: ByFamily
  /** The bridge's port towards the router, and the router's interface on the other end. */
  readonly routerPort: string
}

export interface Pod {
  readonly name: string
  readonly node: number
  readonly addresses: ByFamily
}

export interface Node {
  readonly name: string
  readonly number: number
  readonly zone: Zone
  readonly addresses: ByFamily
  readonly podRange: ByFamily
  readonly podGateway: ByFamily
  /** Its end of the VXLAN tunnel: the hardware address, and the address other nodes route its pods through. */
  readonly tunnel: { readonly mac: string; readonly addresses: ByFamily }
  readonly pods: readonly Pod[]
}

export interface Service {
  readonly name: string
  readonly addresses: ByFamily
  readonly port: number
  readonly targetPort: number
  readonly endpoints: readonly Pod[]
}

export interface Topology {
  readonly spec: LabSpec
  readonly families: readonly Family[]
  readonly zones: readonly Zone[]
  readonly nodes: readonly Node[]
  /** The pod that stands for each node (`pod1` on `node1`), then the name servers. */
  readonly pods: readonly Pod[]
  readonly nameServers: readonly Pod[]
  readonly services: readonly Service[]
  readonly dnsService: Service | undefined
  /** A router stands between zones, so a lab of one zone has none. */
  readonly hasRouter: boolean
  readonly podMtu: number
  /** The family VXLAN packets travel in. */
  readonly tunnelFamily: Family
}

export const underlayNamespace = 'underlay'
export const routerNamespace = 'router'
export const tunnelInterface = 'vxlan0'
export const tunnelPort = 8472
const linkMtu = 1500
/** Cluster addresses, as `kubeadm` would hand them out. */
export const dnsAddress: ByFamily = { ipv4: '10.96.0.10', ipv6: 'fd00:96::10' }
/** An unused name server address, for the first line of resolv.conf. */
export const deadDnsAddress: ByFamily = { ipv4: '10.96.0.9', ipv6: 'fd00:96::9' }
export const clusterDomain = 'cluster.local'

/** Derives every name, address and link of a lab from its description. */
export function buildTopology(input: LabSpecInput = {}): Topology {
  const spec = parseLabSpec(input)
  const families: readonly Family[] = spec.families === 'dual' ? ['ipv4', 'ipv6'] : [spec.families]
  const tunnelFamily: Family = families.includes('ipv4') ? 'ipv4' : 'ipv6'
  const zones = Array.from({ length: spec.zones }, (_, index) => buildZone(index))
  const nodes = Array.from({ length: spec.nodes }, (_, index) => buildNode(index + 1, spec, zones))
  const pods = nodes.flatMap((node) => node.pods)
  const nameServers = pods.filter((pod) => pod.name.startsWith('dns'))
  const workloads = pods.filter((pod) => pod.name.startsWith('pod'))
  return {
    spec,
    families,
    zones,
    nodes,
    pods: [...workloads, ...nameServers],
    nameServers,
    services: spec.services.map((service, index) => ({
      name: service.name,
      addresses: { ipv4: `10.96.0.${80 + index}`, ipv6: `fd00:96::${(0x80 + index).toString(16)}` },
      port: service.port,
      targetPort: service.targetPort,
      endpoints: workloads.filter((pod) => service.endpoints?.includes(pod.node) ?? true),
    })),
    dnsService:
      nameServers.length === 0
        ? undefined
        : { name: 'kube-dns', addresses: dnsAddress, port: 53, targetPort: 53, endpoints: nameServers },
    hasRouter: zones.length > 1,
    // RFC 7348 §4: outer Ethernet, IP, UDP and VXLAN headers take 50 bytes over IPv4 and 70 over IPv6.
    podMtu: spec.network === 'routed' ? linkMtu : linkMtu - (tunnelFamily === 'ipv4' ? 50 : 70),
    tunnelFamily,
  }
}

function buildZone(index: number): Zone {
  const letter = String.fromCharCode('a'.charCodeAt(0) + index)
  const hex = zoneHex(index)
  return {
    name: `zone-${letter}`,
    bridge: `bridge-${letter}`,
    subnet: { ipv4: `10.200.${index}.0/24`, ipv6: `fd00:200:${hex}::/64` },
    router: { ipv4: `10.200.${index}.1`, ipv6: `fd00:200:${hex}::1` },
    outside: { ipv4: `10.200.${index}.254`, ipv6: `fd00:200:${hex}::fe` },
    unused: { ipv4: `10.200.${index}.253`, ipv6: `fd00:200:${hex}::fd` },
    routerPort: `router-${letter}`,
  }
}

function buildNode(number: number, spec: LabSpec, zones: readonly Zone[]): Node {
  const zoneIndex = Math.floor(((number - 1) * zones.length) / spec.nodes)
  const zone = zones[zoneIndex]
  if (zone === undefined) throw new RangeError(`node ${number} falls outside ${zones.length} zones`)
  const hex = number.toString(16)
  const podAddresses = (host: number): ByFamily => ({
    ipv4: `10.244.${number}.${host}`,
    ipv6: `fd00:244:${hex}::${host}`,
  })
  // Name servers are dealt to the nodes in turn: dns1 on node1, dns2 on node2, and round again.
  const nameServers = Array.from({ length: spec.dnsReplicas }, (_, index) => index + 1).filter(
    (replica) => (replica - 1) % spec.nodes === number - 1,
  )
  return {
    name: `node${number}`,
    number,
    zone,
    addresses: {
      ipv4: `10.200.${zoneIndex}.${10 + number}`,
      ipv6: `fd00:200:${zoneHex(zoneIndex)}::${(10 + number).toString(16)}`,
    },
    podRange: { ipv4: `10.244.${number}.0/24`, ipv6: `fd00:244:${hex}::/64` },
    podGateway: podAddresses(1),
    tunnel: {
      mac: `0e:00:00:00:00:${hex.padStart(2, '0')}`,
      addresses: { ipv4: `10.244.${number}.0`, ipv6: `fd00:244:${hex}::` },
    },
    pods: [
      { name: `pod${number}`, node: number, addresses: podAddresses(10) },
      ...nameServers.map((replica, index) => ({
        name: `dns${replica}`,
        node: number,
        addresses: podAddresses(53 + index),
      })),
    ],
  }
}

/** `a` for zone-a: a group of zero would be left out of an address when it is printed. */
function zoneHex(index: number): string {
  return (10 + index).toString(16)
}
