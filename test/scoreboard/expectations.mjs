/*
 * What Scout should say about each fault of the lab's catalogue: an incident, nothing, or nothing yet because later work brings the evidence.
 * Faults between nodes are between node2 and node3 by default, because the name server runs on node1: with it at one end, lookups fail too.
 */

/** @typedef {import('@scout/core').Scope} Scope */
/** @typedef {import('@scout/core').Direction} Direction */
/** @typedef {{ causes: readonly string[], scope: Scope, directions: readonly Direction[] }} Expected any of the causes and directions is right */
/**
 * @typedef {object} Expectation
 * @property {string} name unique: the fault, and what distinguishes this form of it
 * @property {string} fault of the lab's catalogue
 * @property {Readonly<Record<string, unknown>>} parameters
 * @property {Expected | 'silent'} expects with `waitsFor`, after the work that it names
 * @property {string} [waitsFor] evidence that no check yields yet, so that silence is right for now
 * @property {Partial<Record<'routed' | 'vxlan', readonly string[]>>} [causesOn] causes that are right only on this network, instead of those expected
 * @property {number} [attemptsBefore] of each check, from which what is usual becomes known
 * @property {number} [attemptsUntil] of each check, for what shows only in many of them
 * @property {number} [leastNodes] below which its scope means the same as another
 * @property {boolean} [isService] whether agents also check the service `echo` by name; by default they check no service
 * @property {readonly string[]} [goneNodes] nodes whose agents end with it, so that they send no row
 */

/** @type {Scope} */
const link = { kind: 'link', from: 'node2', to: 'node3' }
/** @type {Scope} */
const nameServer = { kind: 'name-server', address: '10.96.0.10' }
/** @type {(node: string, side: 'in' | 'out') => Scope} */
const side = (node, side) => ({ kind: 'node-side', node, side })
/** @type {(node: string) => Scope} */
const node = (node) => ({ kind: 'node', node })

const sides = /** @type {const} */ (['in', 'out'])
const between = { from: '2', to: '3' }
/** Of the responders. */
const port = 8081
const noRoute = { routed: ['routing-broken'], vxlan: ['overlay-blocked', 'routing-broken'] }

