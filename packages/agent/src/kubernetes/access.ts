import { ScoutError } from '@scout/core'
import type { ApiAccess } from './api.ts'
import { createServiceAccountAccess, isInCluster } from './service-account.ts'

export interface AccessChoice {
  /** URL of an API server that needs no credentials, such as `kubectl proxy`. */
  readonly kubeApi?: string | undefined
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Returns the access to the API server: the given one, otherwise that of the service account or of a kubeconfig.
 * @throws {ScoutError} `invalid-option` where it does not exist.
 */
export async function chooseAccess({ kubeApi, ...choice }: AccessChoice): Promise<ApiAccess> {
  if (kubeApi !== undefined) return accessWithout(kubeApi)
  const { kubeconfig, context, environment } = choice
  const isFileGiven = kubeconfig !== undefined || context !== undefined
  if (!isFileGiven && isInCluster(environment)) return createServiceAccountAccess(environment)
  // Loaded on demand: the client library is large, and a pod does not need it.
  const { createAccess } = await import('./credentials.ts')
  return createAccess(choice)
}

function accessWithout(kubeApi: string): ApiAccess {
  if (!URL.canParse(kubeApi) || !/^https?:$/.test(new URL(kubeApi).protocol)) {
    throw new ScoutError(
      'invalid-option',
      `"${kubeApi}" is not the address of an API server: write --kube-api http://127.0.0.1:8081`,
    )
  }
  return { server: kubeApi.replace(/\/+$/, ''), credentials: async () => ({}), renew() {} }
}
