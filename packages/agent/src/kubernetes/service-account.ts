import { existsSync, readFileSync } from 'node:fs'

/** Where the kubelet mounts a pod's service account. */
const folder = '/var/run/secrets/kubernetes.io/serviceaccount'

type Environment = Readonly<Record<string, string | undefined>>

/** This process runs in a pod: Kubernetes tells each of them where its API server is. */
export function isInPod(environment: Environment): boolean {
  return environment['KUBERNETES_SERVICE_HOST'] !== undefined
}

/** This process runs in a pod that may speak to its API server. */
export function isInCluster(environment: Environment): boolean {
  return isInPod(environment) && existsSync(`${folder}/token`)
}

/** The namespace of the pod this process runs in, if it is one with a service account. */
export function mountedNamespace(): string | undefined {
  const path = `${folder}/namespace`
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}
