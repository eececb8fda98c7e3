import { isIP, isIPv4, isIPv6 } from 'node:net'
import { canonicalAddress, whyUnusable } from './address.ts'
import { dnsLabels } from './dns-name.ts'
import { ScoutError } from './errors.ts'

/** Syntax of a probe's target. */
export type TargetForm = 'host' | 'host:port' | 'host[:port]' | 'url' | 'name@server'

interface HostTarget {
  /** The target as it was written. */
  readonly text: string
  /** Address without brackets, or name. */
  readonly host: string
}

interface Targets {
  host: HostTarget
  'host:port': HostTarget & { readonly port: number }
  'host[:port]': HostTarget & { readonly port?: number }
  url: HostTarget & { readonly port: number; readonly url: URL }
  /** Name to query, and the server to query. `host` is the server. */
  'name@server': HostTarget & { readonly port: number; readonly name: string }
}

export type TargetOf<Form extends TargetForm> = Targets[Form]

/** Defaults for parts that a target may omit. */
export interface TargetDefaults {
  /** Returns the name server for a `name@server` target without a server. */
  nameServer(): string
}

interface FormEntry<Form extends TargetForm> {
  /** Names the form in help texts and docs. */
  readonly about: string
  /** Two example targets, for help texts and docs. */
  readonly examples: readonly [string, string]
  /** Default target of a check, with the placeholders of `checks/check.ts`. */
  readonly template: string
  readonly parse: (text: string, defaults: TargetDefaults) => TargetOf<Form>
}

/** Everything about each target form. Help, docs, checks and configuration derive from this table. */
export const targetForms: { readonly [Form in TargetForm]: FormEntry<Form> } = {
  host: {
    about: 'address or name',
    examples: ['10.244.1.31', 'fd00:10:244:1::31'],
    template: '{host}',
    parse: (text) => ({ text, host: parseHost(text, text) }),
  },

  'host:port': {
    about: 'host:port',
    examples: ['10.244.1.31:8081', '[fd00:10:244:1::31]:8081'],
    template: '{host}:{port}',
    parse(text) {
      const { host, port } = splitHostPort(text)
      if (port === undefined) throw invalid(text, `the port is missing: write ${bracketed(host)}:8081`)
      return { text, host, port }
    },
  },

  'host[:port]': {
    about: 'address or name, or host:port',
    examples: ['10.244.1.31', '10.244.1.31:8081'],
    template: '{host}:{port}',
    parse: (text) => ({ text, ...splitHostPort(text) }),
  },

  url: {
    about: 'URL (default scheme: http)',
    examples: ['http://10.244.1.31:8081/', 'https://example.com/'],
    template: '{base}/',
    parse(text) {
      const { scheme, host: written, portDigits, rest } = urlParts(text)
      if (portDigits === '') throw invalid(text, 'the port is missing after the colon')
      const { bare, zone } = splitUrlZone(written)
      const plain = `${scheme}://${bare}${portDigits === undefined ? '' : `:${portDigits}`}${rest}`
      if (!URL.canParse(plain))
        throw invalid(text, 'it is not a URL: write http://10.244.1.31:8081/ (with an IPv6 address in brackets)')
      const url = new URL(plain)
      if (url.protocol !== 'http:' && url.protocol !== 'https:')
        throw invalid(text, `the scheme ${scheme} is not supported: use http or https`)
      // The URL standard takes 010.9.0.2 for 8.9.0.2 and 10.9 for 10.0.0.9 (https://url.spec.whatwg.org/#concept-ipv4-parser).
      if (isIPv4(url.hostname) && url.hostname !== bare) throw invalid(text, notIpv4(bare))
      const host = parseHost(`${stripBrackets(url.hostname)}${zone}`, text)
      const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : parsePort(url.port, text)
      return { text, host, port, url }
    },
  },

  'name@server': {
    about: 'name, or name@server (default server: the first in /etc/resolv.conf; scout-probe asks each)',
    examples: ['kubernetes.default.svc.cluster.local', 'kubernetes.default.svc.cluster.local@10.96.0.10'],
    template: '{question}',
    parse(text, defaults) {
      const at = text.lastIndexOf('@')
      const name = at < 0 ? text : text.slice(0, at)
      const server = at < 0 ? defaults.nameServer() : text.slice(at + 1)
      // An address is valid too: a PTR query asks for its name.
      if (dnsLabels(name) === undefined && isIP(name) === 0)
        throw invalid(text, `"${name}" is not a DNS name: use labels of 1 to 63 characters, 253 in total`)
      const { host, port = 53 } = splitHostPort(server)
      return { text: at < 0 ? `${text}@${server}` : text, name, host, port }
    },
  },
}

