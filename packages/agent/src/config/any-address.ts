import { existsSync } from 'node:fs'

/**
 * The address to listen on that takes every family this host has. Where the kernel was started with `ipv6.disable=1`, sockets for `::`
 * fail with EAFNOSUPPORT, and this file, which Linux has otherwise even while no interface has an address, is not there.
 */
export function anyAddress(ipv6Addresses = '/proc/net/if_inet6'): '::' | '0.0.0.0' {
  return process.platform !== 'linux' || existsSync(ipv6Addresses) ? '::' : '0.0.0.0'
}
