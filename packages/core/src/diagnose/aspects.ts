import { catalogue } from '../checks/catalogue.ts'
import { makeCheck } from '../checks/check.ts'
import type { Aspect } from './evidence.ts'
import { proofs } from './proofs/index.ts'
import { proofAspect } from './proofs/proof.ts'

/*
 * The aspects that tables are about: those that checks yield, and those that they will yield. The catalogue of causes is complete before its
 * evidence is, so that new evidence needs no new cause.
 */

/** Evidence that no check yields yet. */
export const awaited = {
  counters: 'counters of the nodes',
  host: 'checks from node to node, past the pod network',
  servers: 'checks of names outside the cluster',
  services: 'checks of services and of the own service, by cluster address',
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
  servers: [{ check: 'dns-upstream', protocol: 'dns', path: 'dns-server', vantage: 'pod' }],
  services: [
    { check: 'service', protocol: 'http', path: 'service', vantage: 'pod' },
    { check: 'own-service', protocol: 'http', path: 'own-service', vantage: 'pod' },
  ],
}

/** Returns what checks yield today, then what they will yield. Those of the catalogue come first, in its order. */
export function askables(): readonly Askable[] {
  const today = catalogue
    .map((definition) => makeCheck(definition, { intervalMs: 1_000 }))
    .flatMap(({ name: check, protocol, bytes, path, vantage, socket }): readonly Aspect[] => {
      const aspect = { check, protocol, bytes, path, vantage, socket }
      return path === 'pod' ? families.map((family) => ({ ...aspect, family })) : [aspect]
    })
  return [
    ...[...today, ...byHand, ...byDirection, ...onDemand].map((aspect) => ({ aspect })),
    ...awaitedKinds.flatMap((waitsFor) => (planned[waitsFor] ?? []).map((aspect) => ({ aspect, waitsFor }))),
  ]
}

const awaitedKinds = Object.keys(awaited).filter(isAwaited)

function isAwaited(text: string): text is Awaited {
  return Object.hasOwn(awaited, text)
}

/** What a configuration or a command can ask for today. */
const byHand: readonly Aspect[] = [
  ...['10.244.1.10', '10.244.2.10'].map(
    (server): Aspect => ({ check: 'dns', protocol: 'dns', path: 'dns-pod', vantage: 'pod', server }),
  ),
  { check: 'icmp', protocol: 'icmp', path: 'node', vantage: 'pod' },
  { check: 'name', protocol: 'http', path: 'name', vantage: 'pod' },
  { check: 'name-kept', protocol: 'udp', path: 'name', vantage: 'pod', socket: 'kept' },
  { check: 'udp-kept', protocol: 'udp', ...pod, socket: 'kept' },
  { check: 'udp-marked', protocol: 'udp', ...pod },
  { check: 'udp-volley', protocol: 'udp', ...pod },
  ownAspect('clock'),
]

/** What responders at both ends show together (explain/arrivals.ts). */
const byDirection = (['forward', 'return'] as const).map(
  (direction): Aspect => ({ check: 'udp', protocol: 'udp', ...pod, direction }),
)

/** What agents collect once something fails. */
const onDemand: readonly Aspect[] = Object.values(proofs).flatMap(({ subject }) =>
  subject === undefined ? [] : families.map((family) => proofAspect(subject, family)),
)
