import { optionsOf, parseTarget, parseWrittenOptions, probeNamed, writtenName } from '@scout/core'
import { z } from 'zod'
import { type Check, defaultTargets, targetAt } from './check.ts'
import type { Peer } from './peer.ts'

/** A check as a person writes it: its probe, what it is aimed at, and any option of the probe. */
export const writtenCheck = z.looseObject({ probe: z.string(), target: z.string().optional() })

/** What is probed unless the configuration says otherwise. */
export const defaultChecks = {
  http: { probe: 'http', keepBytes: 256 },
  'http-large': { probe: 'http', target: 'http://{host}:{port}/bytes?size=65536' },
  tcp: { probe: 'tcp' },
  udp: { probe: 'udp' },
  'udp-large': { probe: 'udp', payloadBytes: 1400 },
  icmp: { probe: 'icmp' },
  dns: { probe: 'dns' },
} as const satisfies Record<string, z.input<typeof writtenCheck>>

/** Someone, and an address of documentation (RFC 5737), that a target can be aimed at before any peer is known. */
const anyone: Peer = { id: '', name: 'peer', node: 'node', addresses: [], port: 8081, state: 'ready' }
const someAddress = '192.0.2.1'

/**
 * The check called `name`. A default holds for every check whose probe has such an option.
 * @throws {ScoutError} for any misuse, now and not with the first packet: the first peer may be far away.
 */
export function parseWrittenCheck(
  name: string,
  { probe: protocol, target, ...written }: z.output<typeof writtenCheck>,
  defaults: Readonly<Record<string, unknown>>,
): Check {
  const probe = probeNamed(protocol)
  const known = new Set(Object.keys(optionsOf(probe).shape).map(writtenName))
  const options = Object.fromEntries(Object.entries(defaults).filter(([option]) => known.has(option)))
  const check = {
    name,
    protocol: probe.protocol,
    target: target ?? defaultTargets[probe.targetForm],
    options: parseWrittenOptions(probe, { ...options, ...written }),
  }
  parseTarget(probe.targetForm, targetAt(check, anyone, someAddress), { nameServer: () => someAddress })
  return check
}
