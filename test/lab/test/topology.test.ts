import { expect, test } from 'vitest'
import { compileLinks, compileNamespaces } from '../src/compile/network.ts'
import { stepsScript } from '../src/compile/step.ts'
import { compileTable } from '../src/compile/table.ts'
import { planFault } from '../src/faults/plan.ts'
import { selectFlows } from '../src/faults/selection.ts'
import type { LabSpecInput } from '../src/spec.ts'
import { buildTopology } from '../src/topology.ts'

test('deals nodes to zones in blocks and name servers to nodes in turn', () => {
  const { nodes } = buildTopology({ nodes: 5, zones: 2, dnsReplicas: 6 })
  expect(
    nodes.map(({ name, zone, pods }) => `${name} ${zone.name} ${pods.map((pod) => pod.name).join(' ')}`),
  ).toMatchInlineSnapshot(`
    [
      "node1 zone-a pod1 dns1 dns6",
      "node2 zone-a pod2 dns2",
      "node3 zone-a pod3 dns3",
      "node4 zone-b pod4 dns4",
      "node5 zone-b pod5 dns5",
    ]
  `)
})

test('has no more zones than nodes, and no router for one zone', () => {
  expect(buildTopology({ nodes: 1, zones: 3 })).toMatchObject({ zones: [{ name: 'zone-a' }], hasRouter: false })
})

test.each([
  [{ network: 'routed', families: 'dual' }, 1500, 'ipv4'],
  [{ network: 'vxlan', families: 'dual' }, 1450, 'ipv4'],
  [{ network: 'vxlan', families: 'ipv6' }, 1430, 'ipv6'],
] satisfies readonly (readonly [LabSpecInput, number, string])[])(
  'pods of %o get an MTU of %i',
  (spec, podMtu, tunnelFamily) => {
    expect(buildTopology(spec)).toMatchObject({ podMtu, tunnelFamily })
  },
)

test('numbers are unique however many nodes there are', () => {
  const { nodes, pods, families } = buildTopology({ nodes: 200, zones: 26, dnsReplicas: 20 })
  const places = [...nodes, ...pods]
  const addresses = families.flatMap((family) => places.map((place) => place.addresses[family]))
  expect(new Set(addresses).size).toBe(addresses.length)
  expect(Math.max(...places.map((place) => place.name.length))).toBeLessThan(16)
})

test('makes every link with both ends where they belong', () => {
  expect(compileLinks(buildTopology({ nodes: 2, zones: 2, dnsReplicas: 1 }))).toMatchInlineSnapshot(`
    "netns add underlay
    netns add router
    netns add node1
    netns add node2
    netns add pod1
    netns add pod2
    netns add dns1
    link add name node1 netns underlay type veth peer name eth0 netns node1
    link add name node2 netns underlay type veth peer name eth0 netns node2
    link add name router-a netns underlay type veth peer name zone-a netns router
    link add name router-b netns underlay type veth peer name zone-b netns router
    link add name pod1 netns node1 type veth peer name eth0 netns pod1
    link add name pod2 netns node2 type veth peer name eth0 netns pod2
    link add name dns1 netns node1 type veth peer name eth0 netns dns1
    "
  `)
})

