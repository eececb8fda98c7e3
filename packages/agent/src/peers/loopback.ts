import { isIP } from 'node:net'

/** The address never leaves this host. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}
