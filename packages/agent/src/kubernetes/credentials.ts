import { existsSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { messageOf, nearest, ScoutError } from '@scout/core'
import type { ApiAccess } from './api.ts'

export interface AccessOptions {
  /** File (default: those of KUBECONFIG, otherwise ~/.kube/config). */
  readonly kubeconfig?: string | undefined
  /** Context of the file (default: its current one). */
  readonly context?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Returns the access by kubeconfig. The client library reads credentials of every kind (tokens, certificates, exec plugins, OIDC, proxies);
 * the requests are our own, see `listAndWatch`.
 * @throws {ScoutError} `invalid-option` for a kubeconfig that is missing, broken or without that context.
 */
export function createAccess(options: AccessOptions): ApiAccess {
  let config = load(options)
  const { server } = clusterOf(config)
  return {
    server,
    async credentials() {
      // The client library rejects plain http, which kubectl allows; credentials are never sent over it.
      if (server.startsWith('http:')) return {}
      const credentials: RequestOptions = {}
      await config.applyToHTTPSOptions(credentials)
      // Token files may end with a line feed, which a header cannot hold.
      const headers = Object.entries(credentials.headers ?? {}).map(([name, value]): readonly [string, string] => [
        name,
        String(value).trim(),
      ])
      return { ...credentials, headers: Object.fromEntries<string>(headers) }
    },
    renew() {
      // The library caches a token for a minute, and a certificate for ever.
      config = load(options)
    },
  }
}

function load({ kubeconfig, context, environment }: AccessOptions): KubeConfig {
  const config = new KubeConfig()
  const source = kubeconfig ?? defaultSource(environment)
  try {
    if (kubeconfig === undefined) config.loadFromDefault()
    else config.loadFromFile(kubeconfig)
  } catch (cause) {
    const why = messageOf(cause)
    throw new ScoutError(
      'invalid-option',
      `cannot use the kubeconfig ${source}: ${why} (name another with --kubeconfig, or in KUBECONFIG)`,
      { cause },
    )
  }
  if (context !== undefined) choose(config, context, source)
  return config
}

function defaultSource(environment: AccessOptions['environment']): string {
  const named = environment['KUBECONFIG'] ?? ''
  if (named !== '') return named
  const path = join(environment['HOME'] ?? homedir(), '.kube', 'config')
  if (existsSync(path)) return path
  throw new ScoutError(
    'invalid-option',
    `there is no kubeconfig: KUBECONFIG is not set and ${path} does not exist: set --kubeconfig, or run kubectl proxy --port=8081 and pass --kube-api http://127.0.0.1:8081`,
  )
}

function choose(config: KubeConfig, context: string, source: string): void {
  const known = config.getContexts().map(({ name }) => name)
  if (known.includes(context)) return config.setCurrentContext(context)
  const near = nearest(context, known)
  const remedy = near === undefined ? `it has ${known.join(', ') || 'none'}` : `did you mean ${near}?`
  throw new ScoutError('invalid-option', `there is no context "${context}" in the kubeconfig ${source}: ${remedy}`)
}

function clusterOf(config: KubeConfig) {
  const cluster = config.getCurrentCluster()
  if (cluster !== null) return cluster
  const current = config.getCurrentContext()
  throw new ScoutError(
    'invalid-option',
    current === undefined || current === ''
      ? 'the kubeconfig has no current context: name one with --context'
      : `the kubeconfig's context "${current}" names a cluster that is not in it: name another with --context`,
  )
}
