import { z } from 'zod'
import { LabError } from '../errors.ts'
import { routerNamespace, type Topology, underlayNamespace } from '../topology.ts'
import { type Change, defineFault, milliseconds, nodeNumber, selector } from './fault.ts'
import { hit, inUnderlay, ip, tableAt } from './rules.ts'
import { selectNode, selectorOfOthers, selectPod } from './selection.ts'
import { extraAddress, sysctl } from './settings.ts'

const nodeDown = defineFault({
  name: 'node-down',
  summary: 'a node is off the network, as when it is powered off; while its processes run, it is isolated',
  signature:
    'everything to and from it is silent; once neighbours have forgotten it, TCP says "no route to host" after 3 s',
  parameters: z.strictObject({
    node: nodeNumber(2, 'node'),
    neighbours: z
      .enum(['kept', 'forgotten'])
      .default('kept')
      .describe('whether others still know its hardware address'),
  }),
  changes: (topology, parameters) => {
    const node = selectNode(topology, parameters.node)
    return [
      {
        kind: 'table',
        namespace: underlayNamespace,
        table: {
          family: 'bridge',
          hooks: [{ hook: 'forward', priority: 0 }],
          rules: [hit(`iifname "${node.name}"`, 'drop'), hit(`oifname "${node.name}"`, 'drop')],
        },
      },
      ...(parameters.neighbours === 'forgotten' ? forgetNeighbours(topology, node.name) : []),
    ]
  },
})

const nodeSideDead = defineFault({
  name: 'node-side-dead',
  summary: 'nothing arrives at a node, or nothing leaves it',
  signature: 'everything to and from it times out, and one side sees packets arrive',
  parameters: z.strictObject({
    node: nodeNumber(2, 'node'),
    side: z.enum(['in', 'out']).default('in').describe('what is lost: packets to the node, or from it'),
  }),
  changes: (topology, { node, side }) => [
    {
      kind: 'table',
      namespace: underlayNamespace,
      table: {
        family: 'bridge',
        hooks: [{ hook: 'forward', priority: 0 }],
        rules: [hit(`${side === 'in' ? 'oifname' : 'iifname'} "${selectNode(topology, node).name}"`, 'drop')],
      },
    },
  ],
})

const linkFlapping = defineFault({
  name: 'link-flapping',
  summary: "a node's link goes down and up again and again",
  signature: 'loss in runs, on every protocol, from and to that node',
  parameters: z.strictObject({
    node: nodeNumber(2, 'node'),
    down: milliseconds(200, 'milliseconds the link is down'),
    up: milliseconds(400, 'milliseconds the link is up'),
  }),
  changes: (topology, parameters) => {
    const { name } = selectNode(topology, parameters.node)
    const loop = [
      'echo ready',
      'while :; do',
      `ip link set ${name} down; sleep ${parameters.down / 1000}`,
      `ip link set ${name} up; sleep ${parameters.up / 1000}`,
      'done',
    ].join('\n')
    return [
      { kind: 'command', namespace: underlayNamespace, script: '', undo: `ip link set ${name} up` },
      { kind: 'helper', namespace: underlayNamespace, argv: ['sh', '-c', loop] },
      {
        kind: 'counter',
        namespace: underlayNamespace,
        // What /sys shows of links is fixed when it is mounted, so it takes a mount made in this namespace.
        script: `unshare --mount sh -c 'mount -t sysfs sysfs /sys && cat /sys/class/net/${name}/carrier_down_count'`,
      },
    ]
  },
})

const zonePartition = defineFault({
  name: 'zone-partition',
  summary: 'two zones do not reach each other',
  signature: 'everything between the zones is silent; within each zone everything works',
  needs: { zones: 2 },
  parameters: z.strictObject({ from: selector('zone-a'), to: selector('zone-b') }),
  changes: (topology, { from, to }) =>
    inUnderlay(topology, { from, to, direction: 'both' }, (match) => [hit(match, 'drop')]),
})

const groupPartition = defineFault({
  name: 'group-partition',
  summary: 'some nodes are cut off from all others, whatever their zones',
  signature:
    'everything between the group and the others is silent; within the group, and among the others, everything works',
  parameters: z.strictObject({ nodes: selector('2,3') }),
  changes: (topology, { nodes }) =>
    inUnderlay(topology, { from: nodes, to: selectorOfOthers(topology, nodes), direction: 'both' }, (match) => [
      hit(match, 'drop'),
    ]),
})

