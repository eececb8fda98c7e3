import { isIPv6 } from 'node:net'
import {
  type Check,
  type CheckDefaults,
  type CheckDefinition,
  catalogue,
  makeCheck,
  optionsOf,
  parseWrittenOptions,
  probeNamed,
  probes,
  ScoutError,
  type Shape,
  targetAt,
  writtenDuration,
  writtenName,
  writtenShape,
  writtenValue,
} from '@scout/core'
import { z } from 'zod'

const dayMs = 86_400_000

/** A check as users write it: its probe, target and interval, and any options of the probe. */
export const writtenCheck = z.looseObject({
  probe: z.string(),
  target: z.string().optional(),
  path: z.enum(['pod', 'node']).optional().describe('address of a peer to probe: its pod or its node'),
  intervalMs: z.number().min(10).max(dayMs).optional().describe('time between attempts'),
})

/** Returns the JSON schema of one check: each probe accepts only its own options. */
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

interface CheckPlace {
  /** Domain of the cluster; undefined outside clusters. */
  readonly domain: string | undefined
  /** Address of the Service `kubernetes`; undefined outside clusters. */
  readonly apiServer: string | undefined
  /** Returns the source of a check, as ` (from FILE)`. */
  originOf(name: string): string
}

interface GeneralSettings {
  readonly checks?: WrittenChecks | undefined
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly responder: { readonly key: string }
}

/**
 * Returns the configured checks (default: those of the catalogue), with the general interval, timeout and key where they set none. The
 * catalogue's dns check is included only inside a cluster with a known domain: elsewhere no name is certain to exist, and the check would
 * always fail.
 * @throws {ScoutError} for any misuse, before the first peer appears, which may take a long time.
 */
export function parseChecks(
  settings: GeneralSettings,
  { domain, apiServer = '', originOf }: CheckPlace,
): readonly Check[] {
  const { checks, intervalMs, timeoutMs, responder } = settings
  const options = { timeoutMs, key: responder.key }
  if (checks === undefined) {
    // The name of the Service `kubernetes` has a record for each of its addresses, and they are of one family.
    const defaults = { intervalMs, options: isIPv6(apiServer) ? { ...options, type: 'AAAA' } : options }
    return catalogue
      .filter(({ protocol }) => protocol !== 'dns' || domain !== undefined)
      .map((definition) => checkOf(definition, domain, defaults))
  }
  return Object.entries(checks).map(([name, check]) => {
    try {
      return checkOf(definitionOf(name, check), domain, { intervalMs, options })
    } catch (error) {
      if (!(error instanceof ScoutError)) throw error
      throw new ScoutError(error.code, `check ${name}${originOf(name)}: ${error.message}`, { cause: error })
    }
  })
}

/** Returns a check as a user would write it, without secrets. */
export function shownCheck({ protocol, target, path, intervalMs, options }: Check): object {
  return {
    probe: protocol,
    target,
    ...(path === 'node' ? { path } : {}),
    interval: writtenDuration(intervalMs),
    ...z.record(z.string(), z.unknown()).parse(writtenValue(optionsOf(probeNamed(protocol)), options)),
  }
}

function definitionOf(
  name: string,
  { probe: protocol, target, path, intervalMs, ...written }: z.output<typeof writtenCheck>,
): CheckDefinition {
  const parsed = parseWrittenOptions(probeNamed(protocol), written)
  // Options not written here fall back to those of all checks, then to the defaults of the probe.
  const options = Object.entries(parsed).filter(([option]) => Object.hasOwn(written, writtenName(option)))
  return { name, protocol, target, path, intervalMs, options: Object.fromEntries<unknown>(options) }
}

function checkOf(definition: CheckDefinition, domain: string | undefined, defaults: CheckDefaults): Check {
  const check = makeCheck(definition, defaults)
  const target = check.target.replaceAll('{question}', `kubernetes.default.svc.${domain ?? 'cluster.local'}`)
  if (check.path === 'node' && targetAt(check, { host: 'node', name: 'peer', node: 'node' }) === undefined) {
    throw new ScoutError(
      'invalid-option',
      `the target "${target}" cannot be used with path node, where no responder listens: use a target with {host} and a port of the node, such as {host}:10250`,
    )
  }
  return { ...check, target }
}