test('plans a node of a routed network across zones', () => {
  const plans = compileNamespaces(buildTopology({ nodes: 2, zones: 2, families: 'ipv4', dnsReplicas: 0 })).flat()
  const texts = plans.map(
    ({ namespace, steps }) => `# ${namespace}\n${stepsScript(steps.filter(({ tool }) => tool !== 'sysctl'))}`,
  )
  expect(texts.join('\n')).toMatchInlineSnapshot(`
    "# underlay
    { ip -batch -; } <<'END' || { echo 'ip failed' >&2; exit 1; }
    link add bridge-a type bridge forward_delay 0 stp_state 0 mcast_snooping 0
    link add bridge-b type bridge forward_delay 0 stp_state 0 mcast_snooping 0
    link set bridge-a up
    link set bridge-b up
    link set node1 master bridge-a up gso_max_segs 1
    link set node2 master bridge-b up gso_max_segs 1
    link set router-a master bridge-a up gso_max_segs 1
    link set router-b master bridge-b up gso_max_segs 1
    END

    # router
    { ip -batch -; } <<'END' || { echo 'ip failed' >&2; exit 1; }
    link set lo up
    link set zone-a up gso_max_segs 1
    link set zone-b up gso_max_segs 1
    addr add 10.200.0.1/24 dev zone-a
    addr add 10.200.1.1/24 dev zone-b
    route add 10.244.1.0/24 via 10.200.0.11
    route add 10.244.2.0/24 via 10.200.1.12
    END

    # node1
    { ip -batch -; } <<'END' || { echo 'ip failed' >&2; exit 1; }
    link set lo up
    link set eth0 up gso_max_segs 1
    addr add 10.200.0.11/24 dev eth0
    neigh add 10.200.0.254 lladdr 02:00:00:00:00:fe dev eth0 nud permanent
    route add default via 10.200.0.254 dev eth0
    route add 10.200.1.0/24 via 10.200.0.1
    link set pod1 mtu 1500 up gso_max_segs 1
    addr add 10.244.1.1/32 dev pod1
    route add 10.244.1.10 dev pod1
    route add 10.244.2.0/24 via 10.200.0.1
    END
    { nft -f -; } <<'END' || { echo 'nft failed' >&2; exit 1; }
    table ip kube {
      chain services {
        ip daddr 10.96.0.80 tcp dport 80 dnat ip to numgen random mod 2 map { 0 : 10.244.1.10 . 8081, 1 : 10.244.2.10 . 8081 }
        ip daddr 10.96.0.80 udp dport 80 dnat ip to numgen random mod 2 map { 0 : 10.244.1.10 . 8081, 1 : 10.244.2.10 . 8081 }
      }
      chain from-pods {
        type nat hook prerouting priority dstnat
        jump services
      }
      chain from-node {
        type nat hook output priority -100
        jump services
      }
      chain answers {
        type nat hook postrouting priority srcnat
        ct status dnat ip saddr 10.244.1.10 ip daddr 10.244.1.10 masquerade
        ct status dnat ip saddr 10.200.0.11 masquerade
      }
    }
    END

    # node2
    { ip -batch -; } <<'END' || { echo 'ip failed' >&2; exit 1; }
    link set lo up
    link set eth0 up gso_max_segs 1
    addr add 10.200.1.12/24 dev eth0
    neigh add 10.200.1.254 lladdr 02:00:00:00:00:fe dev eth0 nud permanent
    route add default via 10.200.1.254 dev eth0
    route add 10.200.0.0/24 via 10.200.1.1
    link set pod2 mtu 1500 up gso_max_segs 1
    addr add 10.244.2.1/32 dev pod2
    route add 10.244.2.10 dev pod2
    route add 10.244.1.0/24 via 10.200.1.1
    END
    { nft -f -; } <<'END' || { echo 'nft failed' >&2; exit 1; }
    table ip kube {
      chain services {
        ip daddr 10.96.0.80 tcp dport 80 dnat ip to numgen random mod 2 map { 0 : 10.244.1.10 . 8081, 1 : 10.244.2.10 . 8081 }
        ip daddr 10.96.0.80 udp dport 80 dnat ip to numgen random mod 2 map { 0 : 10.244.1.10 . 8081, 1 : 10.244.2.10 . 8081 }
      }
      chain from-pods {
        type nat hook prerouting priority dstnat
        jump services
      }
      chain from-node {
        type nat hook output priority -100
        jump services
      }
      chain answers {
        type nat hook postrouting priority srcnat
        ct status dnat ip saddr 10.244.2.10 ip daddr 10.244.2.10 masquerade
        ct status dnat ip saddr 10.200.1.12 masquerade
      }
    }
    END

    # pod1
    { ip -batch -; } <<'END' || { echo 'ip failed' >&2; exit 1; }
    link set lo up
    link set eth0 mtu 1500 up gso_max_segs 1
    addr add 10.244.1.10/32 dev eth0
    route add default via 10.244.1.1 dev eth0 onlink
    END

    # pod2
    { ip -batch -; } <<'END' || { echo 'ip failed' >&2; exit 1; }
    link set lo up
    link set eth0 mtu 1500 up gso_max_segs 1
    addr add 10.244.2.10/32 dev eth0
    route add default via 10.244.2.1 dev eth0 onlink
    END
    "
  `)
})

