import { isInCluster, isInPod } from '../kubernetes/service-account.ts'

/** Where peers come from; `nowhere` in a pod that is given no way to find any. */
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

/** What `auto` means here: the list if there is one, else the API server, else, in a pod without access to it, the name of the Service. */
export function kindFor(clues: Clues, environment: Readonly<Record<string, string | undefined>>): DiscoveryKind {
  const { peers, peersFile, kubeApi, kubeconfig, context, service, namespace } = clues
  if (peers.length > 0 || peersFile !== undefined) return 'static'
  const isAccessGiven = kubeApi !== undefined || kubeconfig !== undefined || context !== undefined
  if (isAccessGiven || isInCluster(environment)) return 'kubernetes'
  if (!isInPod(environment)) return 'static'
  return namespace !== undefined || service.includes('.') ? 'dns' : 'nowhere'
}

/**
 * How long after its end a peer may still be taken for ready. A name is asked for every 5 s, and its answer may be 30 s old, for which
 * kubeadm's CoreDNS lets it be kept.
 */
export const lagMs: Readonly<Record<DiscoveryKind, number>> = {
  kubernetes: 5_000,
  dns: 40_000,
  static: 5_000,
  nowhere: 5_000,
}
