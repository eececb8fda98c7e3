import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

/**
 * Returns the MTU in bytes of the interface that has this address, in the network namespace of this process; undefined if there is none, or
 * if the kernel lacks IPv6: without a netlink socket, only its settings show the MTU in every namespace.
 */
export function mtuOf(address: string): number | undefined {
  const name = Object.entries(networkInterfaces()).find(([, addresses = []]) =>
    addresses.some((one) => one.address === address),
  )?.[0]
  if (name === undefined) return undefined
  try {
    return Number(readFileSync(`/proc/sys/net/ipv6/conf/${name}/mtu`, 'utf8'))
  } catch {
    return undefined
  }
}
