import { lookup } from 'node:dns/promises'
import { isIP, SocketAddress } from 'node:net'
import type { Endpoint, Family } from '../../model/endpoint.ts'
import { FailureError, isSystemError } from '../../model/failure.ts'

export type FamilyChoice = Family | 'any'

/** Turns a name into one address, as applications of this host do; rejects with a `FailureError` of reason `unresolved`. */
export type ResolveName = (
  name: string,
  family: FamilyChoice,
) => Promise<{ readonly address: string; readonly family: Family }>

/** The endpoint of a host that is written as an address, brought to its canonical form; undefined when it is a name. */
export function literalEndpoint(host: string, choice: FamilyChoice, port: number | undefined): Endpoint | undefined {
  const version = isIP(host)
  if (version === 0) return undefined
  const mapped = version === 6 ? mappedIpv4(host) : undefined
  const address = mapped ?? host
  const family = version === 4 || mapped !== undefined ? 'ipv4' : 'ipv6'
  if (choice !== 'any' && choice !== family) {
    throw new FailureError(
      'unresolved',
      `${host} is an ${label(family)} address, but only ${label(choice)} was asked for`,
    )
  }
  return { host, address: canonicalAddress(address, family), family, ...(port === undefined ? {} : { port }) }
}

/** IPv4 written as IPv6 (RFC 4291 §2.5.5.2), which a socket of IPv6 alone cannot reach. */
function mappedIpv4(host: string): string | undefined {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)?.[1]
}

/** As the kernel writes it (RFC 5952 §4), since answers are matched by their source. The zone stays. */
function canonicalAddress(host: string, family: Family): string {
  // Of IPv4 there is one way to write an address that isIP accepts.
  if (family === 'ipv4') return host
  const [address = host, zone] = host.split('%')
  const canonical = new SocketAddress({ address, family }).address
  return zone === undefined ? canonical : `${canonical}%${zone}`
}

/** getaddrinfo: hosts file, search list and all. A thread of libuv's pool waits for it. */
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
      return 'ENOTFOUND (the name servers know no such name: check its spelling, namespace and search domains)'
    case 'EAI_AGAIN':
      return 'EAI_AGAIN (no name server answered: check /etc/resolv.conf and try "scout-probe dns")'
    default:
      return code
  }
}

function label(family: Family): string {
  return family === 'ipv4' ? 'IPv4' : 'IPv6'
}
