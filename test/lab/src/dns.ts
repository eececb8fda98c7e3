import { labFolder } from './sandbox.ts'
import { type ByFamily, clusterDomain, dnsAddress, type Topology } from './topology.ts'

/** How a name server of the lab answers; it looks at its file for every query, so a change holds at once. */
export type Answers =
  | { readonly mode: 'true' }
  | { readonly mode: 'silent' }
  /** Every second query is missed. */
  | { readonly mode: 'lossy' }
  | { readonly mode: 'slow'; readonly milliseconds: number }
  | { readonly mode: 'servfail' }
  | { readonly mode: 'nxdomain' }
  | { readonly mode: 'refused' }
  /** Answers over UDP are empty and bear the TC flag; TCP is answered in full. */
  | { readonly mode: 'truncate' }

/** The names in the cluster, each with its addresses. */
export type Records = Readonly<Record<string, readonly ByFamily[]>>

export function answersPath(nameServer: string): string {
  return `${labFolder}/${nameServer}.answers`
}

export function recordsPath(): string {
  return `${labFolder}/records`
}

export function resolvConfPath(pod: string): string {
  return `${labFolder}/${pod}.resolv.conf`
}

/** Services by their cluster name, and every pod below the headless service `pods`. */
export function clusterRecords({ services, dnsService, pods }: Topology): Records {
  const all = [...services, ...(dnsService === undefined ? [] : [dnsService])]
  const suffix = `default.svc.${clusterDomain}`
  return {
    ...Object.fromEntries(all.map((service) => [`${service.name}.${suffix}`, [service.addresses]])),
    ...Object.fromEntries(pods.map((pod) => [`${pod.name}.pods.${suffix}`, [pod.addresses]])),
    [`pods.${suffix}`]: pods.map((pod) => pod.addresses),
  }
}

/** The resolv.conf of a pod, as the kubelet writes it. */
export function resolvConf({ families }: Topology, servers: readonly ByFamily[] = [dnsAddress]): string {
  const [family = 'ipv4'] = families
  return [
    ...servers.map((server) => `nameserver ${server[family]}`),
    `search default.svc.${clusterDomain} svc.${clusterDomain} ${clusterDomain}`,
    'options ndots:5',
    '',
  ].join('\n')
}
