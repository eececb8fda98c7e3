import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { formatHostPort } from '@scout/core'
import type { ApiAccess } from './api.ts'

/** Where the kubelet mounts a pod's service account. */
const mountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

type Environment = Readonly<Record<string, string | undefined>>

/** Whether this process runs in a pod: Kubernetes sets the address of the API server in each. */
export function isInPod(environment: Environment): boolean {
  return environment['KUBERNETES_SERVICE_HOST'] !== undefined
}

/** Whether this process runs in a pod with a token for its API server. */
export function isInCluster(environment: Environment): boolean {
  return isInPod(environment) && existsSync(`${mountFolder}/token`)
}

/** Returns the namespace of this process's pod, where a service account is mounted. */
export function mountedNamespace(): string | undefined {
  const path = `${mountFolder}/namespace`
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}

/**
 * Returns the access of this pod's service account, as described in
 * https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#without-using-a-proxy. Both files are read for each request, because
 * the kubelet replaces them while the pod runs.
 */
export function createServiceAccountAccess(environment: Environment, folder = mountFolder): ApiAccess {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port } = environment
  return {
    server: `https://${formatHostPort(host, Number(port ?? 443))}`,
    async credentials() {
      const [token, ca] = await Promise.all(['token', 'ca.crt'].map((name) => readFile(`${folder}/${name}`, 'utf8')))
      return { ca, headers: { authorization: `Bearer ${token?.trim()}` } }
    },
    renew() {},
  }
}
