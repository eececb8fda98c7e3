import { run } from '../stage/tool.ts'

/** A path of eight hops, the second of which is one of two, the third silent and the fourth limited to two answers and one a second. */
export interface Network {
  readonly target: string
  /** Addresses of the hops; undefined for the one that is silent, several where there are several ways. */
  readonly hops: readonly (readonly string[] | undefined)[]
  /** The command line that runs `argv` at the near end. */
  inside(argv: readonly string[]): readonly string[]
  /** Forgets what was counted, limited and learned so far, and makes the path as wide as said. */
  reset(state: PathState): Promise<void>
  /** Returns the path's MTU in a state, in bytes. */
  mtuBytes(state: PathState): number
  /** Returns the number of packets to the target that have passed the first router since. */
  sent(): Promise<number>
}

/** As wide as each link by itself; narrower in the middle, of which a router tells; or narrower, and nobody tells. */
export type PathState = 'wide' | 'reported' | 'silent'

const [wideBytes, narrowBytes] = [1500, 1378]

/** Hosts by name, with the number of the network to each next one, in which they have the addresses ….1 and ….2. */
const links = [
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
] as const

const settings = ['net.ipv4.ip_forward=1', 'net.ipv4.icmp_ratelimit=0', 'net.ipv4.fib_multipath_hash_policy=1']

/** Creates it in this process's namespaces, with whose end it ends. */
export async function createNetwork(): Promise<Network> {
  const hosts = [...new Set(links.flatMap(([one, other]) => [one, other]))]
  const inHost = (host: string, command: string) => `ip netns exec ${host} ${command}`
  await run(['sh', '-ec', setupOf(hosts).join('\n')])
  const limits = [
    tableOf(
      'count',
      'counter sent {}; chain in { type filter hook prerouting priority -300; ip daddr 10.9.8.2 counter name sent; };',
    ),
    tableOf(
      'answers',
      'chain out { type filter hook output priority 0; icmp type time-exceeded limit rate over 1/second burst 2 packets drop; };',
    ),
  ] as const
  return {
    target: '10.9.8.2',
    hops: [
      ['10.9.1.2'],
      ['10.9.21.2', '10.9.22.2'],
      undefined,
      ...[4, 5, 6, 7, 8].map((network) => [`10.9.${network}.2`]),
    ],
    inside: (argv) => ['ip', 'netns', 'exec', 'near', ...argv],
    async reset(state) {
      const mtuBytes = mtuBytesOf(state)
      const commands = [
        inHost('r1', limits[0]),
        inHost('r4', limits[1]),
        `ip -n r5 link set to-r6 mtu ${mtuBytes}`,
        `ip -n r6 link set to-r5 mtu ${mtuBytes}`,
        ...['r5', 'r6'].map((host) => inHost(host, tableOf('reports', state === 'silent' ? unreported : ''))),
        ...['near', 'far'].map((host) => `ip -n ${host} route flush cache`),
      ]
      await run(['sh', '-ec', commands.join('\n')])
    },
    mtuBytes: mtuBytesOf,
    async sent() {
      const { stdout } = await run(['sh', '-ec', inHost('r1', 'nft list counter inet count sent')])
      return Number(/packets (\d+)/.exec(stdout)?.[1])
    },
  }
}

function setupOf(hosts: readonly string[]): readonly string[] {
  const towards = (host: string) =>
    links.filter(([one, other]) => one === host && other !== 'far').map(([, , network]) => `10.9.${network}.2`)
  const back = (host: string) => links.find(([, other]) => other === host)?.[2]
  return [
    'mount -t tmpfs scout-bench /run',
    'mkdir /run/netns',
    ...hosts.flatMap((host) => [
      `ip netns add ${host}`,
      `ip -n ${host} link set lo up`,
      `ip netns exec ${host} sysctl -qw ${settings.join(' ')}`,
    ]),
    ...links.flatMap(([one, other, network]) => [
      `ip -n ${one} link add to-${other} type veth peer to-${one} netns ${other}`,
      `ip -n ${one} address add 10.9.${network}.1/24 dev to-${other}`,
      `ip -n ${other} address add 10.9.${network}.2/24 dev to-${one}`,
      `ip -n ${one} link set to-${other} up`,
      `ip -n ${other} link set to-${one} up`,
    ]),
    ...hosts.flatMap((host) => {
      const next = towards(host)
      return next.length === 0
        ? []
        : [`ip -n ${host} route add 10.9.8.0/24 ${next.map((via) => `nexthop via ${via}`).join(' ')}`]
    }),
    ...hosts.flatMap((host) => {
      const network = back(host)
      return network === undefined || network === 1 ? [] : [`ip -n ${host} route add 10.9.1.0/24 via 10.9.${network}.1`]
    }),
    `ip netns exec r3 ${tableOf('silence', silence)}`,
  ]
}

function mtuBytesOf(state: PathState): number {
  return state === 'wide' ? wideBytes : narrowBytes
}

const unreported = 'chain out { type filter hook output priority 0; icmp code frag-needed drop; };'
const silence = 'chain out { type filter hook output priority 0; icmp type time-exceeded drop; };'

/** A new table counts from zero. */
function tableOf(name: string, content: string): string {
  return `nft 'table inet ${name} {}; delete table inet ${name}; table inet ${name} { ${content} }'`
}
