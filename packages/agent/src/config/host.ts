import { existsSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { readResolvConf } from '@scout/core'

/**
 * Returns the address to listen on for every family of this host. With the kernel option `ipv6.disable=1`, sockets for `::` fail with
 * EAFNOSUPPORT and this file is missing; otherwise it exists even if no interface has an address.
 */
export function anyAddress(ipv6Addresses = '/proc/net/if_inet6'): '::' | '0.0.0.0' {
  return process.platform !== 'linux' || existsSync(ipv6Addresses) ? '::' : '0.0.0.0'
}

/** Returns the addresses of this host's interfaces that other hosts can reach. */
export function ownAddresses(): string[] {
  const isGlobal = ({ internal, address }: { internal: boolean; address: string }) =>
    !internal && !/^fe[89ab]/i.test(address)
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).filter(isGlobal).map(({ address }) => address))
}

/** Returns the domain of the cluster whose names this process resolves; undefined outside clusters. */
export function clusterDomain(resolvConf?: string): string | undefined {
  // The kubelet writes "search NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN".
  const services = readResolvConf(resolvConf).searchDomains.find((domain) => domain.startsWith('svc.'))
  return services?.slice('svc.'.length)
}
