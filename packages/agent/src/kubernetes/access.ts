import { ScoutError } from '@scout/core'
import type { ApiAccess } from './api.ts'

export interface AccessChoice {
  /** An API server that asks for no credentials, such as `kubectl proxy`. */
  readonly kubeApi?: string | undefined
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * The way to the API server: the one given, else that of the service account or of a kubeconfig.
 * @throws {ScoutError} `invalid-option` where there is none as asked for.
 */
export async function chooseAccess({ kubeApi, ...choice }: AccessChoice): Promise<ApiAccess> {
  if (kubeApi !== undefined) return accessWithout(kubeApi)
  // Loaded only where it is needed, for its size.
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
