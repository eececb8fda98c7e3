import { readFileSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import {
  nearest,
  optionsOf,
  parseDurationMs,
  parseWrittenOptions,
  probeNamed,
  ScoutError,
  writtenName,
} from '@scout/core'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Check, defaultTargets } from './check.ts'
import { mountedNamespace } from './discovery/service-account.ts'
import { writtenPeer } from './peer.ts'
import { type Setting, settingsOf } from './settings.ts'

const duration = z.string().transform((text, context) => {
  try {
    return parseDurationMs(text)
  } catch (error) {
    if (!(error instanceof ScoutError)) throw error
    context.addIssue({ code: 'custom', message: error.message })
    return z.NEVER
  }
})

const port = z.int().min(0).max(65_535)
const listen = (defaultPort: number) => ({
  host: z.string().default('::').describe('address to listen on; :: takes both families'),
  port: port.default(defaultPort).describe('0 lets the host choose'),
})

const defaultChecks = {
  http: { probe: 'http', keepBytes: 256 },
  'http-large': { probe: 'http', target: 'http://{host}:{port}/bytes?size=65536' },
  tcp: { probe: 'tcp' },
  udp: { probe: 'udp' },
  'udp-large': { probe: 'udp', payloadBytes: 1400 },
  icmp: { probe: 'icmp' },
  dns: { probe: 'dns' },
}

const writtenCheck = z.looseObject({ probe: z.string(), target: z.string().optional() })

/** The whole configuration as it is written: the one place for names, meanings and defaults. */
export const configSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .default(() => hostname())
    .describe('name of this agent, unique among its peers'),
  namespace: z
    .string()
    .optional()
    .describe('namespace of its pod, and of its peers; that of its service account unless given'),
  node: z.string().min(1).optional().describe('node it runs on; its name unless given'),
  zone: z.string().optional().describe('zone of its node'),
  addresses: z
    .array(z.string())
    .default(() => ownAddresses())
    .describe('its own addresses; those of its interfaces unless given'),
  hostAddresses: z.array(z.string()).default([]).describe('addresses of its node'),
  log: z.enum(['json', 'text']).default('json').describe('json for machines; text prints peers and every probe'),
  level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('least level of the json log; debug has every attempt'),
  interval: duration.default(10_000).describe('time between two attempts of one check on one peer'),
  timeout: duration.default(3_500).describe('deadline of checks that set none'),
  settle: duration
    .default(5_000)
    .describe(
      'a failure counts when its peer is still ready so long after; longer than discovery takes to tell that one is gone',
    ),
  grace: duration.default(2_000).describe('time to go on answering after the goodbye to all peers'),
  maxInFlight: z.int().min(1).default(256).describe('attempts under way at once'),
  console: z.strictObject(listen(8080)).prefault({}).describe('page, API and metrics'),
  responder: z
    .strictObject({ ...listen(8081), key: z.string().default('').describe('secret shared by all agents, for UDP') })
    .prefault({})
    .describe('what peers probe: HTTP and TCP, and UDP on the same port'),
  discovery: z
    .enum(['auto', 'kubernetes', 'dns', 'static'])
    .default('auto')
    .describe('where peers come from; auto: the list if there is one, else Kubernetes if it is to be had'),
  service: z.string().min(1).default('scout').describe('headless service all agents are behind; a whole name for dns'),
  kubeApi: z
    .string()
    .optional()
    .describe('API server without credentials: http://127.0.0.1:8081 of kubectl proxy --port=8081'),
  kubeconfig: z.string().optional().describe('kubeconfig file; those of KUBECONFIG or ~/.kube/config unless given'),
  context: z.string().optional().describe('context of the kubeconfig; its current one unless given'),
  nodeConditions: z
    .boolean()
    .default(false)
    .describe('watch the conditions of nodes; needs the right to, cluster-wide'),
  peersFile: z.string().optional().describe('YAML list of peers, read again when it changes'),
  peers: z.array(writtenPeer).default([]).describe('peers that never change'),
  checks: z.record(z.string(), writtenCheck).prefault(defaultChecks).describe('what is probed, by name'),
})

export type Config = Omit<
  z.output<typeof configSchema>,
  'checks' | 'node' | 'interval' | 'timeout' | 'settle' | 'grace'
> & {
  readonly node: string
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly settleMs: number
  readonly graceMs: number
  readonly checks: readonly Check[]
}

export interface ConfigSources {
  readonly file?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly flags: readonly Setting[]
}

export interface LoadedConfig {
  readonly config: Config
  /** Where each setting that is not a default comes from, by its path. */
  readonly origins: ReadonlyMap<string, string>
}

