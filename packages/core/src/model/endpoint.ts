import { isIPv6 } from 'node:net'

/** IP version of an endpoint. */
export type Family = 'ipv4' | 'ipv6'

/** Address that a target resolved to. `port` is absent for protocols without ports. */
export interface Endpoint {
  readonly host: string
  readonly address: string
  readonly family: Family
  readonly port?: number
  /** Number of addresses that the name resolved to, of which this is the first; absent if none was resolved. */
  readonly addressCount?: number
}

export function familyOf(address: string): Family {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}

/** Display names of the families. */
export const familyNames = { ipv4: 'IPv4', ipv6: 'IPv6' } as const

/** Name servers of this host that applications ask at most, the limit of glibc (resolv.h, MAXNS). */
export const mostNameServers = 3

/** Default port of Scout's responders, over TCP and UDP. */
export const responderPort = 8081
