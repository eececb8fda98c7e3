import { type mostNameServers, responderPort } from '../model/endpoint.ts'
import { ScoutError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import { bracketed, formatHostPort, parseTarget, targetForms } from '../model/target.ts'
import { type Protocol, probeNamed } from '../probes/index.ts'
import { optionsOf, parseOptions } from '../probes/options.ts'

/** Network namespace that a check probes from: the agent's pod, or its node. */
export type Vantage = 'pod' | 'host'

/** The name servers of this host, one for each that applications ask. The first one also stands for a server that a check names itself. */
export const serverPaths = ['dns-server', 'dns-server-2', 'dns-server-3'] as const satisfies {
  readonly length: typeof mostNameServers
}

/**
 * Way that a check reaches its target. A peer: by its pod's address, by its node's address, or through the API server's proxy.
 * Otherwise: a name server, one of the servers that the first name server stands for, or a name in the check itself.
 */
export type Path = 'pod' | 'node' | 'api-proxy' | (typeof serverPaths)[number] | 'dns-pod' | 'name'

/** A probe with its options, path, vantage and interval. */
export interface Check {
  /** Name, unique among the checks of an agent. */
  readonly name: string
  readonly protocol: Protocol
  /** Options as `parseOptions` returns them. */
  readonly options: Readonly<Record<string, unknown>>
  readonly path: Path
  readonly vantage: Vantage
  readonly intervalMs: number
  /** Attempts that the packet engine makes in each interval; absent if it is no stream. */
  readonly perInterval?: number | undefined
  /** Target with placeholders: `{base}/bytes?size=100000`. */
  readonly target: string
  /** Bytes it sends or requests, if its size matters. */
  readonly bytes?: number | undefined
  /** Whether its attempts share a flow: one in use, or one that is idle between them. Absent if each opens its own. */
  readonly socket?: 'kept' | 'idle' | undefined
}

/** Interval from which a kept flow is idle in between: the time after which Linux forgets a UDP flow without an answer (30 s). */
const idleFromMs = 30_000

/** A stream has so many attempts in each interval, … */
const mostPerInterval = 20

/** … but not more often than this. */
const leastSpacingMs = 500

/** A check as written in the catalogue or a configuration. Defaults follow from its probe. */
export interface CheckDefinition extends Pick<Check, 'name' | 'bytes'> {
  readonly protocol: string
  readonly options?: Readonly<Record<string, unknown>>
  readonly target?: string | undefined
  readonly path?: Path | undefined
  readonly vantage?: Vantage | undefined
  /** Interval as a multiple of the general one, so that expensive checks run less often. */
  readonly rounds?: number
  readonly intervalMs?: number | undefined
  /** Whether the packet engine makes many attempts in each interval (default: false). */
  readonly isStream?: boolean
}

export interface CheckDefaults {
  /** General interval, which `rounds` multiplies. */
  readonly intervalMs: number
  /** Options for every check whose probe supports them (a timeout, a key). */
  readonly options?: Readonly<Record<string, unknown>>
}

/** Values of the placeholders for one destination. A check is skipped there if its target needs a value that is missing. */
export interface Place {
  /** Address or name; an IPv6 address is in brackets. */
  readonly host?: string
  readonly port?: string
  /** Base URL of HTTP requests to the responder: `http://HOST:PORT`, or the URL of a proxy to it. */
  readonly base?: string
  /** Name of the peer. */
  readonly name?: string
  readonly node?: string
  /** Query for a name server, as NAME or NAME@SERVER. */
  readonly question?: string
}

/** Returns the place of a responder at this address. */
export function placeAt(address: string, port: number): Place {
  const authority = formatHostPort(address, port)
  return { host: bracketed(address), port: String(port), base: `http://${authority}` }
}

const ofPeers = ['host', 'port', 'base', 'name', 'node'] as const
const placeholders = [...ofPeers, 'question'] as const

/** Returns the names of all placeholders in a target, known or unknown. */
function placeholdersIn(target: string): readonly string[] {
  return Array.from(target.matchAll(/\{(\w*)\}/g), ([, key = '']) => key)
}

/** Returns the target of a check at a place; undefined if the place lacks a value that the target needs. */
export function targetAt({ target }: Pick<Check, 'target'>, place: Place): string | undefined {
  const needed = placeholders.filter((key) => target.includes(`{${key}}`))
  if (needed.some((key) => place[key] === undefined)) return undefined
  return needed.reduce((text, key) => text.replaceAll(`{${key}}`, place[key] ?? ''), target)
}

/** Returns whether the check asks for a name without naming a server. */
export function namesNoServer({ path, target }: Pick<Check, 'path' | 'target'>): boolean {
  return path === 'dns-server' && !target.includes('@')
}

/** Returns whether its attempts are one query each, over UDP and from a new socket. */
export function isSingleQuery({ protocol, options }: Pick<Check, 'protocol' | 'options'>): boolean {
  const { transport, parallel, keep, search } = options
  return protocol === 'dns' && transport === 'udp' && parallel === false && keep === false && search === false
}

/** Returns whether the check runs once per peer, not just once. */
export function isAboutPeers({ target }: Pick<Check, 'target'>): boolean {
  return placeholdersIn(target).some((key) => ofPeers.some((one) => one === key))
}

/** Returns whether the check runs once per address of a peer, not just once for its name. */
export function isAboutAddresses({ target }: Pick<Check, 'target'>): boolean {
  return placeholdersIn(target).some((key) => key === 'host' || key === 'base')
}

/** Documentation address (RFC 5737), used to validate targets before any peer is known. */
const someAddress = '192.0.2.1'
const someplace: Place = { ...placeAt(someAddress, responderPort), name: 'peer', node: 'node', question: 'name' }

/**
 * Creates a check from its definition. Validates it at once, because the first peer may appear much later.
 * @throws {ScoutError} for any misuse
 */
export function makeCheck(definition: CheckDefinition, defaults: CheckDefaults): Check {
  const {
    name,
    protocol,
    options,
    rounds = 1,
    intervalMs = rounds * defaults.intervalMs,
    isStream = false,
    vantage = 'pod',
    bytes,
  } = definition
  const probe = probeNamed(protocol)
  const known = new Set(Object.keys(optionsOf(probe).shape))
  const shared = Object.entries(defaults.options ?? {}).filter(([option]) => known.has(option))
  // A target written for a responder works through a proxy, too.
  const target = (definition.target ?? targetForms[probe.targetForm].template).replace(
    /^http:\/\/\{host\}:\{port\}/,
    '{base}',
  )
  refuseUnknown(target)
  const parsed = parseOptions(probe, { ...Object.fromEntries<unknown>(shared), ...options })
  const sizes = [bytes, parsed['payloadBytes'], parsed['expectBytes']]
  const check = {
    name,
    protocol: probe.protocol,
    options: parsed,
    path: definition.path ?? pathOf(target, probe.targetForm),
    vantage,
    intervalMs,
    perInterval: isStream ? streamedPerInterval(intervalMs) : undefined,
    target,
    bytes: sizes.find((size) => typeof size === 'number'),
    socket: parsed['keep'] !== true ? undefined : intervalMs < idleFromMs ? ('kept' as const) : ('idle' as const),
  }
  parseTarget(probe.targetForm, targetAt(check, someplace) ?? '', { nameServer: () => someAddress })
  return check
}

function streamedPerInterval(intervalMs: number): number {
  return Math.max(1, Math.min(mostPerInterval, Math.floor(intervalMs / leastSpacingMs)))
}

function pathOf(target: string, form: string): Path {
  if (isAboutAddresses({ target })) return 'pod'
  return form === 'name@server' && !isAboutPeers({ target }) ? 'dns-server' : 'name'
}

function refuseUnknown(target: string): void {
  const unknown = placeholdersIn(target).find((key) => !placeholders.some((known) => known === key))
  if (unknown === undefined) return
  const near = nearest(unknown, placeholders)
  const hint =
    near === undefined ? `use one of ${placeholders.map((key) => `{${key}}`).join(', ')}` : `did you mean {${near}}?`
  throw new ScoutError('invalid-target', `the target "${target}" has an unknown placeholder {${unknown}}: ${hint}`)
}
