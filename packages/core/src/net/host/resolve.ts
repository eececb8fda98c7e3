import { lookup } from 'node:dns/promises'
import { isIP, SocketAddress } from 'node:net'
import type { Endpoint, Family } from '../../model/endpoint.ts'
import { FailureError, isSystemError } from '../../model/failure.ts'

export type FamilyChoice = Family | 'any'

/** Resolves a name to one address, as applications on this host do. Rejects with a `FailureError` of reason `unresolved`. */
export type ResolveName = (
  name: string,
  family: FamilyChoice,
) => Promise<{ readonly address: string; readonly family: Family }>

/** Returns the endpoint of a host that is an address, in canonical form; undefined if the host is a name. */
export function literalEndpoint(host: string, choice: FamilyChoice, port: number | undefined): Endpoint | undefined {
  const version = isIP(host)
  if (version === 0) return undefined
  const mapped = version === 6 ? mappedIpv4(host) : undefined
  const address = mapped ?? host
  const family = version === 4 || mapped !== undefined ? 'ipv4' : 'ipv6'
  if (choice !== 'any' && choice !== family) {
    throw new FailureError('unresolved', `${host} is an ${label(family)} address, but ${label(choice)} was requested`)
  }
  return { host, address: canonicalAddress(address, family), family, ...(port === undefined ? {} : { port }) }
}

/** Returns the IPv4 address in an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2), which an IPv6-only socket cannot reach. */
function mappedIpv4(host: string): string | undefined {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1]
}

/** Returns an address as the kernel writes it (RFC 5952 §4), because answers are matched by their source. Keeps the zone. */
function canonicalAddress(host: string, family: Family): string {
  // isIP accepts only one way to write an IPv4 address.
  if (family === 'ipv4') return host
  const [address = host, zone] = host.split('%')
  const canonical = new SocketAddress({ address, family }).address
  return zone === undefined ? canonical : `${canonical}%${zone}`
}

/** Resolves with getaddrinfo, including the hosts file and search list. Blocks a thread of libuv's pool. */
export const resolveBySystem: ResolveName = async (name, family) => {
  try {
    const found = await lookup(name, { family: family === 'any' ? 0 : family === 'ipv4' ? 4 : 6, order: 'verbatim' })
    return { address: found.address, family: found.family === 6 ? 'ipv6' : 'ipv4' }
  } catch (error) {
    if (!isSystemError(error)) throw error
    const wanted = family === 'any' ? 'address' : `${label(family)} address`
    throw new FailureError('unresolved', `cannot resolve ${name} to an ${wanted}: ${explain(error.code)}`, {
      cause: error,
      code: error.code,
    })
  }
}

function explain(code: string): string {
  switch (code) {
    case 'ENOTFOUND':
      return 'ENOTFOUND (no such name: check its spelling, namespace and search domains)'
    case 'EAI_AGAIN':
      return 'EAI_AGAIN (no name server answered: check /etc/resolv.conf and try "scout-probe dns")'
    default:
      return code
  }
}

function label(family: Family): string {
  return family === 'ipv4' ? 'IPv4' : 'IPv6'
}
