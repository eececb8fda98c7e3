import { catalogue } from '../checks/catalogue.ts'
import { makeCheck } from '../checks/check.ts'
import type { Aspect } from './evidence.ts'

/*
 * The aspects that tables are about: those that checks yield, and those that they will yield. The catalogue of causes is complete before its
 * evidence is, so that new evidence needs no new cause.
 */

/** Evidence that no check yields yet. */
export const awaited = {
  directions: 'losses counted in each direction',
  flows: 'several flows of each link, told apart by source port',
  sockets: 'sockets that are kept or idle, beside fresh ones',
  counters: 'counters of the nodes',
  host: 'checks from node to node, past the pod network',
  volleys: 'volleys of packets sent together',
  fragments: 'datagrams above the MTU',
  servers: 'name servers asked one by one, over UDP and TCP, for several kinds of names',
  services: 'checks of services and of the own service, by cluster address',
  marks: 'the DSCP with which packets arrive',
  spread: 'the spread of the times of a link',
  order: 'duplicated and reordered packets of each link',
  history: 'findings over time, which the agents keep and one look does not have',
} as const

export type Awaited = keyof typeof awaited

/** An aspect that a check yields or will yield. */
export interface Askable {
  readonly aspect: Aspect
  readonly waitsFor?: Awaited
}

/** Returns a counter or another property of a node, as the node reports it. */
export function ownAspect(check: string): Aspect {
  return { check, protocol: 'host', path: 'node', vantage: 'host' }
}

const pod = { path: 'pod', vantage: 'pod' } as const
const families = ['ipv4', 'ipv6'] as const

const planned: Readonly<Partial<Record<Awaited, readonly Aspect[]>>> = {
  directions: [
    { check: 'udp', protocol: 'udp', ...pod, direction: 'forward' },
    { check: 'udp', protocol: 'udp', ...pod, direction: 'return' },
  ],
  flows: [
    { check: 'udp', protocol: 'udp', ...pod, flow: 1 },
    { check: 'udp', protocol: 'udp', ...pod, flow: 2 },
    { check: 'tcp', protocol: 'tcp', ...pod, flow: 3 },
  ],
  sockets: [
    { check: 'tcp', protocol: 'tcp', ...pod, socket: 'fresh' },
    { check: 'tcp', protocol: 'tcp', ...pod, socket: 'kept' },
    { check: 'tcp', protocol: 'tcp', ...pod, socket: 'idle' },
    { check: 'dns', protocol: 'dns', path: 'dns-server', vantage: 'pod', socket: 'fresh' },
    { check: 'dns', protocol: 'dns', path: 'dns-server', vantage: 'pod', socket: 'kept' },
    { check: 'service', protocol: 'udp', path: 'service', vantage: 'pod', socket: 'kept' },
  ],
  counters: [
    'accept-queue-overflows',
    'connection-tracking',
    'neighbour-table',
    'checksum-errors',
    'reverse-path-drops',
  ].map(ownAspect),
  host: [
    { check: 'icmp', protocol: 'icmp', path: 'node', vantage: 'host' },
    { check: 'tcp', protocol: 'tcp', path: 'node', vantage: 'host' },
  ],
  volleys: [
    { check: 'volley', protocol: 'udp', ...pod },
    { check: 'volley-large', protocol: 'udp', bytes: 1_400, ...pod },
  ],
  fragments: [{ check: 'udp-fragmented', protocol: 'udp', bytes: 4_000, ...pod }],
  servers: [
    { check: 'dns-tcp', protocol: 'dns', path: 'dns-server', vantage: 'pod' },
    { check: 'dns-parallel', protocol: 'dns', path: 'dns-server', vantage: 'pod' },
    { check: 'dns-upstream', protocol: 'dns', path: 'dns-server', vantage: 'pod' },
    { check: 'dns', protocol: 'dns', path: 'dns-server', vantage: 'pod', server: '10.244.1.10' },
  ],
  services: [
    { check: 'service', protocol: 'http', path: 'service', vantage: 'pod' },
    { check: 'own-service', protocol: 'http', path: 'own-service', vantage: 'pod' },
  ],
  marks: [{ check: 'udp-marked', protocol: 'udp', ...pod }],
}

/** Returns what checks yield today, then what they will yield. Those of the catalogue come first, in its order. */
export function askables(): readonly Askable[] {
  const today = catalogue
    .map((definition) => makeCheck(definition, { intervalMs: 1_000 }))
    .flatMap(({ name: check, protocol, bytes, path, vantage }): readonly Aspect[] => {
      const aspect = { check, protocol, bytes, path, vantage }
      return path === 'pod' ? families.map((family) => ({ ...aspect, family })) : [aspect]
    })
  return [
    ...[...today, ...byHand].map((aspect) => ({ aspect })),
    ...awaitedKinds.flatMap((waitsFor) => (planned[waitsFor] ?? []).map((aspect) => ({ aspect, waitsFor }))),
  ]
}

const awaitedKinds = Object.keys(awaited).filter(isAwaited)

function isAwaited(text: string): text is Awaited {
  return Object.hasOwn(awaited, text)
}

/** What a configuration or a command can ask for today. */
const byHand: readonly Aspect[] = [
  { check: 'icmp', protocol: 'icmp', path: 'node', vantage: 'pod' },
  { check: 'name', protocol: 'http', path: 'name', vantage: 'pod' },
  ownAspect('clock'),
]
