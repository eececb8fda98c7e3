import { readFileSync } from 'node:fs'
import { nearest, ScoutError, settingsOf } from '@scout/core'
import { parse } from 'yaml'
import type { z } from 'zod'
import type { writtenPeer } from '../peers/peer.ts'
import { explainError } from './misfit.ts'
import { configSchema } from './schema.ts'

const prefix = 'SCOUT_'

/** Variables of programs in the agent's image that are no settings. */
const otherVariables = ['SCOUT_CONFIG', 'SCOUT_NATIVE', 'SCOUT_PROBE_ENDS_WITH_INPUT']

export type Environment = Readonly<Record<string, string | undefined>>

/** A value given outside the file, with its source. */
export interface GivenSetting {
  /** Path in the file: `console.port`. */
  readonly path: string
  readonly text: string
  readonly origin: string
}

export interface ConfigSources {
  readonly file?: string | undefined
  readonly environment: Environment
  readonly flags: readonly GivenSetting[]
  /** Peers given by flags, in addition to those of the file. */
  readonly peers?: readonly z.input<typeof writtenPeer>[]
  /** File to read the domain of the cluster from (default: /etc/resolv.conf). */
  readonly resolvConf?: string
}

/** Settings of all sources, merged, and the source of each by its path. */
export interface Written {
  readonly settings: Readonly<Record<string, unknown>>
  readonly origins: Map<string, string>
}

/** Every setting that has a flag and a variable. */
export const simpleSettings = settingsOf(configSchema).filter(({ kind }) => kind !== 'structure')

/** Returns the environment variable of a setting. */
export function variableOf({ variable }: { readonly variable: string }): string {
  return `${prefix}${variable}`
}

/** Returns a sentence for each variable that begins like a setting's and is none, with the nearest name. */
export function unknownVariables(environment: Environment): readonly string[] {
  const known = [...simpleSettings.map(variableOf), ...otherVariables]
  return Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && !known.includes(name) && !isServiceLink(name))
    .toSorted()
    .map((name) => {
      const bare = (text: string) => text.slice(prefix.length)
      const near = nearest(bare(name), known.map(bare))
      const hint = near === undefined ? 'see scout-agent --help' : `did you mean ${prefix}${near}?`
      return `ignored the environment variable ${name}, which is no setting: ${hint}`
    })
}

/** Whether Kubernetes sets the variable for a Service (https://kubernetes.io/docs/concepts/containers/container-environment/). */
function isServiceLink(name: string): boolean {
  return /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?$/.test(name)
}

/**
 * Merges the file, then the environment, then the flags.
 * @throws {ScoutError} `invalid-option` when the file cannot be read
 */
export function gather({ file, environment, flags, peers = [] }: ConfigSources): Written {
  const settings = file === undefined ? {} : readFile(file)
  const origins = new Map(leafPaths(settings).map((path) => [path, file ?? '']))
  const variables = simpleSettings.flatMap((setting): readonly GivenSetting[] => {
    const origin = variableOf(setting)
    const text = environment[origin]
    return text === undefined ? [] : [{ path: setting.name, text, origin }]
  })
  for (const { path, text, origin } of [...variables, ...flags]) {
    const setting = simpleSettings.find(({ name }) => name === path)
    // A repeated flag adds to its list.
    const before = origins.get(path) === origin ? valueAt(settings, path) : undefined
    assign(settings, path.split('.'), setting === undefined ? text : setting.read(text, before))
    origins.set(path, origin)
  }
  const { peers: listed = [] } = settings
  if (peers.length > 0 && Array.isArray(listed)) {
    const fromFile: readonly unknown[] = listed
    settings['peers'] = [...fromFile, ...peers]
    origins.set('peers', [...(origins.has('peers') ? [file] : []), '--peer'].join(' and '))
  }
  return { settings, origins }
}

/** Returns ` (from SCOUT_CONSOLE_PORT)`: the source of a setting, of a part of it, or of its group. */
export function originText(path: readonly string[], { origins }: Pick<Written, 'origins'>): string {
  const isWithin = (inner: string, outer: string) => inner === outer || inner.startsWith(`${outer}.`)
  for (let length = path.length; length > 0; length--) {
    const setting = path.slice(0, length).join('.')
    const found = [...origins].find(([known]) => isWithin(setting, known) || isWithin(known, setting))
    if (found !== undefined) return ` (from ${found[1]})`
  }
  return ''
}

/** Returns the value below a dotted path. */
export function valueAt(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((inner, step) => (isRecord(inner) ? Reflect.get(inner, step) : undefined), value)
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
