/*
 * What Scout should say about each fault of the lab's catalogue: an incident, nothing, or nothing yet because later work brings the evidence.
 * Faults between nodes are between node2 and node3 by default, because the name server runs on node1: with it at one end, lookups fail too.
 */

import { combinations, moments } from './combinations.mjs'
import {
  aroundFloor,
  hard,
  late,
  linkOf,
  lossy,
  named,
  nameServer,
  nodeOf,
  sideOf,
  trap,
  waiting,
  zonePair,
} from './expectation.mjs'

/** @typedef {import('./expectation.mjs').Expectation} Expectation */

const link = linkOf(2, 3)
const sides = /** @type {const} */ (['in', 'out'])
const between = { from: '2', to: '3' }
/** Of the responders. */
const port = 8081
const noRoute = { routed: ['routing-broken'], vxlan: ['overlay-blocked', 'routing-broken'] }

/** @type {readonly Expectation[]} */
const catalogue = [
  // Dropped packets.
  hard('icmp-blocked', between, named(['protocol-filtered', 'icmp-filtered'], link, 'both')),
  hard('udp-blocked', between, named(['protocol-filtered'], link, 'both')),
  hard('tcp-blocked', between, named(['protocol-filtered'], link, 'both')),
  hard('port-blocked', between, named(['protocol-filtered'], link, 'both')),
  hard('ipv6-dead', between, named(['family-broken'], link, 'both')),
  {
    ...hard('udp-blocked', { from: '1', to: '2' }, named(['protocol-filtered'], linkOf(1, 2), 'both')),
    name: 'udp-blocked on the way to the name server',
  },
  {
    ...hard('udp-blocked', { from: 'any', to: '2' }, named(['protocol-filtered'], nodeOf(2), 'both')),
    name: 'udp-blocked at a node',
  },
  {
    ...hard('tcp-blocked', { from: 'any', to: 'any' }, named(['protocol-filtered'], { kind: 'cluster' }, 'both')),
    name: 'tcp-blocked everywhere',
  },
  {
    ...hard('udp-blocked', { from: 'zone-a', to: 'zone-b' }, named(['protocol-filtered'], zonePair, 'both')),
    name: 'udp-blocked between zones',
    leastNodes: 4,
  },

  // Rejected packets: requests alone, as stateful filters do, or all from one node to the other, answers among them.
  hard('reject-reset', { ...between, port }, named(['protocol-filtered'], link, 'forward')),
  hard('reject-port-unreachable', { ...between, protocol: 'udp', port }, named(['protocol-filtered'], link, 'forward')),
  hard('reject-admin-prohibited', { ...between, protocol: 'tcp', port }, named(['protocol-filtered'], link, 'forward')),
  {
    ...hard('reject-reset', between, named(['protocol-filtered'], link, 'forward', 'both')),
    name: 'reject-reset, answers too',
  },
  {
    ...hard('reject-port-unreachable', between, named(['protocol-filtered'], link, 'forward', 'both')),
    name: 'reject-port-unreachable of everything',
  },
  {
    ...hard('reject-admin-prohibited', between, named(['protocol-filtered'], link, 'forward', 'both')),
    name: 'reject-admin-prohibited of everything',
  },
  hard('reject-host-unreachable', between, named(['routing-broken'], link, 'forward', 'both')),
  hard('egress-denied', between, named(['local-egress-denied'], link, 'forward', 'both')),
  {
    ...hard('egress-denied', { ...between, protocol: 'udp', port }, named(['local-egress-denied'], link, 'forward')),
    name: 'egress-denied for UDP',
  },

  // Sizes.
  hard('mtu-blackhole', between, named(['mtu-black-hole'], link, 'both')),
  hard('frag-needed-filtered', between, named(['mtu-black-hole'], link, 'both')),
  hard('vxlan-mtu', between, named(['mtu-black-hole'], link, 'both')),
  trap('path-mtu', between),
  hard('fragments-dropped', between, named(['fragments-dropped'], link, 'both')),

  // Tunnels and routes.
  hard('overlay-blocked', between, named(['overlay-blocked'], link, 'both')),
  waiting('checksums-broken', between, {
    expects: named(['checksum-broken'], link, 'both'),
    waitsFor: 'counters of the nodes (InCsumErrors): without them a filter is likelier, and this its rival',
  }),
  hard('wrong-vtep', between, named(['overlay-blocked'], link, 'forward', 'both')),
  hard('missing-route', between, { ...named([], link, 'forward', 'both'), causesOn: noRoute }),
  hard('ttl-expiry', between, named(['routing-broken'], link, 'forward', 'both')),
  hard('one-sided-firewall', between, named(['asymmetric-route'], link, 'both')),
  // Only the nodes' counter IPReversePathFilter tells it from another loss of all IPv4 packets one way: each is the rival of the other.
  hard('asymmetric-route', between, named(['asymmetric-route', 'family-broken'], link, 'forward', 'both')),
  waiting(
    'duplicate-address',
    { node: 1, thief: 2 },
    {
      expects: named(['routing-broken'], nodeOf(1), 'both'),
      waitsFor: 'neighbour tables of the nodes',
    },
  ),
  waiting('neighbour-table-full', between, {
    expects: named(['neighbour-overflow'], sideOf(2, 'out'), 'forward'),
    waitsFor: 'counters of the nodes: without them it is a missing route',
  }),

  // Some packets.
  hard('one-way-loss', between, named(['packet-loss', 'routing-broken', 'overlay-blocked'], link, 'forward')),
  lossy('random-loss', between, named(['packet-loss'], link, 'both')),
  lossy('periodic-loss', { ...between, passing: 1700 }, named(['packet-loss'], link, 'both')),
  {
    ...lossy('periodic-loss', between, named(['packet-loss'], link, 'both')),
    name: 'periodic-loss, in step with checks each 2 s',
  },
  trap('brown-out', between),
  lossy('link-flapping', { node: 2 }, named(['link-flapping', 'packet-loss'], nodeOf(2), 'both')),
  {
    ...lossy('link-flapping', { node: 2, down: 25_000, up: 20_000 }, named(['link-flapping'], nodeOf(2), 'both')),
    name: 'link-flapping, for seconds',
    isOfAgents: true,
  },
  lossy('flow-loss', between, named(['path-loss'], link, 'forward', 'both')),
  waiting('conntrack-full', between, {
    expects: named(['conntrack-exhausted'], link, 'forward'),
    waitsFor: 'counters of the nodes and charts of loss',
  }),
  lossy('duplicates', { ...between, percentage: 20 }, named(['duplication'], link, 'forward')),
  { ...lossy('reordering', between, named(['reordering'], link, 'forward')), isExtended: true },

  // Time and rate.
  late('delay', between, named(['latency-raised'], link, 'forward', 'both')),
  late('jitter', between, named(['jitter'], link, 'forward', 'both')),
  // A slow line shows under load.
  late(
    'rate-limit',
    { pod: 'pod2', rate: 10_000, queue: 60_000, load: 2 },
    named(['bandwidth-limited'], nodeOf(2), 'both'),
  ),
  late('bufferbloat', { pod: 'pod2', rate: 10_000, load: 16 }, named(['buffer-bloat'], nodeOf(2), 'both')),
  late('policing', { ...between, load: 4 }, named(['bandwidth-limited'], link, 'forward')),

  // TCP.
  hard('syn-ack-lost', between, named(['protocol-filtered', 'syn-loss'], link, 'forward')),
  hard('reset-on-data', between, named(['tcp-reset'], link, 'forward')),
  hard('reset-after-bytes', between, named(['tcp-reset'], link, 'forward')),
  hard(
    'accept-queue-full',
    { pod: 'pod2' },
    named(['accept-queue-full', 'protocol-filtered'], sideOf(2, 'in'), 'forward'),
  ),
  waiting('first-syn-lost', between, {
    expects: named(['syn-loss'], link, 'forward'),
    waitsFor: 'retransmitted SYNs as a symptom',
  }),
  hard('idle-flow-forgotten', between, named(['idle-flow-dropped'], link, 'forward', 'both')),

  // Name servers.
  hard('dns-down', {}, named(['dns-server-down'], nameServer, 'none')),
  hard('dns-servfail', {}, named(['dns-error'], nameServer, 'none')),
  hard('dns-nxdomain', {}, named(['dns-error'], nameServer, 'none')),
  hard('dns-refused', {}, named(['dns-error'], nameServer, 'none')),
  hard('dns-no-endpoints', {}, named(['dns-no-endpoints'], nameServer, 'none')),
  late('dns-slow', {}, named(['dns-slow'], nameServer, 'none')),
  lossy('dns-lossy', {}, named(['dns-endpoint-down'], nameServer, 'none')),
  lossy('dns-replica-dead', {}, named(['dns-endpoint-down'], nameServer, 'none')),
  hard('dns-truncated', {}, named(['dns-truncation-blocked'], nameServer, 'none')),
  hard('dns-race', {}, named(['dns-race'], nameServer, 'none')),
  hard('dns-first-server-dead', {}, named(['dns-server-down'], { kind: 'name-server', address: '10.96.0.9' }, 'none')),

  // Services.
  {
    ...hard('service-rules-missing', { node: 1 }, named(['service-rules-missing'], sideOf(1, 'out'), 'forward')),
    isService: true,
  },
  {
    ...hard(
      'endpoint-blackholed',
      { pod: 'pod2' },
      named(['protocol-filtered', 'service-endpoint-dead'], sideOf(2, 'in'), 'forward'),
    ),
    isService: true,
  },
  {
    ...hard(
      'endpoint-refusing',
      { pod: 'pod2' },
      named(['application-refusing', 'service-endpoint-dead'], sideOf(2, 'in'), 'forward'),
    ),
    isService: true,
  },
  {
    ...waiting(
      'nat-entry-stale',
      { node: 1, pod: 'pod2' },
      {
        expects: named(['nat-entry-stale'], sideOf(1, 'out'), 'forward'),
        waitsFor: 'a check of a service by a socket that is kept',
      },
    ),
    isService: true,
  },
  {
    ...waiting(
      'hairpin-broken',
      { node: 1 },
      {
        expects: named(['hairpin-broken'], sideOf(1, 'out'), 'forward'),
        waitsFor: 'a check of its own node through a service',
      },
    ),
    isService: true,
  },

  // Nodes.
  {
    ...hard('node-down', { node: 2 }, named(['node-down'], nodeOf(2), 'none')),
    goneNodes: ['node2'],
  },
  {
    ...hard('node-down', { node: 2, neighbours: 'forgotten' }, named(['node-down'], nodeOf(2), 'none')),
    name: 'node-down, forgotten by neighbours',
    goneNodes: ['node2'],
  },
  {
    ...hard('node-down', { node: 2 }, named(['node-isolated'], nodeOf(2), 'both')),
    name: 'node-isolated: node-down, agent running',
  },
  ...sides.map((lost) => ({
    ...hard(
      'node-side-dead',
      { node: 2, side: lost },
      named(['packet-loss', 'routing-broken', 'overlay-blocked'], sideOf(2, lost), 'forward'),
    ),
    name: `node-side-dead, ${lost}`,
  })),
  {
    ...hard('zone-partition', {}, named(['zone-partition'], zonePair, 'both')),
    leastNodes: 4,
  },
  {
    ...hard(
      'group-partition',
      { nodes: '2,4' },
      named(['zone-partition'], { kind: 'node-group', nodes: ['node2', 'node4'] }, 'both'),
    ),
    leastNodes: 5,
  },
  trap('network-policy', {}),
  hard('icmpv6-filtered', { node: 2 }, named(['family-broken'], nodeOf(2), 'both')),
  trap('hop-hidden', { hop: '2' }),
  { ...hard('dscp-remarked', between, named(['dscp-rewritten'], link, 'forward')), isExtended: true },
  {
    ...hard('dscp-remarked', { from: 'any', to: 'any' }, named(['dscp-rewritten'], { kind: 'cluster' }, 'both')),
    name: 'dscp-remarked everywhere',
    isExtended: true,
  },
  waiting(
    'ports-exhausted',
    { pod: 'pod1', ports: 0 },
    {
      expects: named(['ports-exhausted'], sideOf(1, 'out'), 'forward'),
      waitsFor:
        'a way out for evidence: the agent can open no connection to a watcher, nor the reader of its row one to it',
    },
  ),
  {
    ...lossy(
      'cpu-starved',
      { pod: 'pod1', stopped: 4000, running: 1000 },
      named(['prober-starved'], { kind: 'prober', node: 'node1' }, 'none'),
    ),
    name: 'cpu-starved, for seconds',
  },
  waiting(
    'cpu-starved',
    { pod: 'pod1' },
    {
      expects: named(['prober-starved'], { kind: 'prober', node: 'node1' }, 'none'),
      waitsFor:
        'the time that stopped processes lack: no attempt starts a whole interval late, and no cgroup counts them',
    },
  ),
]

