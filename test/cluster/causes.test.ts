import type { Direction, Scope } from '@scout/core'
import { afterAll, beforeAll } from 'vitest'
import { testWith } from '../support/requirements.ts'
import { agentsIn, missingResults, wrongPeers } from './support/agents.ts'
import { type Incident, openIncidents } from './support/incidents.ts'
import { machinery, on, power } from './support/machinery.ts'
import { install, type Release, rolledOut } from './support/release.ts'
import { kubectl } from './support/run.ts'
import { untilRight } from './support/until.ts'

// Faults beneath a real Kubernetes, and what scout-probe mesh says of each from outside the cluster.

const namespace = 'scout-causes'
const table = 'inet scout-causes'

const podsOf = (node: number) => ({ ipv4: `10.244.${node}.0/24`, ipv6: `fd00:10:244:${node}::/64` })
const node3: Scope = { kind: 'node', node: 'node3' }
const nameServer: Scope = { kind: 'name-server', address: '10.96.0.10' }

/** Rules about packets between the pods of two nodes. */
type Rules = (from: number, to: number) => readonly string[]

const link = { from: 2, to: 3 } as const

interface Fault {
  readonly name: string
  readonly inject: () => Promise<unknown>
  readonly heal: () => Promise<unknown>
  /** Any of these is right. */
  readonly causes: readonly string[]
  readonly scope: Scope
  readonly directions?: readonly Direction[]
}

const faults: readonly Fault[] = [
  filter('UDP to the port of Scout is dropped, both ways', {
    rules: bothWays(['udp dport 8081 drop']),
    causes: ['protocol-filtered'],
  }),
  filter('TCP is dropped, one way', {
    rules: forward(['meta l4proto tcp drop']),
    causes: ['protocol-filtered'],
    directions: ['forward', 'both'],
  }),
  filter('pings are dropped', {
    rules: bothWays(['meta l4proto { icmp, icmpv6 } drop']),
    causes: ['icmp-filtered'],
  }),
  filter('TCP to the port of Scout is rejected by a firewall', {
    rules: forward(['tcp dport 8081 reject with icmpx admin-prohibited']),
    causes: ['protocol-filtered'],
    directions: ['forward'],
  }),
  filter('TCP to the port of Scout is rejected with a reset', {
    rules: forward(['tcp dport 8081 reject with tcp reset']),
    causes: ['protocol-filtered'],
    directions: ['forward'],
  }),
  filter('large packets are dropped', {
    rules: bothWays(['meta length > 1300 drop']),
    causes: ['mtu-black-hole'],
  }),
  filter('IPv6 is dropped', {
    rules: (from, to) => bothWays(['drop'])(from, to).filter((rule) => rule.startsWith('ip6')),
    causes: ['family-broken'],
  }),
  filter('everything is dropped, both ways', {
    rules: bothWays(['drop']),
    causes: ['routing-broken', 'overlay-blocked'],
  }),
  {
    name: 'everything to and from the pods of a node is dropped',
    ...ruleset(
      'node3',
      [1, 2].flatMap((other) => bothWays(['drop'])(other, 3)),
    ),
    causes: ['node-isolated', 'node-down'],
    scope: node3,
  },
  {
    name: 'the route to the pods of another node is missing',
    inject: () => eachFamily((flag, address) => on('node2', 'ip', flag, 'route', 'replace', 'unreachable', address)),
    heal: () => Promise.all(routes.map((restore) => restore())),
    causes: ['routing-broken'],
    scope: { kind: 'link', from: 'node2', to: 'node3' },
    directions: ['forward', 'both'],
  },
  {
    name: 'no name server is left behind the address of their Service',
    inject: () => kubectl('--namespace', 'kube-system', 'scale', 'deployment/coredns', '--replicas', '0'),
    heal: () => kubectl('--namespace', 'kube-system', 'scale', 'deployment/coredns', '--replicas', '2'),
    causes: ['dns-no-endpoints'],
    scope: nameServer,
  },
  {
    name: 'a node loses power',
    inject: () => power('off', 'node3'),
    heal: () => power('on', 'node3'),
    causes: ['node-down'],
    scope: node3,
  },
]

let release: Release
let routes: readonly (() => Promise<string>)[] = []
beforeAll(async () => {
  if (!machinery.isMet) return
  release = await install({ namespace })
  routes = await routesBack()
})
afterAll(() => release?.remove())

