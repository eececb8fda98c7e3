import { readFileSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { parseDurationMs, ScoutError } from '@scout/core'
import { parse } from 'yaml'
import { z } from 'zod'
import { mountedNamespace } from '../kubernetes/service-account.ts'
import { ipAddress, responderPort, type writtenPeer, writtenPeers } from '../peers/peer.ts'
import type { Check } from '../plan/check.ts'
import { anyAddress } from './any-address.ts'
import { clusterDomain } from './cluster-domain.ts'
import { type DiscoveryKind, kindFor, lagMs } from './discovery-kind.ts'
import { explainError, explainMisfit } from './misfit.ts'
import { type Setting, settingsOf } from './settings.ts'
import { defaultChecks, parseWrittenCheck, writtenCheck } from './written-check.ts'

/** Only for those who read the schema: the sentences of `parseDurationMs` say more than that a pattern does not match. */
const durationPattern = String.raw`^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$`

const duration = (least: string, most: string) =>
  z
    .string()
    .meta({ pattern: durationPattern })
    .transform((text, context) => {
      try {
        const ms = parseDurationMs(text)
        if (ms >= parseDurationMs(least) && ms <= parseDurationMs(most)) return ms
        context.addIssue({ code: 'custom', message: `"${text}" is not between ${least} and ${most}` })
      } catch (error) {
        if (!(error instanceof ScoutError)) throw error
        context.addIssue({ code: 'custom', message: error.message })
      }
      return z.NEVER
    })

const port = z.int().min(0).max(65_535)
const listen = (defaultPort: number) => ({
  host: z
    .string()
    .default(() => anyAddress())
    .describe('address to listen on; :: takes both families and is the default where this host has IPv6'),
  port: port.default(defaultPort).describe('0 lets the host choose'),
})

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
    .array(ipAddress)
    .default(() => ownAddresses())
    .describe('its own addresses; those of its interfaces unless given'),
  hostAddresses: z.array(ipAddress).default([]).describe('addresses of its node'),
  log: z.enum(['json', 'text']).default('json').describe('json for machines; text prints peers and every probe'),
  level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('least level of the json log; debug has every attempt'),
  interval: duration('10ms', '24h').default(10_000).describe('time between two attempts of one check on one peer'),
  timeout: duration('1ms', '10m').default(3_500).describe('deadline of checks that set none'),
  settle: duration('0s', '10m')
    .optional()
    .describe(
      'a failure counts when its peer is still ready so long after; 5s, or 40s with dns, as long as it takes to tell that one is gone, unless given',
    ),
  grace: duration('0s', '10m').default(2_000).describe('time to go on answering after the goodbye to all peers'),
  maxInFlight: z.int().min(1).default(256).describe('attempts under way at once'),
  console: z.strictObject(listen(8080)).prefault({}).describe('page, API and metrics'),
  responder: z
    .strictObject({
      ...listen(responderPort),
      key: z.string().default('').describe('secret shared by all agents, for UDP'),
    })
    .prefault({})
    .describe('what peers probe: HTTP and TCP, and UDP on the same port'),
  discovery: z
    .enum(['auto', 'kubernetes', 'dns', 'static'])
    .default('auto')
    .describe(
      'where peers come from; auto: the list if there is one, else Kubernetes if it is to be had, else dns in a pod',
    ),
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
  peers: writtenPeers.default([]).describe('peers that never change'),
  checks: z
    .record(z.string(), writtenCheck)
    .optional()
    .describe('what is probed, by name; every peer by every protocol, and dns in a cluster, unless given'),
})

export type Config = Omit<
  z.output<typeof configSchema>,
  'checks' | 'node' | 'discovery' | 'interval' | 'timeout' | 'settle' | 'grace'
> & {
  readonly node: string
  readonly discovery: DiscoveryKind
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
  /** Given by flags, beside those of the file. */
  readonly peers?: readonly z.input<typeof writtenPeer>[]
  /** Where the domain of the cluster is read, instead of /etc/resolv.conf. */
  readonly resolvConf?: string
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
export function loadConfig({ file, environment, flags, peers = [], resolvConf }: ConfigSources): LoadedConfig {
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
  const { peers: listed = [] } = written
  if (peers.length > 0 && Array.isArray(listed)) {
    const fromFile: readonly unknown[] = listed
    written['peers'] = [...fromFile, ...peers]
    origins.set('peers', [...(origins.has('peers') ? [file] : []), '--peer'].join(' and '))
  }
  const parsed = configSchema.safeParse(written, { reportInput: true })
  if (!parsed.success) {
    const message = explainMisfit(parsed.error, configSchema, (path) => placeOf(path, origins))
    throw new ScoutError('invalid-option', message)
  }
  const domain = clusterDomain(resolvConf)
  if (parsed.data.checks === undefined && domain === undefined)
    origins.set('checks', 'default without dns, since resolv.conf names no domain of a cluster')
  const { checks = defaultChecks(domain), node, interval, timeout, settle, grace, ...rest } = parsed.data
  if (rest.peersFile !== undefined && rest.peers.length > 0) {
    const places = `peers${placeOf(['peers'], origins)} and peersFile${placeOf(['peersFile'], origins)}`
    throw new ScoutError('invalid-option', `settings ${places} exclude each other: name all peers in one of them`)
  }
  // Nobody probes an agent that looks at a cluster from outside, and kubectl proxy may have the usual port.
  const isGuest = rest.kubeApi !== undefined && !origins.has('responder.port')
  if (isGuest) origins.set('responder.port', 'any, because of kubeApi')
  const namespace = rest.namespace ?? mountedNamespace()
  const discovery = rest.discovery === 'auto' ? kindFor({ ...rest, namespace }, environment) : rest.discovery
  const defaults = { options: { timeout: `${timeout}ms`, key: rest.responder.key }, domain }
  return {
    config: {
      ...rest,
      node: node ?? rest.name,
      namespace,
      discovery,
      responder: isGuest ? { ...rest.responder, port: 0 } : rest.responder,
      intervalMs: interval,
      timeoutMs: timeout,
      settleMs: settle ?? lagMs[discovery],
      graceMs: grace,
      checks: Object.entries(checks).map(([name, check]) => {
        try {
          return parseWrittenCheck(name, check, defaults)
        } catch (error) {
          if (!(error instanceof ScoutError)) throw error
          const { code, message } = error
          throw new ScoutError(code, `check ${name}${placeOf(['checks', name], origins)}: ${message}`, { cause: error })
        }
      }),
    },
    origins,
  }
}

function readFile(path: string): Record<string, unknown> {
  let content: unknown
  try {
    content = parse(readFileSync(path, 'utf8')) ?? {}
  } catch (cause) {
    throw new ScoutError('invalid-option', `cannot read the configuration ${path}: ${explainError(cause)}`, { cause })
  }
  if (!isRecord(content))
    throw new ScoutError('invalid-option', `the configuration ${path} is not a list of "name: value" pairs`)
  return content
}

/** ` (from SCOUT_CONSOLE_PORT)`: where a setting was written, or a part of it, or else what it belongs to. */
function placeOf(path: readonly PropertyKey[], origins: ReadonlyMap<string, string>): string {
  const isWithin = (inner: string, outer: string) => inner === outer || inner.startsWith(`${outer}.`)
  for (let length = path.length; length > 0; length--) {
    const setting = path.slice(0, length).join('.')
    const found = [...origins].find(([known]) => isWithin(setting, known) || isWithin(known, setting))
    if (found !== undefined) return ` (from ${found[1]})`
  }
  return ''
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