/**
 * Parses a target as people write it.
 * @throws {ScoutError} `invalid-target` with one sentence that names the value and the remedy.
 */
export function parseTarget<Form extends TargetForm>(
  form: Form,
  text: string,
  defaults: TargetDefaults,
): TargetOf<Form> {
  return targetForms[form].parse(text.trim(), defaults)
}

/** Splits a URL, with or without a scheme. A scheme later in the text, such as in a query, is none. */
function urlParts(text: string) {
  const [, scheme = 'http', authority = '', rest = ''] = /^(?:([a-z][\w+.-]*):\/\/)?([^/?#\\]*)(.*)$/is.exec(text) ?? []
  if (authority.includes('@'))
    throw invalid(text, 'user names in URLs are not supported: set the authorization header instead')
  const [, host = authority, portDigits] = /^(\[[^\]]*\]|[^:]*):([^:]*)$/.exec(authority) ?? []
  return { scheme: scheme.toLowerCase(), host, portDigits, rest }
}

/** Separates the zone, which a URL object does not support and a Host header must not contain (RFC 6874 §3, §4). */
function splitUrlZone(host: string): { readonly bare: string; readonly zone: string } {
  const [, address, zone] = /^\[([^%\]]*)%(?:25)?([^\]]+)\]$/.exec(host) ?? []
  return address === undefined ? { bare: host, zone: '' } : { bare: `[${address}]`, zone: `%${zone}` }
}

function splitHostPort(text: string): { readonly host: string; readonly port?: number } {
  const bracketed = /^\[(?<address>[^\]]*)\](?::(?<port>.*))?$/.exec(text)?.groups
  if (bracketed !== undefined) {
    const { address = '', port } = bracketed
    if (!isIPv6(address)) throw invalid(text, `"${address}" is not an IPv6 address`)
    const host = parseHost(address, text)
    return port === undefined ? { host } : { host, port: parsePort(port, text) }
  }
  if (isIPv6(text)) return { host: parseHost(text, text) }
  const colon = text.indexOf(':')
  if (colon < 0) return { host: parseHost(text, text) }
  if (text.indexOf(':', colon + 1) >= 0)
    throw invalid(text, 'it is neither an IPv6 address nor host:port: write [fd00::1]:8081')
  return { host: parseHost(text.slice(0, colon), text), port: parsePort(text.slice(colon + 1), text) }
}

function parsePort(digits: string, text: string): number {
  if (digits === '') throw invalid(text, 'the port is missing after the colon')
  if (!/^\d+$/.test(digits)) throw invalid(text, `port "${digits}" is not a number`)
  const port = Number(digits)
  if (port < 1 || port > 65535) throw invalid(text, `port ${digits} is not between 1 and 65535`)
  return port
}

function parseHost(host: string, text: string): string {
  const bare = stripBrackets(host)
  const address = canonicalAddress(bare)
  if (address !== undefined) {
    const why = whyUnusable(address)
    if (why !== undefined) throw invalid(text, why)
    return bare
  }
  if (/^[\d.]+$/.test(bare)) throw invalid(text, notIpv4(bare))
  if (!isDnsName(bare) || bare === '.') throw invalid(text, `"${host}" is neither an address nor a host name`)
  return bare
}

function notIpv4(host: string): string {
  return `"${host}" is not an IPv4 address: write four numbers from 0 to 255 without leading zeros`
}

function stripBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

// The lengths are those of RFC 1035 §2.3.4. Underscores are allowed because service names contain them (RFC 8552).
function isDnsName(name: string): boolean {
  if (name === '.') return true
  const relative = name.endsWith('.') ? name.slice(0, -1) : name
  return (
    relative.length <= 253 &&
    relative.split('.').every((label) => /^[A-Za-z0-9_*](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label))
  )
}

/** Puts an IPv6 address in brackets, as ports and URLs need it; returns any other host unchanged. */
export function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host
}

/** Formats a host and port as `10.0.0.1:80` or `[fd00::1]:80`. */
export function formatHostPort(host: string, port: number): string {
  return `${bracketed(host)}:${port}`
}

function invalid(text: string, why: string): ScoutError {
  return new ScoutError('invalid-target', `cannot probe "${text}": ${why}`)
}

/** Returns the host in any target, without brackets: `10.244.1.31` in `http://10.244.1.31:8081/bytes`. For showing and comparing only. */
export function hostIn(target: string): string {
  return target
    .replace(/^\w+:\/\//, '')
    .replace(/[/?#].*$/, '')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
}
