import { z } from 'zod'
import { LabError } from '../errors.ts'
import { type Node, underlayNamespace } from '../topology.ts'
import { between, type Change, defineFault, nodeNumber, selector, vantage } from './fault.ts'
import { atDestination, hit, ip, tableAt, tracked } from './rules.ts'
import { selectFlows, selectNode } from './selection.ts'
import { neighbour, route, sysctl } from './settings.ts'

const missingRoute = defineFault({
  name: 'missing-route',
  summary: "a node lacks the route to another node's pods",
  signature: 'nothing passes between pods of the two nodes; node to node everything works',
  parameters: z.strictObject({ from: selector('1'), to: selector('2') }),
  changes: (topology, { from, to }) =>
    selectFlows(topology, { from, to, direction: 'forward' }).flatMap(({ sources, destination }) =>
      sources.flatMap((source): readonly Change[] => [
        ...topology.families.map(
          (family): Change => ({
            kind: 'setting',
            setting: route(source.name, family, destination.podRange[family]),
            value: '',
          }),
        ),
        // Without its own route a packet takes the default one, and the world outside does not answer.
        tableAt(
          source,
          [{ hook: 'postrouting', priority: 0 }],
          topology.families.map((family) => hit(`oifname "eth0" ${ip[family]} daddr ${destination.podRange[family]}`)),
        ),
      ]),
    ),
})

const asymmetricRoute = defineFault({
  name: 'asymmetric-route',
  summary: 'a node answers over another interface and drops what arrives on the unexpected one (rp_filter)',
  signature: 'everything from those pods is silent although it arrives; IPReversePathFilter grows; other pairs work',
  needs: { family: 'ipv4' },
  parameters: z.strictObject({
    from: nodeNumber(1, 'node whose pods are answered another way'),
    to: nodeNumber(2, 'node with two ways'),
  }),
  changes: (topology, { from, to }, { id }) => {
    const source = selectNode(topology, from)
    const node = selectNode(topology, to)
    if (source === node) throw new LabError('usage', `from ${from} to ${to} there is no pair of different nodes`)
    return [
      { kind: 'command', ...secondInterface(node, id) },
      {
        kind: 'setting',
        setting: route(node.name, 'ipv4', source.podRange.ipv4),
        value: `${source.podRange.ipv4} via ${source.zone === node.zone ? source.addresses.ipv4 : node.zone.router.ipv4} dev ${id} onlink`,
      },
      // RFC 3704 §2.2: a strict filter drops what would not be answered over the interface it came in by.
      { kind: 'setting', setting: sysctl(node.name, 'net/ipv4/conf/all/rp_filter'), value: '1' },
      {
        kind: 'counter',
        namespace: node.name,
        script: "nstat -asz TcpExtIPReversePathFilter | awk 'NR == 2 { print $2 }'",
      },
    ]
  },
})

const oneSidedFirewall = defineFault({
  name: 'one-sided-firewall',
  summary: 'answers take another way, where a stateful firewall drops them because it has not seen the requests',
  signature: 'everything between the two nodes is silent, although requests arrive at both; other pairs work',
  parameters: z.strictObject({ ...between('both'), vantage: vantage('both') }),
  changes: (topology, parameters) =>
    atDestination(topology, parameters, {
      vantage: parameters.vantage,
      hooks: tracked,
      rules: (match) => [hit(`${match} ct direction reply`, 'drop')],
    }),
})

/** No interface has it. */
const nobodysMac = '02:00:00:00:00:fd'

const neighbourTableFull = defineFault({
  name: 'neighbour-table-full',
  summary:
    "a node's neighbour table has no room for some nodes (emulated by wrong entries, the real limit is the machine's)",
  signature: 'everything between the node and those, and between their pods, is silent; other nodes are reached',
  parameters: z.strictObject({
    from: selector('1'),
    to: selector('2'),
  }),
  changes: (topology, { from, to }) =>
    selectFlows(topology, { from, to, direction: 'forward' }).flatMap(({ sources, destination }) =>
      sources.flatMap((source): readonly Change[] => {
        const { addresses } = source.zone === destination.zone ? destination : { addresses: source.zone.router }
        return [
          ...topology.families.map(
            (family): Change => ({
              kind: 'setting',
              setting: neighbour(source.name, addresses[family]),
              value: nobodysMac,
            }),
          ),
          tableAt(
            source,
            [{ hook: 'postrouting', priority: 0 }],
            topology.families.map((family) => hit(`rt ${ip[family]} nexthop ${addresses[family]}`)),
          ),
        ]
      }),
    ),
})

export const routeFaults = [missingRoute, asymmetricRoute, oneSidedFirewall, neighbourTableFull] as const

function secondInterface({ name, number, zone }: Node, id: string): { readonly script: string; readonly undo: string } {
  return {
    script: [
      `ip link add name ${id} netns ${underlayNamespace} type veth peer name ${id} netns ${name}`,
      `ip -n ${underlayNamespace} link set ${id} master ${zone.bridge} up gso_max_segs 1`,
      `ip -n ${name} link set ${id} up gso_max_segs 1`,
      `ip -n ${name} addr add 10.201.0.${10 + number}/32 dev ${id}`,
    ].join('\n'),
    undo: `ip -n ${underlayNamespace} link del ${id}`,
  }
}
