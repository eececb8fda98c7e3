import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'

/** Hosts and routers of a path of eight hops, in the order of the way. */
const names = ['near', 'r1', 'r2a', 'r2b', 'r3', 'r4', 'r5', 'r6', 'r7', 'far'] as const

type Name = (typeof names)[number]

/**
 * near ── r1 ══ r2a or r2b ══ r3 ── r4 ── r5 ── r6 ── r7 ── far
 *
 * The two ways cost the same. r3 withholds its answers, r4 sends two and then one a second, and the link between r5 and r6 has a smaller MTU.
 */
export interface Path {
  readonly namespaceOf: (name: Name) => string
  /** Lets r4 send answers again, whatever it sent before. */
  refill(): void
  /** Runs a command in the namespace of a host. */
  run(name: Name, ...command: readonly string[]): void
  remove(): void
}

export const smallMtu = 1300

/** Number of the network between two hosts; the first has the address ….1, the second ….2. */
const links: readonly (readonly [Name, Name, number])[] = [
  ['near', 'r1', 1],
  ['r1', 'r2a', 21],
  ['r1', 'r2b', 22],
  ['r2a', 'r3', 31],
  ['r2b', 'r3', 32],
  ['r3', 'r4', 4],
  ['r4', 'r5', 5],
  ['r5', 'r6', 6],
  ['r6', 'r7', 7],
  ['r7', 'far', 8],
]

/** Default routes onward, by network. */
const onward: readonly (readonly [Name, number])[] = [
  ['near', 1],
  ['r2a', 31],
  ['r2b', 32],
  ['r3', 4],
  ['r4', 5],
  ['r5', 6],
  ['r6', 7],
  ['r7', 8],
]

/** Routes back to the near end, by network. */
const backward: readonly (readonly [Name, number])[] = [
  ['r2a', 21],
  ['r2b', 22],
  ['r3', 31],
  ['r4', 4],
  ['r5', 5],
  ['r6', 6],
  ['r7', 7],
  ['far', 8],
]

/** Addresses of both families at an end of a network. */
function addresses(network: number, end: 1 | 2): readonly [ipv4: string, ipv6: string] {
  return [`10.9.${network}.${end}`, `fd09:${network}::${end}`]
}

/** Addresses of the target. */
export const farAddresses = addresses(8, 2)

export function createPath(): Path {
  const id = randomBytes(3).toString('hex')
  const namespaceOf = (name: Name) => `scout-${name}-${id}`
  // Sanitizers that this process runs under would make each of these commands twenty times as slow.
  const script = ['unset LD_PRELOAD']
  const ip = (name: Name, ...words: readonly (string | number)[]) =>
    script.push(`ip -n ${namespaceOf(name)} ${words.join(' ')}`)
  for (const name of names) {
    script.push(`ip netns add ${namespaceOf(name)}`)
    script.push(`ip netns exec ${namespaceOf(name)} sysctl -qw ${settings.join(' ')}`)
    ip(name, 'link set lo up')
  }
  for (const [one, other, network] of links) {
    ip(one, 'link add', `to-${other}`, 'type veth peer', `to-${one}`, 'netns', namespaceOf(other))
    for (const [name, device, end] of [
      [one, `to-${other}`, 1],
      [other, `to-${one}`, 2],
    ] as const) {
      const [ipv4, ipv6] = addresses(network, end)
      ip(name, 'address add', `${ipv4}/24`, 'dev', device)
      ip(name, 'address add', `${ipv6}/64`, 'dev', device, 'nodad')
      ip(name, 'link set', device, 'up')
    }
  }
  for (const [name, network] of onward) for (const via of addresses(network, 2)) ip(name, 'route add default via', via)
  const [[a4, a6], [b4, b6]] = [addresses(21, 2), addresses(22, 2)]
  ip('r1', 'route add default nexthop via', a4, 'nexthop via', b4)
  ip('r1', 'route add default nexthop via', a6, 'nexthop via', b6)
  for (const [name, network] of backward) {
    const [ipv4, ipv6] = addresses(network, 1)
    ip(name, 'route add 10.9.1.0/24 via', ipv4)
    ip(name, 'route add fd09:1::/64 via', ipv6)
  }
  ip('r5', 'link set to-r6 mtu', smallMtu)
  ip('r6', 'link set to-r5 mtu', smallMtu)
  const limit = rules(namespaceOf('r4'), 'limit rate over 1/second burst 2 packets')
  script.push(rules(namespaceOf('r3'), ''), limit)
  const remove = () => {
    for (const name of names) execFileSync('ip', ['netns', 'delete', namespaceOf(name)])
  }
  execFileSync('sh', ['-ec', script.join('\n')])
  return {
    namespaceOf,
    refill: () => void execFileSync('sh', ['-ec', limit]),
    run: (name, ...command) => void execFileSync('ip', ['netns', 'exec', namespaceOf(name), ...command]),
    remove,
  }
}

/** Routers that answer without limits, and choose between equal-cost ways by ports. */
const settings = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv6.conf.all.accept_dad=0',
  'net.ipv6.conf.default.accept_dad=0',
  'net.ipv4.icmp_ratelimit=0',
  'net.ipv6.icmp.ratelimit=0',
  'net.ipv4.fib_multipath_hash_policy=1',
  'net.ipv6.fib_multipath_hash_policy=1',
  "net.ipv4.ping_group_range='1 0'",
]

/** Drops answers of a hop, all of them or those beyond a limit. A new table counts from zero. */
function rules(namespace: string, limit: string): string {
  const lines = ['icmp', 'icmpv6'].map((protocol) => `${protocol} type time-exceeded ${limit} drop`)
  const table = `table inet answers { chain out { type filter hook output priority 0; ${lines.join('; ')}; }; }`
  return `ip netns exec ${namespace} nft 'table inet answers {}; delete table inet answers; ${table}'`
}
