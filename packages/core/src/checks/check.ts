import { responderPort } from '../model/endpoint.ts'
import { ScoutError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import { bracketed, formatHostPort, parseTarget, targetForms } from '../model/target.ts'
import { type Protocol, probeNamed } from '../probes/index.ts'
import { optionsOf, parseOptions } from '../probes/options.ts'

/** The network namespace a check is made from: that of the agent's pod, or that of its node. */
export type Vantage = 'pod' | 'host'

/**
 * How the target of a check is addressed: a peer by the address of its pod, by that of its node, or through the proxy of an API server;
 * a name server; or by a name that the check itself gives.
 */
export type Path = 'pod' | 'node' | 'api-proxy' | 'dns-server' | 'name'

/** A probe with its options, aimed along a path, from a vantage, once an interval. */
export interface Check {
  /** Unique among the checks of an agent. */
  readonly name: string
  readonly protocol: Protocol
  /** As `parseOptions` returns them. */
  readonly options: Readonly<Record<string, unknown>>
  readonly path: Path
  readonly vantage: Vantage
  readonly intervalMs: number
  /** Target with placeholders: `{base}/bytes?size=100000`. */
  readonly target: string
  /** Bytes it sends or asks for, where it is about size. */
  readonly bytes?: number | undefined
}

/** A check as the catalogue or a configuration has it; what is left out follows from its probe. */
export interface CheckDefinition extends Pick<Check, 'name' | 'bytes'> {
  readonly protocol: string
  readonly options?: Readonly<Record<string, unknown>>
  readonly target?: string | undefined
  readonly path?: Path | undefined
  readonly vantage?: Vantage | undefined
  /** Interval as a multiple of the general one: dear checks are made less often. */
  readonly rounds?: number
  readonly intervalMs?: number | undefined
}

export interface CheckDefaults {
  /** General interval, which `rounds` counts. */
  readonly intervalMs: number
  /** Options of every check whose probe has them (a timeout, a key). */
  readonly options?: Readonly<Record<string, unknown>>
}

/** Somewhere a check can be aimed at: the values of the placeholders. A target that needs one this place lacks is not made there. */
export interface Place {
  /** Address or name, in brackets where it is IPv6. */
  readonly host?: string
  readonly port?: string
  /** Where HTTP requests to the responder begin: `http://HOST:PORT`, or the URL of a proxy to it. */
  readonly base?: string
  /** Of the peer. */
  readonly name?: string
  readonly node?: string
  /** What a name server is asked, as NAME or NAME@SERVER. */
  readonly question?: string
}

/** The place of a responder at this address. */
export function placeAt(address: string, port: number): Place {
  const authority = formatHostPort(address, port)
  return { host: bracketed(address), port: String(port), base: `http://${authority}` }
}

const ofPeers = ['host', 'port', 'base', 'name', 'node'] as const
const placeholders = [...ofPeers, 'question'] as const

/** The placeholders in a target, known or not. */
function placeholdersIn(target: string): readonly string[] {
  return Array.from(target.matchAll(/\{(\w*)\}/g), ([, key = '']) => key)
}

/** Returns the target of a check at a place; undefined where the place lacks what the target needs. */
export function targetAt({ target }: Pick<Check, 'target'>, place: Place): string | undefined {
  const needed = placeholders.filter((key) => target.includes(`{${key}}`))
  if (needed.some((key) => place[key] === undefined)) return undefined
  return needed.reduce((text, key) => text.replaceAll(`{${key}}`, place[key] ?? ''), target)
}

/** Whether the check is made for each peer, and not once. */
export function isAboutPeers({ target }: Pick<Check, 'target'>): boolean {
  return placeholdersIn(target).some((key) => ofPeers.some((one) => one === key))
}

/** Whether the check is made for each address of a peer, and not once for its name. */
export function isAboutAddresses({ target }: Pick<Check, 'target'>): boolean {
  return placeholdersIn(target).some((key) => key === 'host' || key === 'base')
}

/** An address for documentation (RFC 5737), to aim at before any peer is known. */
const someAddress = '192.0.2.1'
const someplace: Place = { ...placeAt(someAddress, responderPort), name: 'peer', node: 'node', question: 'name' }

/**
 * Makes a check of its definition, before the first peer is known: the first one may be far away.
 * @throws {ScoutError} for any misuse
 */
export function makeCheck(definition: CheckDefinition, defaults: CheckDefaults): Check {
  const {
    name,
    protocol,
    options,
    rounds = 1,
    intervalMs = rounds * defaults.intervalMs,
    vantage = 'pod',
    bytes,
  } = definition
  const probe = probeNamed(protocol)
  const known = new Set(Object.keys(optionsOf(probe).shape))
  const shared = Object.entries(defaults.options ?? {}).filter(([option]) => known.has(option))
  // What people write for a responder holds behind a proxy, too.
  const target = (definition.target ?? targetForms[probe.targetForm].template).replace(
    /^http:\/\/\{host\}:\{port\}/,
    '{base}',
  )
  refuseUnknown(target)
  const parsed = parseOptions(probe, { ...Object.fromEntries<unknown>(shared), ...options })
  const payloadBytes = parsed['payloadBytes']
  const check = {
    name,
    protocol: probe.protocol,
    options: parsed,
    path: definition.path ?? pathOf(target, probe.targetForm),
    vantage,
    intervalMs,
    target,
    bytes: bytes ?? (typeof payloadBytes === 'number' ? payloadBytes : undefined),
  }
  parseTarget(probe.targetForm, targetAt(check, someplace) ?? '', { nameServer: () => someAddress })
  return check
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
    near === undefined ? `it knows ${placeholders.map((key) => `{${key}}`).join(', ')}` : `did you mean {${near}}?`
  throw new ScoutError('invalid-target', `the target "${target}" has an unknown placeholder {${unknown}}: ${hint}`)
}
