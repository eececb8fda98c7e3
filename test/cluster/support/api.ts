import { inject } from 'vitest'

/** What the tests read of a pod. */
export interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string }
  readonly spec: { readonly nodeName?: string }
  readonly status: {
    readonly podIPs?: readonly { readonly ip: string }[]
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

export interface KubernetesNode {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly unschedulable?: boolean }
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] }
}

/** A list of the API server. */
interface List<Item> {
  readonly items: readonly Item[]
}

/** A path of the API server; the caller names the type of what is there. */
export async function get(path: string, signal: AbortSignal = AbortSignal.timeout(10_000)): Promise<Response> {
  const response = await fetch(`${inject('apiServer')}${path}`, { signal })
  if (!response.ok) throw new Error(`GET ${path} was answered with ${response.status}: ${await response.text()}`)
  return response
}

export async function podsIn(namespace: string, labels: string): Promise<readonly Pod[]> {
  const response = await get(`/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(labels)}`)
  const { items } = (await response.json()) as List<Pod>
  return items
}

export async function nodes(): Promise<readonly KubernetesNode[]> {
  const response = await get('/api/v1/nodes')
  const { items } = (await response.json()) as List<KubernetesNode>
  return items
}

/** Kubernetes calls the pod or node ready, and is not about to delete it. */
export function isReady({ metadata, status }: Pick<Pod, 'metadata' | 'status'> | KubernetesNode): boolean {
  const isLeaving = 'deletionTimestamp' in metadata && metadata.deletionTimestamp !== undefined
  return !isLeaving && status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}