/**
 * File, then environment, then flags.
 * @throws {ScoutError} with one sentence that names the setting, where it comes from and the remedy.
 */
export function loadConfig({ file, environment, flags }: ConfigSources): LoadedConfig {
  const written = file === undefined ? {} : readFile(file)
  const origins = new Map(leafPaths(written).map((path) => [path, file ?? '']))
  const fromEnvironment = settingsOf(configSchema).flatMap(({ path, variable }) => {
    const text = environment[variable]
    return text === undefined ? [] : [{ path, text, origin: variable }]
  })
  const kinds = new Map(settingsOf(configSchema).map((setting) => [setting.path, setting]))
  for (const { path, text, origin } of [...fromEnvironment, ...flags]) {
    const known = kinds.get(path)
    assign(written, path.split('.'), known === undefined ? text : known.read(text))
    origins.set(path, origin)
  }
  const parsed = configSchema.safeParse(written)
  if (!parsed.success) throw misuse(parsed.error, origins)
  const { checks, node, interval, timeout, settle, grace, ...rest } = parsed.data
  // Nobody probes an agent that looks at a cluster from outside, and kubectl proxy may have the usual port.
  const isGuest = rest.kubeApi !== undefined && !origins.has('responder.port')
  if (isGuest) origins.set('responder.port', 'any, because of kubeApi')
  const defaults = { timeout: `${timeout}ms`, key: rest.responder.key }
  return {
    config: {
      ...rest,
      node: node ?? rest.name,
      namespace: rest.namespace ?? mountedNamespace(),
      responder: isGuest ? { ...rest.responder, port: 0 } : rest.responder,
      intervalMs: interval,
      timeoutMs: timeout,
      settleMs: settle,
      graceMs: grace,
      checks: Object.entries(checks).map(([name, check]) => toCheck(name, check, defaults)),
    },
    origins,
  }
}

type WrittenCheck = z.output<typeof writtenCheck>

/** What the whole configuration says once holds for every check whose probe has such an option. */
function toCheck(
  name: string,
  { probe: protocol, target, ...written }: WrittenCheck,
  defaults: Record<string, unknown>,
): Check {
  const probe = probeNamed(protocol)
  const known = new Set(Object.keys(optionsOf(probe).shape).map(writtenName))
  const options = Object.fromEntries(Object.entries(defaults).filter(([option]) => known.has(option)))
  return {
    name,
    protocol: probe.protocol,
    target: target ?? defaultTargets[probe.targetForm],
    options: parseWrittenOptions(probe, { ...options, ...written }),
  }
}

function readFile(path: string): Record<string, unknown> {
  let content: unknown
  try {
    content = parse(readFileSync(path, 'utf8')) ?? {}
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ScoutError('invalid-option', `cannot read the configuration ${path}: ${why}`, { cause })
  }
  if (!isRecord(content))
    throw new ScoutError('invalid-option', `the configuration ${path} is not a list of "name: value" pairs`)
  return content
}

function misuse(error: z.ZodError, origins: ReadonlyMap<string, string>): ScoutError {
  const [issue] = error.issues
  const path = issue?.path.join('.') ?? ''
  const origin = origins.get(path) ?? [...origins].find(([known]) => known.startsWith(path))?.[1]
  const place = origin === undefined ? '' : ` (from ${origin})`
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const known = knownKeys(issue.path)
    const near = nearest(key, known)
    const hint = near === undefined ? `known here: ${known.join(', ')}` : `did you mean ${near}?`
    return new ScoutError('unknown-option', `there is no setting "${[...issue.path, key].join('.')}"${place}: ${hint}`)
  }
  return new ScoutError('invalid-option', `setting ${path}${place}: ${issue?.message ?? error.message}`)
}

function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return Object.keys(configSchema.shape)
  const prefix = `${path.join('.')}.`
  return settingsOf(configSchema).flatMap((setting) =>
    setting.path.startsWith(prefix) ? [setting.path.slice(prefix.length)] : [],
  )
}

function leafPaths(value: unknown, path = ''): readonly string[] {
  if (!isRecord(value)) return [path]
  return Object.entries(value).flatMap(([key, inner]) => leafPaths(inner, path === '' ? key : `${path}.${key}`))
}

function assign(into: Record<string, unknown>, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    into[key] = value
    return
  }
  const inner = into[key]
  const next = isRecord(inner) ? inner : {}
  into[key] = next
  assign(next, rest, value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function ownAddresses(): string[] {
  const isGlobal = ({ internal, address }: { internal: boolean; address: string }) =>
    !internal && !/^fe[89ab]/i.test(address)
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).filter(isGlobal).map(({ address }) => address))
}
