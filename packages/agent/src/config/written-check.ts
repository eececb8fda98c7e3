import {
  optionsOf,
  parseTarget,
  parseWrittenOptions,
  probeNamed,
  probes,
  responderPort,
  ScoutError,
  type Shape,
  settingsOf,
  type TargetForm,
  writtenDuration,
  writtenShape,
  writtenValue,
} from '@scout/core'
import { z } from 'zod'
import type { Peer } from '../peers/peer.ts'
import { type Check, targetAt } from '../plan/check.ts'

/** A check as a person writes it: its probe, what it is aimed at, and any option of the probe. */
export const writtenCheck = z.looseObject({ probe: z.string(), target: z.string().optional() })

/** The JSON schema of one check: each probe takes its own options and no others. */
export function writtenCheckShape(): Shape {
  const { properties: own = {}, ...base } = writtenShape(writtenCheck)
  const branches = Object.values(probes).map((probe) => ({
    if: { properties: { probe: { const: probe.protocol } }, required: ['probe'] },
    // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON schema
    then: { properties: { ...own, ...writtenShape(optionsOf(probe)).properties }, additionalProperties: false },
  }))
  return { ...base, properties: { ...own, probe: { enum: Object.keys(probes) } }, allOf: branches }
}

type WrittenChecks = Readonly<Record<string, z.output<typeof writtenCheck>>>

/**
 * Returns the checks of a configuration without any. DNS is among them only inside a cluster whose domain is known: elsewhere no name is
 * certain to exist, and the check would always fail.
 */
function defaultChecks(domain: string | undefined): WrittenChecks {
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

interface CheckPlace {
  /** That of the cluster, where there is one. */
  readonly domain: string | undefined
  /** Returns where a check was written, as ` (from FILE)`. */
  originOf(name: string): string
}

interface GeneralSettings {
  readonly checks?: WrittenChecks | undefined
  readonly timeoutMs: number
  readonly responder: { readonly key: string }
}

/**
 * Returns the configured checks, or the default ones, with the general timeout and key where they set none.
 * @throws {ScoutError} for any misuse, now and not with the first packet: the first peer may be far away.
 */
export function parseChecks(
  { checks, timeoutMs, responder }: GeneralSettings,
  { domain, originOf }: CheckPlace,
): readonly Check[] {
  const shared = { timeout: writtenDuration(timeoutMs), key: responder.key }
  return Object.entries(checks ?? defaultChecks(domain)).map(([name, check]) => {
    try {
      return parseWrittenCheck(name, check, { shared, domain })
    } catch (error) {
      if (!(error instanceof ScoutError)) throw error
      throw new ScoutError(error.code, `check ${name}${originOf(name)}: ${error.message}`, { cause: error })
    }
  })
}

/** Returns a check as a person would write it, without secrets. */
export function shownCheck({ protocol, target, options }: Check): object {
  return {
    probe: protocol,
    target,
    ...z.record(z.string(), z.unknown()).parse(writtenValue(optionsOf(probeNamed(protocol)), options)),
  }
}

/** Someone, and an address of documentation (RFC 5737), that a target can be aimed at before any peer is known. */
const anyone: Peer = { id: '', name: 'peer', node: 'node', addresses: [], port: responderPort, state: 'ready' }
const someAddress = '192.0.2.1'

function parseWrittenCheck(
  name: string,
  { probe: protocol, target, ...written }: z.output<typeof writtenCheck>,
  { shared, domain }: { readonly shared: Readonly<Record<string, unknown>>; readonly domain: string | undefined },
): Check {
  const probe = probeNamed(protocol)
  const known = new Set(settingsOf(optionsOf(probe)).map((option) => option.name))
  const options = Object.fromEntries(Object.entries(shared).filter(([option]) => known.has(option)))
  const check = {
    name,
    protocol: probe.protocol,
    target: target ?? defaultTargets(domain)[probe.targetForm],
    options: parseWrittenOptions(probe, { ...options, ...written }),
  }
  parseTarget(probe.targetForm, targetAt(check, anyone, someAddress), { nameServer: () => someAddress })
  return check
}
