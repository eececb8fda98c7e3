import { isInCluster, isInPod } from '../kubernetes/service-account.ts'

/** Source of peers; `nowhere` in a pod that has no way to find any. */
export type DiscoveryKind = 'kubernetes' | 'dns' | 'static' | 'nowhere'

interface Clues {
  readonly peers: readonly unknown[]
  readonly peersFile?: string | undefined
  readonly kubeApi?: string | undefined
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  readonly service: string
  readonly namespace?: string | undefined
}

/** Resolves `auto`: the list if there is one, otherwise the API server, otherwise, in a pod without access to it, the Service's DNS name. */
export function kindFor(clues: Clues, environment: Readonly<Record<string, string | undefined>>): DiscoveryKind {
  const { peers, peersFile, kubeApi, kubeconfig, context, service, namespace } = clues
  if (peers.length > 0 || peersFile !== undefined) return 'static'
  const isAccessGiven = kubeApi !== undefined || kubeconfig !== undefined || context !== undefined
  if (isAccessGiven || isInCluster(environment)) return 'kubernetes'
  if (!isInPod(environment)) return 'static'
  return namespace !== undefined || service.includes('.') ? 'dns' : 'nowhere'
}

/**
 * How long a peer may still count as ready after it has ended. A name is resolved every 5 s, and the answer may be 30 s old: the TTL of
 * kubeadm's CoreDNS.
 */
export const lagMs: Readonly<Record<DiscoveryKind, number>> = {
  kubernetes: 5_000,
  dns: 40_000,
  static: 5_000,
  nowhere: 5_000,
}