test('plans a node of a tunnelled network of both families', () => {
  const topology = buildTopology({ nodes: 2, network: 'vxlan', dnsReplicas: 0, services: [] })
  const node = compileNamespaces(topology)
    .flat()
    .find(({ namespace }) => namespace === 'node1')
  expect(stepsScript(node?.steps ?? [])).toMatchInlineSnapshot(`
    "{ while read -r key value; do echo "$value" > "/proc/sys/$key"; done; } <<'END' || { echo 'sysctl failed' >&2; exit 1; }
    net/ipv4/ip_forward 1
    net/ipv4/conf/eth0/send_redirects 0
    net/ipv4/conf/pod1/send_redirects 0
    net/ipv4/conf/all/send_redirects 0
    net/ipv6/conf/all/forwarding 1
    net/ipv4/ping_group_range 0 0
    net/ipv4/icmp_ratelimit 0
    net/ipv4/conf/all/rp_filter 0
    net/ipv4/conf/default/rp_filter 0
    net/ipv4/conf/eth0/rp_filter 0
    net/ipv4/conf/pod1/rp_filter 0
    net/ipv4/conf/all/accept_redirects 0
    net/ipv4/conf/default/accept_redirects 0
    net/ipv4/conf/eth0/accept_redirects 0
    net/ipv4/conf/pod1/accept_redirects 0
    net/ipv6/icmp/ratelimit 0
    net/ipv6/conf/all/accept_dad 0
    net/ipv6/conf/default/accept_dad 0
    net/ipv6/conf/eth0/accept_dad 0
    net/ipv6/conf/pod1/accept_dad 0
    net/ipv6/conf/all/accept_redirects 0
    net/ipv6/conf/default/accept_redirects 0
    net/ipv6/conf/eth0/accept_redirects 0
    net/ipv6/conf/pod1/accept_redirects 0
    END
    { ip -batch -; } <<'END' || { echo 'ip failed' >&2; exit 1; }
    link set lo up
    link set eth0 up gso_max_segs 1
    addr add 10.200.0.11/24 dev eth0
    addr add fd00:200:a::b/64 dev eth0 nodad
    neigh add 10.200.0.254 lladdr 02:00:00:00:00:fe dev eth0 nud permanent
    neigh add fd00:200:a::fe lladdr 02:00:00:00:00:fe dev eth0 nud permanent
    route add default via 10.200.0.254 dev eth0
    route add default via fd00:200:a::fe dev eth0
    link set pod1 mtu 1450 up gso_max_segs 1
    addr add 10.244.1.1/32 dev pod1
    addr add fd00:244:1::1/128 dev pod1 nodad
    route add 10.244.1.10 dev pod1
    route add fd00:244:1::10 dev pod1
    link add vxlan0 mtu 1450 address 0e:00:00:00:00:01 type vxlan id 1 local 10.200.0.11 dstport 8472 nolearning
    link set vxlan0 up gso_max_segs 1
    addr add 10.244.1.0/32 dev vxlan0
    addr add fd00:244:1::/128 dev vxlan0 nodad
    neigh add 10.244.2.0 lladdr 0e:00:00:00:00:02 dev vxlan0 nud permanent
    neigh add fd00:244:2:: lladdr 0e:00:00:00:00:02 dev vxlan0 nud permanent
    route add 10.244.2.0/24 via 10.244.2.0 dev vxlan0 onlink
    route add fd00:244:2::/64 via fd00:244:2:: dev vxlan0 onlink
    END
    { bridge -batch -; } <<'END' || { echo 'bridge failed' >&2; exit 1; }
    fdb append 0e:00:00:00:00:02 dev vxlan0 dst 10.200.0.12
    END
    "
  `)
})