const duplicateAddress = defineFault({
  name: 'duplicate-address',
  summary: "another node has taken a node's address",
  signature: 'others reach the wrong node at that address: its neighbour entry shows another hardware address',
  parameters: z.strictObject({
    node: nodeNumber(1, 'owner of the address'),
    thief: nodeNumber(2, 'node that takes it'),
  }),
  changes: (topology, parameters) => {
    const owner = selectNode(topology, parameters.node)
    const thief = selectNode(topology, parameters.thief)
    if (owner === thief || owner.zone !== thief.zone) {
      throw new LabError(
        'usage',
        `${thief.name} cannot take the address of ${owner.name}: it takes two nodes of one zone`,
      )
    }
    const witnesses = [
      ...topology.nodes
        .filter((node) => node.zone === owner.zone && node !== owner && node !== thief)
        .map(({ name }) => ({ name, device: 'eth0' })),
      ...(topology.hasRouter ? [{ name: routerNamespace, device: owner.zone.name }] : []),
    ]
    return [
      ...topology.families.map(
        (family): Change => ({
          kind: 'setting',
          setting: extraAddress(thief.name, family, owner.addresses[family]),
          value: 'present',
        }),
      ),
      tableAt(
        thief,
        [{ hook: 'prerouting', priority: -300 }],
        topology.families.map((family) => hit(`${ip[family]} daddr ${owner.addresses[family]}`)),
      ),
      // Who wins the race of answers is chance; that the thief announced itself last is not (RFC 5227 §1.1).
      ...witnesses.flatMap(({ name, device }) =>
        topology.families.map((family): Change => {
          const address = owner.addresses[family]
          return {
            kind: 'command',
            script: `mac=$(ip -n ${thief.name} -o link show eth0 | sed 's/.*ether \\([^ ]*\\).*/\\1/')\nip -n ${name} neigh replace ${address} lladdr "$mac" nud reachable dev ${device}`,
            undo: `ip -n ${name} neigh flush to ${address} dev ${device}`,
          }
        }),
      ),
    ]
  },
})

const icmpv6Filtered = defineFault({
  name: 'icmpv6-filtered',
  summary: 'ICMPv6 is filtered as a whole, neighbour discovery with it',
  signature: 'IPv6 to the node fails, TCP with "no route to host" after 3 s; IPv4 works',
  needs: { family: 'ipv6' },
  parameters: z.strictObject({ node: nodeNumber(2, 'node behind the filter') }),
  changes: (topology, parameters) => {
    const node = selectNode(topology, parameters.node)
    const filtered = 'meta l4proto ipv6-icmp'
    return [
      {
        kind: 'table',
        namespace: underlayNamespace,
        table: {
          family: 'bridge',
          hooks: [{ hook: 'forward', priority: 0 }],
          rules: [hit(`iifname "${node.name}" ${filtered}`, 'drop'), hit(`oifname "${node.name}" ${filtered}`, 'drop')],
        },
      },
      ...forgetNeighbours(topology, node.name),
    ]
  },
})

const portsExhausted = defineFault({
  name: 'ports-exhausted',
  summary: 'a pod has next to no source ports',
  signature: 'the first connects work, further ones fail at once with "cannot assign requested address"',
  parameters: z.strictObject({
    pod: z.string().default('pod1').describe('pod'),
    ports: z.coerce.number().int().min(0).max(1000).default(4).describe('source ports it has'),
  }),
  changes: (topology, { pod, ports }) => {
    const { name } = selectPod(topology, pod)
    const range = [40_000, 39_999 + Math.max(1, ports)] as const
    return [
      { kind: 'setting', setting: sysctl(name, 'net/ipv4/ip_local_port_range'), value: range.join(' ') },
      // A range has at least one port, but the kernel gives a reserved one to nobody.
      {
        kind: 'setting',
        setting: sysctl(name, 'net/ipv4/ip_local_reserved_ports'),
        value: ports === 0 ? String(range[0]) : '',
      },
      {
        kind: 'table',
        namespace: name,
        table: {
          family: 'inet',
          hooks: [{ hook: 'output', priority: 0 }],
          rules: [hit(`meta l4proto { tcp, udp } th sport ${range.join('-')}`)],
        },
      },
    ]
  },
})

const cpuStarved = defineFault({
  name: 'cpu-starved',
  summary: 'the processes of a pod get little CPU, stopped for part of each period as a quota does',
  signature:
    'round trips measured in that pod jump by the time it stands still, to every target; from elsewhere none does',
  parameters: z.strictObject({
    pod: z.string().default('pod1').describe('pod'),
    stopped: milliseconds(150, 'milliseconds its processes stand still'),
    running: milliseconds(50, 'milliseconds they run'),
  }),
  changes: (topology, { pod, stopped, running }) => [
    { kind: 'throttle', namespace: selectPod(topology, pod).name, stoppedMs: stopped, runningMs: running },
  ],
})

export const nodeFaults = [
  nodeDown,
  nodeSideDead,
  linkFlapping,
  zonePartition,
  groupPartition,
  duplicateAddress,
  icmpv6Filtered,
  portsExhausted,
  cpuStarved,
] as const

/** Makes all other nodes resolve a node's hardware address again, as they would within a minute; and again once it is back. */
function forgetNeighbours(topology: Topology, name: string): readonly Change[] {
  const others = topology.nodes
    .filter((node) => node.name !== name)
    .map((node) => `ip -n ${node.name} neigh flush dev eth0`)
  const routers = topology.hasRouter
    ? topology.zones.map((zone) => `ip -n ${routerNamespace} neigh flush dev ${zone.name}`)
    : []
  const flush = [...others, ...routers].join('\n')
  return [{ kind: 'command', script: flush, undo: flush }]
}
