import { isIP, isIPv4, SocketAddress } from 'node:net'
import type { Endpoint } from './endpoint.ts'

/** An IP address in the form that Scout stores and compares. */
export type Address = Pick<Endpoint, 'address' | 'family'>

/**
 * Returns an address as the kernel writes it (RFC 5952 §4), because answers are matched by their source; undefined for any other text. An
 * IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) becomes the IPv4 address, because an IPv6-only socket cannot reach it. The zone stays.
 */
export function canonicalAddress(text: string): Address | undefined {
  const version = isIP(text)
  if (version === 0) return undefined
  // isIP accepts only one way to write an IPv4 address.
  if (version === 4) return { address: text, family: 'ipv4' }
  const { bare, zone } = splitZone(text)
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' })
  const mapped = address.replace(/^::ffff:/, '')
  if (isIPv4(mapped)) return { address: mapped, family: 'ipv4' }
  return { address: zone === undefined ? address : `${address}%${zone}`, family: 'ipv6' }
}

/** Splits `fe80::1%eth0` into its address and its zone (RFC 4007 §11). */
export function splitZone(address: string): { readonly bare: string; readonly zone: string | undefined } {
  const [bare = '', zone] = address.split('%', 2)
  return { bare, zone }
}

/** Returns why an address cannot be that of one host, as a sentence with the remedy; undefined if it can be. */
export function whyUnusable({ address, family }: Address): string | undefined {
  const { bare, zone } = splitZone(address)
  if (bare === '0.0.0.0' || bare === '::') return `${address} is the wildcard address: name a specific address`
  if (bare === '255.255.255.255') return `${address} is the broadcast address: name a specific address`
  const isMulticast = family === 'ipv4' ? isBetween(bare, 224, 239) : bare.startsWith('ff')
  if (isMulticast) return `${address} is a multicast address: name the address of one host`
  if (isLinkLocal(bare) && zone === undefined)
    return `${address} is a link-local address, which is valid on each interface: name the interface, as in ${address}%eth0`
  return undefined
}

/** Returns an address of one host in canonical form; undefined for any other text or address. */
export function usableAddressOf(text: string): Address | undefined {
  const address = canonicalAddress(text)
  return address === undefined || whyUnusable(address) !== undefined ? undefined : address
}

/** Whether a canonical IPv6 address needs a zone (RFC 4291 §2.5.6: fe80::/10). */
export function isLinkLocal(address: string): boolean {
  return /^fe[89ab][\da-f]:/.test(address)
}

function isBetween(address: string, first: number, last: number): boolean {
  const octet = Number(address.split('.', 1)[0])
  return octet >= first && octet <= last
}
