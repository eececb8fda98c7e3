import { optionsOf, parseTarget, parseWrittenOptions, probeNamed, type TargetForm, writtenName } from '@scout/core'
import { z } from 'zod'
import { type Peer, responderPort } from '../peers/peer.ts'
import { type Check, targetAt } from '../plan/check.ts'

/** A check as a person writes it: its probe, what it is aimed at, and any option of the probe. */
export const writtenCheck = z.looseObject({ probe: z.string(), target: z.string().optional() })

type WrittenChecks = Readonly<Record<string, z.output<typeof writtenCheck>>>

/**
 * What is probed unless the configuration says otherwise. DNS only in a cluster, the domain of which is known: anywhere else there is no
 * name that every name server has to know, and the check would fail for ever.
 */
export function defaultChecks(domain: string | undefined): WrittenChecks {
  return { ...checksOfPeers, ...(domain === undefined ? {} : { dns: { probe: 'dns' } }) }
}

const checksOfPeers = {
  http: { probe: 'http', keepBytes: 256 },
  'http-large': { probe: 'http', target: 'http://{host}:{port}/bytes?size=65536' },
  tcp: { probe: 'tcp' },
  udp: { probe: 'udp' },
  'udp-large': { probe: 'udp', payloadBytes: 1400 },
  icmp: { probe: 'icmp' },
} as const satisfies WrittenChecks

/** The targets of checks that do not say otherwise. */
function defaultTargets(domain = 'cluster.local'): Readonly<Record<TargetForm, string>> {
  return {
    host: '{host}',
    'host:port': '{host}:{port}',
    url: 'http://{host}:{port}/',
    'name@server': `kubernetes.default.svc.${domain}`,
  }
}

interface CheckDefaults {
  /** Options of every check whose probe has such. */
  readonly options: Readonly<Record<string, unknown>>
  /** That of the cluster, where there is one. */
  readonly domain: string | undefined
}

/** Someone, and an address of documentation (RFC 5737), that a target can be aimed at before any peer is known. */
const anyone: Peer = { id: '', name: 'peer', node: 'node', addresses: [], port: responderPort, state: 'ready' }
const someAddress = '192.0.2.1'

/**
 * The check called `name`.
 * @throws {ScoutError} for any misuse, now and not with the first packet: the first peer may be far away.
 */
export function parseWrittenCheck(
  name: string,
  { probe: protocol, target, ...written }: z.output<typeof writtenCheck>,
  defaults: CheckDefaults,
): Check {
  const probe = probeNamed(protocol)
  const known = new Set(Object.keys(optionsOf(probe).shape).map(writtenName))
  const options = Object.fromEntries(Object.entries(defaults.options).filter(([option]) => known.has(option)))
  const check = {
    name,
    protocol: probe.protocol,
    target: target ?? defaultTargets(defaults.domain)[probe.targetForm],
    options: parseWrittenOptions(probe, { ...options, ...written }),
  }
  parseTarget(probe.targetForm, targetAt(check, anyone, someAddress), { nameServer: () => someAddress })
  return check
}
