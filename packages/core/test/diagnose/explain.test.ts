import { describe, expect, test } from 'vitest'
import { Fact } from '../../src/diagnose/evidence.ts'
import { explain } from '../../src/diagnose/explain/explain.ts'
import type { Finding } from '../../src/diagnose/finding.ts'
import { scopeText } from '../../src/diagnose/scope.ts'
import { type Fault, isBetween, type WorldOptions, worldOf } from './world.ts'

const isTcp = (protocol: string) => ['tcp', 'syn', 'http'].includes(protocol)
const dnsPods = ['10.244.1.10', '10.244.2.10']
const isDnsByUdp = ({ protocol, check }: Fact) => protocol === 'dns' && check !== 'dns-tcp'

interface Case {
  readonly name: string
  readonly faults: readonly Fault[]
  readonly world?: WorldOptions
  readonly finds: readonly string[]
}

const lossy = { symptom: 'lossy', loss: { low: 0.03, high: 0.09 } } as const
const jittery = { symptom: 'jittery', slowerNs: 6e6, spread: { nowNs: 12e6, usualNs: 3e5 } } as const
const slightly = { symptom: 'lossy', loss: { low: 0.006, high: 0.014 }, trials: 5_000 } as const

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
      (fact) => (fact.from === 'node1' && isDnsByUdp(fact) ? lossy : undefined),
    ],
    finds: ['protocol-filtered node1 -> node2'],
  },
  {
    name: 'loss between two nodes',
    faults: [(fact) => (isBetween(fact, 'node1', 'node2') ? lossy : undefined)],
    finds: ['packet-loss node1 <-> node2'],
  },
  {
    name: 'loss between two nodes for which TCP makes up, each time in another time',
    faults: [
      (fact) => {
        if (!isBetween(fact, 'node1', 'node2')) return undefined
        return isTcp(fact.protocol) ? jittery : lossy
      },
    ],
    finds: ['packet-loss node1 <-> node2'],
  },
  {
    name: 'a small loss that only the many packets of a stream have shown so far',
    faults: [(fact) => (fact.check === 'udp' && isBetween(fact, 'node1', 'node2') ? slightly : undefined)],
    finds: ['packet-loss node1 <-> node2'],
  },
  {
    name: 'a small loss of one check that as many packets of others do not have',
    faults: [
      (fact) => {
        if (!isBetween(fact, 'node1', 'node2')) return undefined
        return fact.check === 'udp' ? slightly : { trials: 1_000_000 }
      },
    ],
    finds: ['unexplained node1 <-> node2'],
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
    name: 'an agent that gets too little CPU to ask and to answer',
    world: { node: ({ name }) => ({ isStarved: name === 'node2' }) },
    faults: [
      ({ from, to, protocol }) =>
        ['http', 'udp'].includes(protocol) && (from === 'node2' || to.name === 'node2') ? lossy : undefined,
    ],
    finds: ['prober-starved the agent on node2'],
  },
  {
    name: 'UDP dropped between two nodes, of which one agent gets too little CPU',
    world: { node: ({ name }) => ({ isStarved: name === 'node2' }) },
    faults: [(fact) => (fact.protocol === 'udp' && isBetween(fact, 'node1', 'node2') ? 'silent' : undefined)],
    finds: ['protocol-filtered node1 <-> node2'],
  },
  {
    name: 'one port of a node closed',
    faults: [({ to, protocol }) => (to.name === 'node2' && isTcp(protocol) ? 'refused' : undefined)],
    finds: ['application-refusing all nodes -> node2'],
  },
  {
    name: 'TCP refused between two nodes',
    faults: [
      ({ from, to, protocol }) => (from === 'node1' && to.name === 'node2' && isTcp(protocol) ? 'refused' : undefined),
    ],
    finds: ['protocol-filtered node1 -> node2'],
  },
  {
    name: 'a silent name server',
    faults: [({ to }) => (to.kind === 'name-server' ? 'silent' : undefined)],
    finds: ['dns-server-down name server 10.96.0.10'],
  },
  {
    name: 'a name server of which one of two queries is lost',
    faults: [
      ({ check }) =>
        check === 'dns-parallel' ? { symptom: 'silent', reason: 'timeout', code: 'LOST_AAAA' } : undefined,
    ],
    finds: ['dns-race name server 10.96.0.10'],
  },
  {
    name: 'one node that loses one of two queries',
    faults: [
      ({ check, from }) =>
        check === 'dns-parallel' && from === 'node2'
          ? { symptom: 'silent', reason: 'timeout', code: 'LOST_A' }
          : undefined,
    ],
    finds: ['dns-race node2 -> all nodes'],
  },
  {
    name: 'a name server of which both queries are lost, while single ones are not',
    faults: [({ check }) => (check === 'dns-parallel' ? { symptom: 'silent', reason: 'timeout' } : undefined)],
    finds: ['unexplained name server 10.96.0.10'],
  },
  {
    name: 'a name server that loses every second query, and has just answered single ones',
    faults: [
      ({ check }) =>
        check === 'dns-parallel'
          ? { symptom: 'silent', reason: 'timeout', code: 'LOST_A' }
          : check === 'dns'
            ? { symptom: 'passes', trials: 2 }
            : undefined,
    ],
    finds: ['dns-endpoint-down name server 10.96.0.10'],
  },
  {
    name: 'a name server of several that is down, where checks that run less often have no chart yet',
    faults: [({ check }) => (check === 'dns' ? lossy : check.startsWith('dns-') ? 'silent' : undefined)],
    finds: ['dns-endpoint-down name server 10.96.0.10'],
  },
  {
    name: 'a name server without TCP',
    faults: [({ check }) => (check === 'dns-tcp' ? 'silent' : undefined)],
    finds: ['dns-truncation-blocked name server 10.96.0.10'],
  },
  {
    name: 'a name server without TCP that truncates its answers',
    faults: [({ protocol }) => (protocol === 'dns' ? { symptom: 'silent', phase: 'connect' } : undefined)],
    finds: ['dns-truncation-blocked name server 10.96.0.10'],
  },
  {
    name: 'a slow name server, before the checks that run less often have noticed',
    faults: [({ check }) => (check === 'dns' ? { symptom: 'slow', slowerNs: 3_000_000 } : undefined)],
    finds: ['dns-slow name server 10.96.0.10'],
  },
  {
    name: 'a name server of several that loses its share, before the checks that run less often have noticed',
    faults: [({ check }) => (check === 'dns' ? lossy : undefined)],
    finds: ['dns-endpoint-down name server 10.96.0.10'],
  },
  {
    name: 'one of two servers of cluster DNS that is silent, before chance tells that queries are lost',
    world: { dnsPods },
    faults: [({ server }) => (server === dnsPods[0] ? 'silent' : undefined)],
    finds: ['dns-endpoint-down name server 10.96.0.10'],
  },
  {
    name: 'one of two servers of cluster DNS that is silent, and its share of the queries',
    world: { dnsPods },
    faults: [
      ({ server, check }) =>
        server === dnsPods[0] ? 'silent' : check === 'dns' && server === undefined ? lossy : undefined,
    ],
    finds: ['dns-endpoint-down name server 10.96.0.10'],
  },
  {
    name: 'two of three servers of cluster DNS that are silent',
    world: { dnsPods: [...dnsPods, '10.244.3.10'] },
    faults: [({ server = '' }) => (dnsPods.includes(server) ? 'silent' : undefined)],
    finds: ['dns-endpoint-down name server 10.96.0.10'],
  },
  {
    name: 'a silent name server, whose servers are all silent',
    world: { dnsPods },
    faults: [({ to }) => (to.kind === 'name-server' ? 'silent' : undefined)],
    finds: ['dns-server-down name server 10.96.0.10'],
  },
  ...(['silent', 'refused'] as const).map((symptom) => ({
    name: `a name server whose queries are ${symptom}, while its servers answer directly`,
    world: { dnsPods },
    faults: [({ to, server }: Fact) => (to.kind === 'name-server' && server === undefined ? symptom : undefined)],
    finds: ['service-rules-missing name server 10.96.0.10'],
  })),
  {
    name: 'a name server and its servers that have lost a few queries in a row, one of which has just answered',
    world: { dnsPods },
    faults: [
      ({ to, server }) =>
        to.kind !== 'name-server' ? undefined : server === dnsPods[1] ? { symptom: 'passes', trials: 2 } : 'silent',
    ],
    finds: ['dns-endpoint-down name server 10.96.0.10'],
  },
  {
    name: 'a name server that is silent from one node, while its servers answer directly',
    world: { dnsPods },
    faults: [
      ({ from, to, server }) =>
        from === 'node2' && to.kind === 'name-server' && server === undefined ? 'silent' : undefined,
    ],
    finds: ['service-rules-missing node2 -> all nodes'],
  },
  {
    name: 'one of two servers of cluster DNS that answers late',
    world: { dnsPods },
    faults: [({ server }) => (server === dnsPods[0] ? { symptom: 'slow', slowerNs: 4_000_000 } : undefined)],
    finds: ['dns-slow name server 10.96.0.10'],
  },
  {
    name: 'a node that lost its pod network, with a server of cluster DNS',
    world: { dnsPods },
    faults: [
      ({ from, to, server }) =>
        (from === 'node2') !== (to.name === 'node2' || server === dnsPods[1]) &&
        (to.kind === 'node' || server !== undefined)
          ? 'silent'
          : undefined,
    ],
    finds: ['overlay-blocked node2'],
  },
  {
    name: 'TCP dropped on the way to the name server',
    faults: [
      (fact) =>
        (isTcp(fact.protocol) && isBetween(fact, 'node1', 'node2')) ||
        (fact.check === 'dns-tcp' && fact.from === 'node2')
          ? 'silent'
          : undefined,
    ],
    finds: ['protocol-filtered node1 <-> node2'],
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
    name: 'duplicated packets between two nodes, from one of which queries are lost',
    faults: [
      (fact) =>
        fact.check === 'udp' && isBetween(fact, 'node1', 'node2')
          ? { symptom: 'duplicated', odd: { low: 0.1, high: 0.2 } }
          : undefined,
      (fact) => (fact.check === 'dns' && fact.from === 'node2' ? lossy : undefined),
    ],
    finds: ['duplication node1 <-> node2', 'unexplained node2 -> all nodes'],
  },
  {
    name: 'UDP dropped on the way to the name server',
    faults: [
      (fact) =>
        (fact.protocol === 'udp' && isBetween(fact, 'node1', 'node2')) || (isDnsByUdp(fact) && fact.from === 'node2')
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
        (fact.protocol === 'udp' && isBetween(fact, 'node1', 'node2')) || (isDnsByUdp(fact) && fact.from === 'node2')
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
    name: 'idle connections that a device between two nodes has forgotten',
    faults: [
      ({ socket, from, to }) =>
        socket === 'idle' && from === 'node1' && to.name === 'node2' ? 'forgotten' : undefined,
    ],
    finds: ['idle-flow-dropped node1 -> node2'],
  },
  {
    name: 'an idle connection that was lost once, as when its peer was powered off',
    faults: [
      ({ socket, family, from, to }) =>
        socket === 'idle' && family === 'ipv4' && from === 'node1' && to.name === 'node2'
          ? { symptom: 'forgotten', trials: 1 }
          : undefined,
    ],
    finds: [],
  },
  {
    name: 'new connections rejected, while those that are open go on',
    faults: [
      ({ protocol, socket, from, to }) =>
        isTcp(protocol) && socket === undefined && from === 'node1' && to.name === 'node2' ? 'silent' : undefined,
    ],
    finds: ['protocol-filtered node1 -> node2'],
  },
  {
    name: 'a node that still translates a flow to a name server that is gone',
    faults: [({ check, from }) => (check === 'dns-kept' && from === 'node2' ? 'forgotten' : undefined)],
    finds: ['nat-entry-stale node2 -> all nodes'],
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

describe('a stream that fails ten times in a burst', () => {
  const spanning = (spanMs: number) => {
    const { atMs } = worldOf([])
    const burst: Fault = ({ check, from, to }) =>
      check === 'udp' && from === 'node1' && to.name === 'node2'
        ? { symptom: 'silent', sinceMs: atMs - 12_000, lastMs: atMs - 12_000 + spanMs, trials: 10 }
        : undefined
    return explain(worldOf([burst])).length
  }

  test('is no finding, until it fails for longer than bursts do', () => {
    expect([spanning(4_900), spanning(6_500)]).toEqual([0, 1])
  })
})

describe('a server of cluster DNS that is down', () => {
  const summaryOf = (fault: Fault) => explain(worldOf([fault], { dnsPods })).map(({ summary }) => summary)

  test('costs queries only where some are seen to be lost', () => {
    const isDown: Fault = ({ server }) => (server === dnsPods[0] ? 'silent' : undefined)
    const isLossy: Fault = (fact) => (fact.check === 'dns' && fact.server === undefined ? lossy : isDown(fact))
    expect([summaryOf(isDown), summaryOf(isLossy)]).toMatchInlineSnapshot(`
      [
        [
          "10.244.1.10, one of the servers behind name server 10.96.0.10, does not answer",
        ],
        [
          "10.244.1.10, one of the servers behind name server 10.96.0.10, does not answer, so that a part of the queries is lost",
        ],
      ]
    `)
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

test('agents that claim thousands of aspects of one check cost about as much as with as many checks', () => {
  const world = worldOf([], { nodes: 4 })
  const claims = (by: 'check' | 'server') =>
    Array.from(
      { length: 4 * 1_024 },
      (_, index) =>
        new Fact(
          { check: 'dns', protocol: 'dns', path: 'dns-pod', vantage: 'pod', [by]: `claim-${index}` },
          {
            from: `node${1 + (index % 4)}`,
            to: { kind: 'name-server', name: '10.96.0.10' },
            target: 'kubernetes.default@10.244.1.10:53',
            symptom: 'silent',
            sinceMs: world.atMs - 40_000,
            trials: 4,
            lastMs: world.atMs,
          },
        ),
    )
  const tookMs = (by: 'check' | 'server') => {
    const facts = [...world.facts, ...claims(by)]
    const startMs = performance.now()
    explain({ ...world, facts })
    return performance.now() - startMs
  }
  tookMs('check')
  expect(tookMs('server') / tookMs('check')).toBeLessThan(20)
}, 60_000)

function shown({ cause, scope, direction }: Finding): string {
  return `${cause} ${scopeText(scope, direction)}`
}
