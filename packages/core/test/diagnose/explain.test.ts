import { describe, expect, test } from 'vitest'
import { explain } from '../../src/diagnose/explain/explain.ts'
import type { Finding } from '../../src/diagnose/finding.ts'
import { scopeText } from '../../src/diagnose/scope.ts'
import { type Fault, isBetween, type WorldOptions, worldOf } from './world.ts'

const isTcp = (protocol: string) => ['tcp', 'syn', 'http'].includes(protocol)

interface Case {
  readonly name: string
  readonly faults: readonly Fault[]
  readonly world?: WorldOptions
  readonly finds: readonly string[]
}

const lossy = { symptom: 'lossy', loss: { low: 0.03, high: 0.09 } } as const

const cases: readonly Case[] = [
  { name: 'a healthy mesh', faults: [], finds: [] },
  {
    name: 'UDP dropped from one node to another',
    faults: [
      ({ protocol, from, to }) =>
        protocol === 'udp' && from === 'node1' && to.name === 'node2' ? 'silent' : undefined,
    ],
    finds: ['protocol-filtered node1 -> node2'],
  },
  {
    name: 'UDP dropped between two nodes',
    faults: [(fact) => (fact.protocol === 'udp' && isBetween(fact, 'node1', 'node2') ? 'silent' : undefined)],
    finds: ['protocol-filtered node1 <-> node2'],
  },
  {
    name: 'UDP dropped into one node',
    faults: [({ protocol, to }) => (protocol === 'udp' && to.name === 'node2' ? 'silent' : undefined)],
    finds: ['protocol-filtered all nodes -> node2'],
  },
  {
    name: 'TCP rejected in the whole cluster',
    faults: [({ protocol }) => (isTcp(protocol) ? 'prohibited' : undefined)],
    finds: ['protocol-filtered the whole cluster'],
  },
  {
    name: 'the overlay blocked at one node',
    world: { isOverlay: true },
    faults: [
      ({ from, to }) => (to.kind === 'node' && (from === 'node2' || to.name === 'node2') ? 'silent' : undefined),
    ],
    finds: ['overlay-blocked node2'],
  },
  {
    name: 'no route between two nodes of a routed network',
    world: { isOverlay: false },
    faults: [(fact) => (isBetween(fact, 'node1', 'node3') ? 'silent' : undefined)],
    finds: ['routing-broken node1 <-> node3'],
  },
  {
    name: 'large packets lost between two nodes',
    faults: [(fact) => ((fact.bytes ?? 0) > 1_000 && isBetween(fact, 'node1', 'node2') ? 'silent' : undefined)],
    finds: ['mtu-black-hole node1 <-> node2'],
  },
  {
    name: 'a node without power',
    world: { node: ({ name }) => ({ hasRow: name !== 'node3' }) },
    faults: [({ to }) => (to.name === 'node3' ? 'silent' : undefined)],
    finds: ['node-down node3'],
  },
  {
    name: 'two zones apart',
    world: { nodes: 6 },
    faults: [
      ({ from, to }) =>
        to.kind === 'node' && Number(from.at(-1)) % 2 !== Number(to.name.at(-1)) % 2 ? 'silent' : undefined,
    ],
    finds: ['zone-partition zone-1 <-> zone-2'],
  },
  {
    name: 'a port dropped at one node of a zone that is cut off',
    world: { nodes: 6 },
    faults: [
      ({ from, to }) =>
        to.kind === 'node' && Number(from.at(-1)) % 2 !== Number(to.name.at(-1)) % 2 ? 'silent' : undefined,
      ({ protocol, from, to }) => (isTcp(protocol) && (from === 'node2' || to.name === 'node2') ? 'silent' : undefined),
    ],
    finds: ['protocol-filtered node2', 'zone-partition zone-1 <-> zone-2'],
  },
  {
    name: 'one slow check of many between two nodes',
    faults: [
      ({ check, family, from, to }) =>
        check === 'udp' && family === 'ipv4' && from === 'node1' && to.name === 'node2' ? 'slow' : undefined,
    ],
    finds: [],
  },
  {
    name: 'one lossy check of many between two nodes',
    faults: [
      ({ check, family, from, to }) =>
        check === 'udp' && family === 'ipv4' && from === 'node1' && to.name === 'node2' ? lossy : undefined,
    ],
    finds: [],
  },
  {
    name: 'lookups that are lost where one of the servers is out of reach',
    faults: [
      ({ protocol, from, to }) =>
        from === 'node1' && to.name === 'node2' && protocol === 'udp' ? 'silent' : undefined,
      ({ protocol, from }) => (from === 'node1' && protocol === 'dns' ? lossy : undefined),
    ],
    finds: ['protocol-filtered node1 -> node2'],
  },
  {
    name: 'loss between two nodes',
    faults: [(fact) => (isBetween(fact, 'node1', 'node2') ? lossy : undefined)],
    finds: ['packet-loss node1 <-> node2'],
  },
  {
    name: 'IPv6 dead',
    faults: [({ family }) => (family === 'ipv6' ? 'silent' : undefined)],
    finds: ['family-broken the whole cluster'],
  },
  {
    name: 'no agent listening on one node',
    faults: [({ to, protocol }) => (to.name === 'node2' && protocol !== 'icmp' ? 'refused' : undefined)],
    finds: ['application-refusing all nodes -> node2'],
  },
  {
    name: 'a silent name server',
    faults: [({ to }) => (to.kind === 'name-server' ? 'silent' : undefined)],
    finds: ['dns-server-down name server 10.96.0.10'],
  },
  {
    name: 'a node without a free port',
    faults: [
      ({ from, protocol }) =>
        from === 'node2' && (protocol === 'tcp' || protocol === 'http') ? 'exhausted' : undefined,
    ],
    finds: ['ports-exhausted node2 -> all nodes'],
  },
  {
    name: 'services that one node does not reach',
    faults: [({ to, from }) => (to.kind === 'name-server' && from === 'node2' ? 'silent' : undefined)],
    finds: ['service-rules-missing node2 -> all nodes'],
  },
  {
    name: 'UDP dropped between two nodes and loss between two others',
    faults: [
      (fact) => (fact.protocol === 'udp' && isBetween(fact, 'node1', 'node2') ? 'silent' : undefined),
      (fact) => (isBetween(fact, 'node2', 'node3') ? lossy : undefined),
    ],
    finds: ['packet-loss node2 <-> node3', 'protocol-filtered node1 <-> node2'],
  },
  {
    name: 'UDP dropped on the way to the name server',
    faults: [
      (fact) =>
        (fact.protocol === 'udp' && isBetween(fact, 'node1', 'node2')) ||
        (fact.protocol === 'dns' && fact.from === 'node2')
          ? 'silent'
          : undefined,
    ],
    finds: ['protocol-filtered node1 <-> node2'],
  },
  {
    name: 'UDP dropped on the way to the name server, which is asked for the names of peers',
    world: { looksUpPeers: true },
    faults: [
      (fact) =>
        (fact.protocol === 'udp' && isBetween(fact, 'node1', 'node2')) ||
        (fact.protocol === 'dns' && fact.from === 'node2')
          ? 'silent'
          : undefined,
    ],
    finds: ['protocol-filtered node1 <-> node2'],
  },
  {
    name: 'two zones apart, with the name server in one of them',
    world: { nodes: 6 },
    faults: [
      ({ from, to }) =>
        Number(from.at(-1)) % 2 !== (to.kind === 'node' ? Number(to.name.at(-1)) % 2 : 1) ? 'silent' : undefined,
    ],
    finds: ['zone-partition zone-1 <-> zone-2'],
  },
  {
    name: 'a dead IP version of a node that shows in two ways',
    faults: [
      ({ from, to, family, protocol }) =>
        family === 'ipv6' && (from === 'node2' || to.name === 'node2')
          ? isTcp(protocol)
            ? 'unreachable'
            : 'silent'
          : undefined,
    ],
    finds: ['family-broken node2'],
  },
  {
    name: 'a dead IP version of a node that shows in one way from it and in another to it',
    faults: [
      ({ from, to, family }) =>
        family !== 'ipv6' ? undefined : from === 'node2' ? 'silent' : to.name === 'node2' ? 'unreachable' : undefined,
    ],
    finds: ['family-broken node2'],
  },
  {
    name: 'everything rejected on the way to a node, and the answers, too',
    faults: [
      ({ from, to }) => (from === 'node2' && to.name === 'node3' ? 'prohibited' : undefined),
      ({ from, to }) => (from === 'node3' && to.name === 'node2' ? 'silent' : undefined),
    ],
    finds: ['protocol-filtered node2 <-> node3'],
  },
  {
    name: 'everything denied where it is sent, and the answers, too',
    faults: [
      ({ protocol, from, to }) =>
        from === 'node2' && to.name === 'node3' ? (isTcp(protocol) ? 'silent' : 'denied-here') : undefined,
      ({ from, to }) => (from === 'node3' && to.name === 'node2' ? 'silent' : undefined),
    ],
    finds: ['local-egress-denied node2 <-> node3'],
  },
  {
    name: 'packets that expire on the way',
    faults: [
      ({ from, to }) => (from === 'node2' && to.name === 'node3' ? 'unreachable' : undefined),
      ({ from, to }) => (from === 'node3' && to.name === 'node2' ? 'silent' : undefined),
    ],
    finds: ['routing-broken node2 <-> node3'],
  },
  {
    name: 'a node that nothing reaches, some of which is told so',
    faults: [
      ({ check, from, to }) =>
        to.name !== from && (from === 'node2' || to.name === 'node2')
          ? check.length % 2 === 0
            ? 'silent'
            : 'unreachable'
          : undefined,
    ],
    finds: ['node-isolated node2'],
  },
  {
    name: 'only TCP let through between two nodes',
    faults: [
      (fact) => (['udp', 'icmp'].includes(fact.protocol) && isBetween(fact, 'node1', 'node2') ? 'silent' : undefined),
    ],
    finds: ['icmp-filtered node1 <-> node2', 'protocol-filtered node1 <-> node2'],
  },
  {
    name: 'only TCP let through at a node',
    faults: [
      ({ protocol, from, to }) =>
        ['udp', 'icmp'].includes(protocol) && (from === 'node2' || to.name === 'node2') ? 'silent' : undefined,
    ],
    finds: ['icmp-filtered node2', 'protocol-filtered node2'],
  },
  {
    name: 'a single failure',
    faults: [
      ({ protocol, from, to }) =>
        protocol === 'udp' && from === 'node1' && to.name === 'node2' ? { symptom: 'silent', trials: 1 } : undefined,
    ],
    finds: [],
  },
  {
    name: 'a pattern that fits no cause',
    faults: [
      ({ check, from, to }) =>
        ['http', 'icmp', 'udp-large'].includes(check) && from === 'node1' && to.name === 'node2' ? 'silent' : undefined,
    ],
    finds: ['unexplained node1 -> node2'],
  },
]