/** @type {readonly Expectation[]} */
export const expectations = [
  // Dropped packets.
  hard('icmp-blocked', between, named(['protocol-filtered', 'icmp-filtered'], link, 'both')),
  hard('udp-blocked', between, named(['protocol-filtered'], link, 'both')),
  hard('tcp-blocked', between, named(['protocol-filtered'], link, 'both')),
  hard('port-blocked', between, named(['protocol-filtered'], link, 'both')),
  hard('ipv6-dead', between, named(['family-broken'], link, 'both')),
  {
    ...hard(
      'udp-blocked',
      { from: '1', to: '2' },
      named(['protocol-filtered'], { ...link, from: 'node1', to: 'node2' }, 'both'),
    ),
    name: 'udp-blocked on the way to the name server',
  },
  {
    ...hard('udp-blocked', { from: 'any', to: '2' }, named(['protocol-filtered'], node('node2'), 'both')),
    name: 'udp-blocked at a node',
  },
  {
    ...hard('tcp-blocked', { from: 'any', to: 'any' }, named(['protocol-filtered'], { kind: 'cluster' }, 'both')),
    name: 'tcp-blocked everywhere',
  },
  {
    ...hard(
      'udp-blocked',
      { from: 'zone-a', to: 'zone-b' },
      named(['protocol-filtered'], { kind: 'zone-pair', zones: ['zone-a', 'zone-b'] }, 'both'),
    ),
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
  waiting('fragments-dropped', between, {
    expects: named(['fragments-dropped'], link, 'both'),
    waitsFor: 'a check whose datagrams exceed the MTU, because those of udp-large fit',
  }),

  // Tunnels and routes.
  hard('overlay-blocked', between, named(['overlay-blocked'], link, 'both')),
  waiting('checksums-broken', between, {
    expects: named(['checksum-broken'], link, 'both'),
    waitsFor: 'counters of the nodes (InCsumErrors): without them a filter is likelier, and this its rival',
  }),
  hard('wrong-vtep', between, named(['overlay-blocked'], link, 'forward', 'both')),
  { ...hard('missing-route', between, named([], link, 'forward', 'both')), causesOn: noRoute },
  hard('ttl-expiry', between, named(['routing-broken'], link, 'forward', 'both')),
  waiting('asymmetric-route', between, {
    expects: named(['asymmetric-route'], link, 'both'),
    waitsFor: 'counters of the nodes (IPReversePathFilter): without them it is a broken IPv4',
  }),
  waiting(
    'duplicate-address',
    { node: 1, thief: 2 },
    {
      expects: named(['routing-broken'], node('node1'), 'both'),
      waitsFor: 'neighbour tables of the nodes',
    },
  ),
  waiting('neighbour-table-full', between, {
    expects: named(['neighbour-overflow'], side('node2', 'out'), 'forward'),
    waitsFor: 'counters of the nodes: without them it is a missing route',
  }),

  // Some packets.
  waiting('one-way-loss', between, {
    expects: named(['packet-loss', 'routing-broken', 'overlay-blocked'], link, 'forward'),
    waitsFor: 'STAMP, which tells the direction',
  }),
  lossy('random-loss', between, named(['packet-loss'], link, 'both')),
  lossy('periodic-loss', { ...between, passing: 1700 }, named(['packet-loss'], link, 'both')),
  {
    ...lossy('periodic-loss', between, named(['packet-loss'], link, 'both')),
    name: 'periodic-loss, in step with checks each 2 s',
  },
  trap('brown-out', between),
  lossy('link-flapping', { node: 2 }, named(['link-flapping', 'packet-loss'], node('node2'), 'both')),
  waiting('flow-loss', between, {
    expects: named(['path-loss'], link, 'forward'),
    waitsFor: 'several flows per check',
  }),
  waiting('conntrack-full', between, {
    expects: named(['conntrack-exhausted'], link, 'forward'),
    waitsFor: 'counters of the nodes and charts of loss',
  }),
  waiting('duplicates', between, {
    expects: named(['duplication'], link, 'forward'),
    waitsFor: 'a symptom for duplicates, which volleys count',
  }),
  waiting('reordering', between, {
    expects: named(['reordering'], link, 'forward'),
    waitsFor: 'volleys',
  }),

  // Time and rate.
  late('delay', between, named(['latency-raised'], link, 'forward', 'both')),
  waiting('jitter', between, {
    expects: named(['jitter'], link, 'forward', 'both'),
    waitsFor: 'the spread of the times of a link',
  }),
  waiting(
    'rate-limit',
    { pod: 'pod2' },
    {
      expects: named(['bandwidth-limited'], side('node2', 'in'), 'forward'),
      waitsFor: 'a probe of bandwidth',
    },
  ),
  waiting(
    'bufferbloat',
    { pod: 'pod2' },
    {
      expects: named(['buffer-bloat'], side('node2', 'in'), 'forward'),
      waitsFor: 'a probe of latency under load',
    },
  ),
  waiting('policing', between, {
    expects: named(['bandwidth-limited'], link, 'forward'),
    waitsFor: 'a probe of bandwidth',
  }),

  // TCP.
  hard('syn-ack-lost', between, named(['protocol-filtered', 'syn-loss'], link, 'forward')),
  hard('reset-on-data', between, named(['tcp-reset'], link, 'forward')),
  hard('reset-after-bytes', between, named(['tcp-reset'], link, 'forward')),
  hard(
    'accept-queue-full',
    { pod: 'pod2' },
    named(['accept-queue-full', 'protocol-filtered'], side('node2', 'in'), 'forward'),
  ),
  waiting('first-syn-lost', between, {
    expects: named(['syn-loss'], link, 'forward'),
    waitsFor: 'retransmitted SYNs as a symptom',
  }),
  waiting('idle-flow-forgotten', between, {
    expects: named(['idle-flow-dropped'], link, 'forward'),
    waitsFor: 'connections that stay open between attempts',
  }),

  // Name servers.
  hard('dns-down', {}, named(['dns-server-down'], nameServer, 'none')),
  hard('dns-servfail', {}, named(['dns-error'], nameServer, 'none')),
  hard('dns-nxdomain', {}, named(['dns-error'], nameServer, 'none')),
  hard('dns-refused', {}, named(['dns-error'], nameServer, 'none')),
  hard('dns-no-endpoints', {}, named(['dns-no-endpoints'], nameServer, 'none')),
  late('dns-slow', {}, named(['dns-slow'], nameServer, 'none')),
  lossy('dns-lossy', {}, named(['dns-endpoint-down'], nameServer, 'none')),
  lossy('dns-replica-dead', {}, named(['dns-endpoint-down'], nameServer, 'none')),
  waiting(
    'dns-truncated',
    {},
    {
      expects: named(['dns-truncation-blocked'], nameServer, 'none'),
      waitsFor: 'its table, and a check over TCP',
    },
  ),
  waiting(
    'dns-race',
    {},
    {
      expects: named(['dns-race'], nameServer, 'none'),
      waitsFor: 'a check that asks for A and AAAA on one socket',
    },
  ),
  waiting(
    'dns-first-server-dead',
    {},
    {
      expects: named(['dns-server-down'], { kind: 'name-server', address: '10.96.0.9' }, 'none'),
      waitsFor: 'a check of every server in resolv.conf',
    },
  ),

  // Services.
  {
    ...hard('service-rules-missing', { node: 1 }, named(['service-rules-missing'], side('node1', 'out'), 'forward')),
    isService: true,
  },
  {
    ...hard(
      'endpoint-blackholed',
      { pod: 'pod2' },
      named(['protocol-filtered', 'service-endpoint-dead'], side('node2', 'in'), 'forward'),
    ),
    isService: true,
  },
  {
    ...hard(
      'endpoint-refusing',
      { pod: 'pod2' },
      named(['application-refusing', 'service-endpoint-dead'], side('node2', 'in'), 'forward'),
    ),
    isService: true,
  },
  {
    ...waiting(
      'nat-entry-stale',
      { node: 1, pod: 'pod2' },
      {
        expects: named(['nat-entry-stale'], side('node1', 'out'), 'forward'),
        waitsFor: 'sockets that are kept: a fresh one is translated to an endpoint that exists',
      },
    ),
    isService: true,
  },
  {
    ...waiting(
      'hairpin-broken',
      { node: 1 },
      {
        expects: named(['hairpin-broken'], side('node1', 'out'), 'forward'),
        waitsFor: 'a check of its own node through a service',
      },
    ),
    isService: true,
  },

  // Nodes.
  {
    ...hard('node-down', { node: 2 }, named(['node-down'], node('node2'), 'none')),
    goneNodes: ['node2'],
  },
  {
    ...hard('node-down', { node: 2, neighbours: 'forgotten' }, named(['node-down'], node('node2'), 'none')),
    name: 'node-down, forgotten by neighbours',
    goneNodes: ['node2'],
  },
  {
    ...hard('node-down', { node: 2 }, named(['node-isolated'], node('node2'), 'both')),
    name: 'node-isolated: node-down, agent running',
  },
  ...sides.map((lost) => ({
    ...waiting(
      'node-side-dead',
      { node: 2, side: lost },
      {
        expects: named(['packet-loss', 'routing-broken', 'overlay-blocked'], side('node2', lost), 'forward'),
        waitsFor: 'STAMP, which tells the direction: without it the node is isolated',
      },
    ),
    name: `node-side-dead, ${lost}`,
  })),
  {
    ...hard(
      'zone-partition',
      {},
      named(['zone-partition'], { kind: 'zone-pair', zones: ['zone-a', 'zone-b'] }, 'both'),
    ),
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
  hard('icmpv6-filtered', { node: 2 }, named(['family-broken'], node('node2'), 'both')),
  trap('hop-hidden', { hop: '2' }),
  waiting('dscp-remarked', between, {
    expects: named(['dscp-rewritten'], link, 'forward'),
    waitsFor: 'STAMP, whose reflector reports the received DSCP',
  }),
  waiting(
    'ports-exhausted',
    { pod: 'pod1', ports: 0 },
    {
      expects: named(['ports-exhausted'], side('node1', 'out'), 'forward'),
      waitsFor: 'failures for which the sending host is to blame: its series are `unable`, which is no fact',
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

/**
 * Where packets are lost in one direction, attempts fail in both, because nothing answers. Before STAMP both are right.
 *
 * @param {readonly string[]} causes
 * @param {Scope} scope
 * @param {...Direction} directions
 * @returns {Expected}
 */
function named(causes, scope, ...directions) {
  return { causes, scope, directions }
}

/** @returns {Expectation} */
function hard(
  /** @type {string} */ fault,
  /** @type {Readonly<Record<string, unknown>>} */ parameters,
  /** @type {Expected} */ expects,
) {
  return { name: fault, fault, parameters, expects }
}

/** Lost packets are charted: one failure alone is no fact. @returns {Expectation} */
function lossy(
  /** @type {string} */ fault,
  /** @type {Readonly<Record<string, unknown>>} */ parameters,
  /** @type {Expected} */ expects,
) {
  return { ...hard(fault, parameters, expects), attemptsUntil: 60 }
}

/** Times are charted against those that are usual. @returns {Expectation} */
function late(
  /** @type {string} */ fault,
  /** @type {Readonly<Record<string, unknown>>} */ parameters,
  /** @type {Expected} */ expects,
) {
  return { ...hard(fault, parameters, expects), attemptsBefore: 60, attemptsUntil: 90 }
}

/** @returns {Expectation} */
function trap(/** @type {string} */ fault, /** @type {Readonly<Record<string, unknown>>} */ parameters) {
  return { name: fault, fault, parameters, expects: 'silent' }
}

/** @returns {Expectation} */
function waiting(
  /** @type {string} */ fault,
  /** @type {Readonly<Record<string, unknown>>} */ parameters,
  /** @type {{ expects: Expected, waitsFor: string }} */ later,
) {
  return { name: fault, fault, parameters, ...later }
}

/** Returns the incident that a fault should give on a network; undefined if it should give none. */
export function expectedOn(
  /** @type {Expectation} */ { expects, causesOn = {} },
  /** @type {'routed' | 'vxlan'} */ network,
) {
  if (expects === 'silent') return undefined
  return { ...expects, causes: causesOn[network] ?? expects.causes }
}