const limit = { timeout: 240_000 }
const named = faults.map((fault) => [fault.name, fault] as const)
testWith(machinery).for(named)('%s: that is what scout-probe mesh says, and nothing else', limit, async ([, fault]) => {
  await freshAgents()
  const startMs = performance.now()
  await fault.inject()
  try {
    let right: { readonly ms: number; readonly summary: string } | undefined
    const aloneMs = await untilRight(60_000, async () => {
      const incidents = await openIncidents(namespace)
      const found = incidents.find((incident) => isRight(fault, incident))
      if (found === undefined) return ['not named', ...incidents.map(textOf)]
      right ??= { ms: performance.now() - startMs, summary: found.summary }
      return incidents.filter((incident) => incident !== found).map(textOf)
    })
    console.log(`after ${seconds(right?.ms ?? 0)}, alone after ${seconds(aloneMs)}: ${right?.summary}`)
  } finally {
    await fault.heal()
  }
  const endedMs = await untilRight(90_000, async () => (await openIncidents(namespace)).map(textOf))
  console.log(`closed ${seconds(endedMs)} after it was healed`)
})

function isRight({ causes, scope, directions }: Fault, incident: Incident): boolean {
  return (
    causes.includes(incident.cause) &&
    isSameScope(scope, incident.scope) &&
    (directions === undefined || directions.includes(incident.direction))
  )
}

/** A link in both directions may be named from either end. */
function isSameScope(one: Scope, other: Scope): boolean {
  const ends = (scope: Scope) =>
    JSON.stringify(scope.kind === 'link' ? [scope.kind, ...[scope.from, scope.to].toSorted()] : Object.values(scope))
  return ends(one) === ends(other)
}

interface Filter {
  readonly rules: Rules
  readonly causes: readonly string[]
  readonly directions?: readonly Direction[]
}

/** A filter on the way between the pods of two nodes. */
function filter(name: string, { rules, causes, directions = ['both'] }: Filter): Fault {
  const { from, to } = link
  const scope: Scope = { kind: 'link', from: `node${from}`, to: `node${to}` }
  return { name, ...ruleset(`node${from}`, rules(from, to)), causes, scope, directions }
}

function ruleset(node: string, rules: readonly string[]): Pick<Fault, 'inject' | 'heal'> {
  const chain = ['type filter hook forward priority filter', ...rules].join('\n')
  return {
    inject: () => on(node, 'nft', `table ${table} {\nchain forward {\n${chain}\n}\n}`),
    heal: () => on(node, 'nft', `delete table ${table}`),
  }
}

function forward(rules: readonly string[]): Rules {
  return (from, to) => {
    const [here, there] = [podsOf(from), podsOf(to)]
    return rules.flatMap((rule) => [
      `ip saddr ${here.ipv4} ip daddr ${there.ipv4} ${rule}`,
      `ip6 saddr ${here.ipv6} ip6 daddr ${there.ipv6} ${rule}`,
    ])
  }
}

function bothWays(rules: readonly string[]): Rules {
  return (from, to) => [...forward(rules)(from, to), ...forward(rules)(to, from)]
}

function eachFamily<T>(act: (flag: '-4' | '-6', address: string) => Promise<T>): Promise<readonly T[]> {
  return Promise.all([act('-4', podsOf(3).ipv4), act('-6', podsOf(3).ipv6)])
}

/** Returns what restores the present routes of node2 to the pods of node3. */
function routesBack(): Promise<readonly (() => Promise<string>)[]> {
  return eachFamily(async (flag, address) => {
    const route = (await on('node2', 'ip', flag, 'route', 'show', address)).trim().split(/\s+/)
    return async () => {
      await on('node2', 'ip', flag, 'route', 'delete', 'unreachable', address)
      return on('node2', 'ip', flag, 'route', 'replace', ...route)
    }
  })
}

/** Replaces all agents, and waits until all is well. Those of before remember the last fault: what fails again and again has other names. */
async function freshAgents(): Promise<void> {
  await kubectl('--namespace', namespace, 'delete', 'pods', '--all', '--wait', '--timeout', '60s')
  await rolledOut(namespace)
  await untilRight(60_000, async () => {
    const agents = await agentsIn(namespace)
    return [
      ...wrongPeers(agents),
      ...missingResults(agents, ['http', 'udp', 'icmp']),
      ...(await openIncidents(namespace)).map(textOf),
    ]
  })
}

function textOf({ summary, cause, scope, direction }: Incident): string {
  return `${cause} ${JSON.stringify(scope)} ${direction}: ${summary}`
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
