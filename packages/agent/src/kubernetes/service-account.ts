import { existsSync, readFileSync } from 'node:fs'

/** Where the kubelet mounts a pod's service account. */
const folder = '/var/run/secrets/kubernetes.io/serviceaccount'

type Environment = Readonly<Record<string, string | undefined>>

/** Whether this process runs in a pod: Kubernetes sets the address of the API server in each. */
export function isInPod(environment: Environment): boolean {
  return environment['KUBERNETES_SERVICE_HOST'] !== undefined
}

/** Whether this process runs in a pod with a token for its API server. */
export function isInCluster(environment: Environment): boolean {
  return isInPod(environment) && existsSync(`${folder}/token`)
}

/** Returns the namespace of this process's pod, where a service account is mounted. */
export function mountedNamespace(): string | undefined {
  const path = `${folder}/namespace`
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}
