import { isIP } from 'node:net'

/**
 * Returns a function that tells whether a Host header names this agent. In an attack by DNS rebinding, a page makes a browser send
 * requests here under a name of the attacker; an address in the header cannot come from such a page, and neither can a request without
 * the header, which only HTTP/1.0 allows.
 */
export function createHostCheck(names: readonly string[]): (host: string | undefined) => boolean {
  const own = new Set(['localhost', ...names].map(canonical))
  return (host) => {
    if (host === undefined) return true
    // A name, or an IPv6 address in brackets, then a port (RFC 9110 §7.2).
    const [, ipv6, name = ''] = /^(?:\[(.*)\]|([^:[\]]*))(?::\d*)?$/.exec(host) ?? []
    return isIP(ipv6 ?? name) !== 0 || own.has(canonical(name))
  }
}

/** Names are compared without case, and without the dot that ends a full name. */
function canonical(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

export interface OwnNames {
  readonly name: string
  readonly namespace: string | undefined
  readonly node: string
  readonly service: string
  /** Domain of the cluster; undefined outside clusters. */
  readonly domain: string | undefined
}

/** Returns the names that an agent has in its cluster: of its pod, its node and its Service, whole and shortened. */
export function ownNames({ name, namespace, node, service, domain }: OwnNames): readonly string[] {
  const steps = [
    service,
    ...(namespace === undefined ? [] : [namespace, 'svc', ...(domain === undefined ? [] : [domain])]),
  ]
  const ofService = steps.map((_, last) => steps.slice(0, last + 1).join('.'))
  return [name, node, ...ofService, ...ofService.map((service) => `${name}.${service}`)]
}