describe('what explains', () => {
  test.each(cases)('$name', ({ faults, world, finds }) => {
    expect(explain(worldOf(faults, world)).map(shown).toSorted()).toEqual(finds)
  })
})

describe('a near tie', () => {
  test('is said with both names', () => {
    const refused: Fault = ({ protocol, from, to }) =>
      isTcp(protocol) && from === 'node2' && to.name === 'node3' ? 'refused' : undefined
    expect(explain(worldOf([refused])).map(({ summary, rivals }) => [summary, rivals[0]?.separatedBy])).toEqual([
      [
        'TCP is refused: node2 -> node3: either a firewall or policy stops it, or nothing listens there',
        'whether the refusal has the TTL of an answer of the pod, and whether ss -lntu in the pod lists the port',
      ],
    ])
  })

  test('is decided by what is known of the nodes', () => {
    const silent: Fault = (fact) => (isBetween(fact, 'node1', 'node2') ? 'silent' : undefined)
    const worlds: readonly WorldOptions[] = [{}, { isOverlay: true }, { isOverlay: false }]
    expect(
      worlds.map((world) => explain(worldOf([silent], world)).map(({ summary }) => summary)),
    ).toMatchInlineSnapshot(`
      [
        [
          "TCP, UDP and ICMP get no answer: node1 <-> node2: either the tunnel of the pod network is blocked, or a route of the pod network is missing",
        ],
        [
          "the pod network does not get through, as if its tunnel were blocked: node1 <-> node2",
        ],
        [
          "there is no working route: node1 <-> node2",
        ],
      ]
    `)
  })
})

function shown({ cause, scope, direction }: Finding): string {
  return `${cause} ${scopeText(scope, direction)}`
}