test('compiles faults to a table of their own at each place', () => {
  const tables = (name: string, spec: LabSpecInput, input: object) => {
    const { changes } = planFault(buildTopology(spec), [name, { ...input }])
    return changes.map((change) =>
      change.kind === 'table' ? `# ${change.namespace}\n${compileTable('fault1_0', change.table)}` : change.kind,
    )
  }
  const texts = [
    ...tables('udp-blocked', { network: 'vxlan' }, { direction: 'forward' }),
    ...tables('mtu-blackhole', { families: 'ipv4' }, { from: 'zone-a', to: '2,3' }),
    ...tables('first-syn-lost', { families: 'ipv4' }, {}),
  ]
  expect(texts.join('\n')).toMatchInlineSnapshot(`
    "# node2
    table inet fault1_0 {
      counter hits { }
      chain fault {
        udp dport 8472 return
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } return
        ip saddr { 10.200.0.11, 10.244.1.0/24 } ip daddr { 10.200.0.12, 10.244.2.0/24 } meta l4proto udp counter name hits drop
        ip6 saddr { fd00:200:a::b, fd00:244:1::/64 } ip6 daddr { fd00:200:a::c, fd00:244:2::/64 } meta l4proto udp counter name hits drop
      }
      chain at-prerouting {
        type filter hook prerouting priority -300
        jump fault
      }
    }

    # underlay
    table bridge fault1_0 {
      counter hits { }
      chain fault {
        oifname "node1" ip saddr { 10.200.0.12, 10.244.2.0/24, 10.200.0.13, 10.244.3.0/24 } meta length > 1400 counter name hits drop
        oifname "node2" ip saddr { 10.200.0.11, 10.244.1.0/24, 10.200.0.13, 10.244.3.0/24 } meta length > 1400 counter name hits drop
        oifname "node3" ip saddr { 10.200.0.11, 10.244.1.0/24, 10.200.0.12, 10.244.2.0/24 } meta length > 1400 counter name hits drop
      }
      chain at-forward {
        type filter hook forward priority 0
        jump fault
      }
    }

    # node2
    table inet fault1_0 {
      counter hits { }
      set seen-ipv4 { type ipv4_addr . inet_service . ipv4_addr . inet_service; flags dynamic,timeout; timeout 10s; }
      chain fault {
        ip saddr { 10.200.0.11, 10.244.1.0/24 } ip daddr { 10.200.0.12, 10.244.2.0/24 } tcp flags & (syn|ack) == syn ip saddr . tcp sport . ip daddr . tcp dport != @seen-ipv4 add @seen-ipv4 { ip saddr . tcp sport . ip daddr . tcp dport } counter name hits drop
      }
      chain at-prerouting {
        type filter hook prerouting priority -300
        jump fault
      }
    }
    "
  `)
})

test('of two groups of nodes every ordered pair is concerned once, and no node with itself', () => {
  const pairs = (from: string, to: string, direction: 'forward' | 'both') =>
    selectFlows(buildTopology({}), { from, to, direction }).flatMap(({ sources, destination }) =>
      sources.map((source) => `${source.number}→${destination.number}`),
    )
  expect(pairs('any', '2,3', 'forward')).toEqual(['1→2', '3→2', '1→3', '2→3'])
  expect(pairs('any', 'any', 'both')).toEqual(['2→1', '3→1', '1→2', '3→2', '1→3', '2→3'])
})

test.each(['egress-denied', 'path-mtu', 'frag-needed-filtered', 'ttl-expiry', 'wrong-vtep', 'asymmetric-route'])(
  '%s from a node to itself is refused, for it would change nothing',
  (fault) => {
    const topology = buildTopology({ network: fault === 'wrong-vtep' ? 'vxlan' : 'routed' })
    expect(() => planFault(topology, [fault, { from: '1', to: '1' }])).toThrow('there is no pair of different nodes')
  },
)

test.each([
  [{ from: '4' }, 'no node is called "4": this lab has nodes 1 to 3 in zone-a, or say any'],
  [{ from: 'zone-x' }, 'no node is called "zone-x": this lab has nodes 1 to 3 in zone-a, or say any'],
  [{ from: '2', to: '2' }, 'from "2" to "2" there is no pair of different nodes'],
])('refuses %o', (input, words) => {
  expect(() => planFault(buildTopology({}), ['udp-blocked', input])).toThrow(words)
})