/** What Scout promises to find at the default interval. */
const floors = { lossPercent: 2, delayMs: 1, jitterMs: 4 }

/** @type {readonly Expectation[]} */
const sizes = [
  ...aroundFloor(floors.lossPercent, '%', (percentage) =>
    lossy('random-loss', { ...between, percentage }, named(['packet-loss'], link, 'both')),
  ),
  ...[1, 5, 20].map((percentage) => oneWay(`of ${percentage} %`, { ...between, percentage }, link)),
  oneWay('of answers', { ...between, direction: 'backward' }, linkOf(3, 2)),
  ...sides.map((side) => {
    const links = side === 'out' ? { from: '2', to: 'any' } : { from: 'any', to: '2' }
    return oneWay(side === 'out' ? 'out of a node' : 'into a node', links, sideOf(2, side))
  }),
  ...aroundFloor(floors.delayMs, 'ms', (milliseconds) =>
    late('delay', { ...between, milliseconds }, named(['latency-raised'], link, 'forward', 'both')),
  ),
  ...aroundFloor(floors.jitterMs, 'ms', (milliseconds) =>
    late('jitter', { ...between, milliseconds }, named(['jitter'], link, 'forward', 'both')),
  ),
  ...aroundFloor(floors.delayMs, 'ms', (milliseconds) =>
    late('dns-slow', { milliseconds }, named(['dns-slow'], nameServer, 'none')),
  ),
  // The responses to large requests have packets of 1,500 bytes; nothing else has.
  {
    ...hard('mtu-blackhole', { ...between, size: 1499 }, named(['mtu-black-hole'], link, 'both')),
    name: 'mtu-blackhole of full packets',
  },
  { ...trap('mtu-blackhole', { ...between, size: 1500 }), name: 'mtu-blackhole of nothing' },
]

/** Loses packets at random on their way in one direction. @returns {Expectation} */
function oneWay(
  /** @type {string} */ name,
  /** @type {Readonly<Record<string, unknown>>} */ parameters,
  /** @type {import('./expectation.mjs').Scope} */ scope,
) {
  const expectation = lossy(
    'random-loss',
    { direction: 'forward', ...parameters },
    named(['packet-loss'], scope, 'forward'),
  )
  return { ...expectation, name: `random-loss one way, ${name}` }
}

/** @type {Readonly<Record<string, readonly Expectation[]>>} */
export const groups = { catalogue, sizes, combinations, moments }

export const expectations = Object.values(groups).flat()
