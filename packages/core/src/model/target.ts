import { isIP, isIPv6 } from 'node:net'
import { ScoutError } from './errors.ts'

/** How the target of a probe is written. */
export type TargetForm = 'host' | 'host:port' | 'url' | 'name@server'

interface HostTarget {
  /** As it was written. */
  readonly text: string
  /** Address literal without brackets, or name. */
  readonly host: string
}

interface Targets {
  host: HostTarget
  'host:port': HostTarget & { readonly port: number }
  url: HostTarget & { readonly port: number; readonly url: URL }
  /** A name to ask for, and the server to ask. `host` is the server. */
  'name@server': HostTarget & { readonly port: number; readonly name: string }
}

export type TargetOf<Form extends TargetForm> = Targets[Form]

/** Where a target may leave something out, this is put in. */
export interface TargetDefaults {
  /** The name server asked when a `name@server` target names none. */
  nameServer(): string
}

interface FormEntry<Form extends TargetForm> {
  /** Names the form in help texts and docs. */
  readonly about: string
  /** Two targets as people write them, for help texts and docs. */
  readonly examples: readonly [string, string]
  /** How a check is aimed at a place where it does not say otherwise; `checks/check.ts` knows the placeholders. */
  readonly template: string
  readonly parse: (text: string, defaults: TargetDefaults) => TargetOf<Form>
}

/** Everything about each form of a target; help, docs, checks and configuration derive from this table. */
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
      if (port === undefined) throw invalid(text, `a port is missing: write ${bracketed(host)}:8081`)
      return { text, host, port }
    },
  },

  url: {
    about: 'URL, http:// where it has no scheme',
    examples: ['http://10.244.1.31:8081/', 'https://kubernetes.default.svc/readyz'],
    template: '{base}/',
    parse(text) {
      const written = text.includes('://') ? text : `http://${text}`
      if (!URL.canParse(written))
        throw invalid(text, 'it is not a URL: write http://10.244.1.31:8081/ (an IPv6 address in brackets)')
      const url = new URL(written)
      if (url.username !== '' || url.password !== '')
        throw invalid(text, 'a user name in the URL is not sent: give the header authorization instead')
      if (url.protocol !== 'http:' && url.protocol !== 'https:') {
        throw invalid(text, `the scheme ${url.protocol.slice(0, -1)} is not known: use http or https`)
      }
      const host = parseHost(stripBrackets(url.hostname), text)
      const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : parsePort(url.port, text)
      return { text, host, port, url }
    },
  },

  'name@server': {
    about: 'name, or name@server to ask another server than the first of /etc/resolv.conf',
    examples: ['kubernetes.default.svc.cluster.local', 'kubernetes.default.svc.cluster.local@10.96.0.10'],
    template: '{question}',
    parse(text, defaults) {
      const at = text.lastIndexOf('@')
      const name = at < 0 ? text : text.slice(0, at)
      const server = at < 0 ? defaults.nameServer() : text.slice(at + 1)
      // An address is asked for backwards (type PTR).
      if (!isDnsName(name) && isIP(name) === 0)
        throw invalid(text, `"${name}" is not a DNS name: labels of 1 to 63 characters, 253 in all`)
      const { host, port = 53 } = splitHostPort(server)
      return { text: at < 0 ? `${text}@${server}` : text, name, host, port }
    },
  },
}

/**
 * Reads a target as a person writes it.
 * @throws {ScoutError} `invalid-target` with one sentence that names the value and the remedy.
 */
export function parseTarget<Form extends TargetForm>(
  form: Form,
  text: string,
  defaults: TargetDefaults,
): TargetOf<Form> {
  return targetForms[form].parse(text.trim(), defaults)
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
    throw invalid(text, 'it is not an IPv6 address, nor host:port: write [fd00::1]:8081')
  return { host: parseHost(text.slice(0, colon), text), port: parsePort(text.slice(colon + 1), text) }
}

function parsePort(digits: string, text: string): number {
  if (digits === '') throw invalid(text, 'a port is missing after the colon')
  if (!/^\d+$/.test(digits)) throw invalid(text, `port "${digits}" is not a number`)
  const port = Number(digits)
  if (port < 1 || port > 65535) throw invalid(text, `port ${digits} is not between 1 and 65535`)
  return port
}

function parseHost(host: string, text: string): string {
  const bare = stripBrackets(host)
  if (isIP(bare) !== 0) {
    if (bare === '0.0.0.0' || bare === '::')
      throw invalid(text, `${bare} stands for every address and is none: name one`)
    return bare
  }
  if (/^[\d.]+$/.test(bare))
    throw invalid(text, `"${bare}" is not an IPv4 address: it takes four numbers from 0 to 255`)
  if (!isDnsName(bare) || bare === '.') throw invalid(text, `"${host}" is neither an address nor a host name`)
  return bare
}

function stripBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

// RFC 1035 §2.3.4 for the lengths; underscores because service names have them (RFC 8552).
function isDnsName(name: string): boolean {
  if (name === '.') return true
  const relative = name.endsWith('.') ? name.slice(0, -1) : name
  return (
    relative.length <= 253 &&
    relative.split('.').every((label) => /^[A-Za-z0-9_*](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label))
  )
}

/** `[fd00::1]`, as ports and URLs need it; anything but an IPv6 address as it is. */
export function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host
}

/** `10.0.0.1:80` and `[fd00::1]:80`. */
export function formatHostPort(host: string, port: number): string {
  return `${bracketed(host)}:${port}`
}

function invalid(text: string, why: string): ScoutError {
  return new ScoutError('invalid-target', `cannot probe "${text}": ${why}`)
}
