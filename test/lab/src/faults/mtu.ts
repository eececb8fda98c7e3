import { z } from 'zod'
import { podRoute } from '../compile/network.ts'
import { type Topology, tunnelInterface } from '../topology.ts'
import { between, bytes, type Change, defineFault, selector, vantage } from './fault.ts'
import { atDestination, hit, inUnderlay, tableAt, unjoined } from './rules.ts'
import { selectFlows } from './selection.ts'
import { linkMtuOf, route } from './settings.ts'

const mtuBlackhole = defineFault({
  name: 'mtu-blackhole',
  summary: 'packets above a size vanish between nodes, and nobody says so',
  signature: 'small pings, connects and small answers work; big ones hang',
  parameters: z.strictObject({ ...between('both'), size: bytes(1400, 'largest IP packet that passes the underlay') }),
  changes: (topology, parameters) =>
    inUnderlay(topology, parameters, (match) => [hit(`${match} meta length > ${parameters.size}`, 'drop')]),
})

const routeParameters = z.strictObject({
  from: selector('1'),
  to: selector('2'),
  size: bytes(1300, 'MTU of the path'),
})

const tooBig = ['icmp type destination-unreachable icmp code frag-needed', 'icmpv6 type packet-too-big'] as const

const pathMtu = defineFault({
  name: 'path-mtu',
  summary: 'the path takes smaller packets, and says so as it should',
  signature: 'a ping with DF says "Frag needed" with the MTU; TCP works; a UDP packet that is too big is lost once',
  parameters: routeParameters,
  changes: (topology, { from, to, size }) => smallerRoutes(topology, { from, to, size }, ''),
})

const fragNeededFiltered = defineFault({
  name: 'frag-needed-filtered',
  summary: 'the path takes smaller packets, and its "fragmentation needed" is filtered',
  signature: 'small packets work; packets with DF and big HTTP answers hang; over IPv4 fragmented UDP still arrives',
  parameters: routeParameters,
  changes: (topology, { from, to, size }) => smallerRoutes(topology, { from, to, size }, 'drop'),
})

const fragmentsDropped = defineFault({
  name: 'fragments-dropped',
  summary: 'IP fragments are dropped',
  signature: 'everything that fits one packet works; fragmented UDP and ping are silent',
  parameters: z.strictObject({ ...between('both'), vantage: vantage('both') }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      hooks: unjoined,
      rules: (match, family) => [hit(`${match} ${fragment[family]}`, 'drop')],
    }),
})

const vxlanMtu = defineFault({
  name: 'vxlan-mtu',
  summary: 'the overlay believes in a larger MTU than fits the tunnel, and the underlay drops fragments',
  signature: 'pods: small packets work, big HTTP hangs; node to node everything works',
  needs: { network: 'vxlan' },
  parameters: z.strictObject({
    from: selector('1'),
    to: selector('2'),
    size: bytes(1500, 'MTU the overlay believes in'),
  }),
  changes: (topology, { from, to, size }) => [
    ...selectFlows(topology, { from, to, direction: 'both' }).flatMap(({ destination: node }) => [
      setMtu(node.name, tunnelInterface, size),
      ...node.pods.flatMap((pod) => [setMtu(node.name, pod.name, size), setMtu(pod.name, 'eth0', size)]),
    ]),
    ...inUnderlay(topology, { from, to, direction: 'both' }, (match, family) => [
      hit(`${match} ${fragment[family]}`, 'drop'),
    ]),
  ],
})

export const mtuFaults = [mtuBlackhole, pathMtu, fragNeededFiltered, fragmentsDropped, vxlanMtu] as const

/** Either flag "more fragments" or an offset (RFC 791 §3.1), or the fragment header (RFC 8200 §4.5). */
const fragment = { ipv4: 'ip frag-off & 0x3fff != 0', ipv6: 'exthdr frag exists' } as const

function setMtu(namespace: string, device: string, size: number): Change {
  return { kind: 'setting', setting: linkMtuOf(namespace, device), value: String(size) }
}

/** Gives the pod routes between two groups of nodes an MTU, counts the "too big" the nodes say, and may drop them. */
function smallerRoutes(
  topology: Topology,
  { from, to, size }: { readonly from: string; readonly to: string; readonly size: number },
  verdict: '' | 'drop',
): readonly Change[] {
  const flows = selectFlows(topology, { from, to, direction: 'both' })
  // Each of them is a destination, for every pair is broken both ways.
  const nodes = flows.map(({ destination }) => destination)
  const routes = flows.flatMap(({ sources, destination: other }) =>
    sources.flatMap((node) =>
      topology.families.map(
        (family): Change => ({
          kind: 'setting',
          setting: route(node.name, family, other.podRange[family]),
          value: `${
            topology.spec.network === 'routed'
              ? podRoute(node, other, family)
              : `${other.podRange[family]} via ${other.tunnel.addresses[family]} dev ${tunnelInterface} onlink`
          } mtu ${size}`,
        }),
      ),
    ),
  )
  return [
    // What senders have learnt about the path must go with it; the kernel would believe it for ten more minutes.
    ...nodes.flatMap((node) => [node.name, ...node.pods.map((pod) => pod.name)]).map(forgetPath),
    ...routes,
    ...nodes.map((node) =>
      tableAt(
        node,
        [{ hook: 'output', priority: 0 }],
        tooBig.map((match) => hit(match, verdict)),
      ),
    ),
  ]
}

function forgetPath(namespace: string): Change {
  return { kind: 'command', namespace, script: '', undo: 'ip -4 route flush cache; ip -6 route flush cache' }
}
