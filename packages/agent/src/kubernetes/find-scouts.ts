import { programHeader, tokenHeader } from '@scout/core'
import { z } from 'zod'
import type { Peer } from '../peers/peer.ts'
import { type ApiAccess, readJson } from './api.ts'
import { ApiError } from './api-error.ts'
import { itemsOf } from './list-watch.ts'
import { peersOf, slice } from './slices.ts'

/** One installation of Scout in a cluster: a headless Service and the agents behind it. */
export interface Scout {
  readonly namespace: string
  readonly service: string
  /** Their ports are those of the console. */
  readonly agents: readonly Peer[]
  /** Sentences about what was ignored. */
  readonly oddities: readonly string[]
}

interface Bounds {
  readonly signal: AbortSignal
  /** Longest wait for an answer, and longest silence within it. */
  readonly answerMs: number
}

interface FindOptions extends Bounds {
  readonly access: ApiAccess
  /** Default: all namespaces, which needs the permission to list them all. */
  readonly namespace?: string | undefined
}

const endpointSlices = { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' } as const
const pods = { group: '', version: 'v1', plural: 'pods' } as const

/** Kubernetes copies the labels of a Service to its slices, and adds one where the Service is headless. */
const labelSelector = 'app.kubernetes.io/name=scout,service.kubernetes.io/headless'

const labelledSlice = slice.extend({
  metadata: slice.shape.metadata.extend({ labels: z.object({ 'kubernetes.io/service-name': z.string() }) }),
})
const answer = z.object({ items: itemsOf(labelledSlice) })

/** Returns every installation of Scout, by namespace and service. @throws {ApiError} */
export async function findScouts({ access, namespace, signal, answerMs }: FindOptions): Promise<readonly Scout[]> {
  const json = await readJson({
    access,
    resource: { ...endpointSlices, namespace },
    verb: 'list',
    query: { labelSelector },
    signal,
    answerMs,
    silenceMs: answerMs,
  })
  const { data, error } = answer.safeParse(json)
  if (data === undefined) {
    const [issue] = error.issues
    const what = `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim()
    throw new ApiError(
      'unreliable',
      `${access.server} answered with JSON that is not a list of EndpointSlices: ${what}`,
    )
  }
  const services = new Map<string, z.output<typeof labelledSlice>[]>()
  for (const item of data.items) {
    const key = `${item.metadata.namespace}/${item.metadata.labels['kubernetes.io/service-name']}`
    services.set(key, [...(services.get(key) ?? []), item])
  }
  return [...services].map(([key, slices]) => {
    const [namespace = '', service = ''] = key.split('/')
    const { peers, oddities } = peersOf(slices, { portName: 'console', otherwisePort: 8080 })
    return { namespace, service, agents: peers, oddities }
  })
}

interface AskOptions extends Bounds {
  readonly access: ApiAccess
  readonly agent: Pick<Peer, 'name' | 'namespace' | 'port'>
  readonly path: `/${string}`
  /** Token of its console; empty if it needs none. */
  readonly token: string
}

/** Returns the answer of an agent's console, through the API server's proxy. @throws {ApiError} */
export async function askAgent({ access, agent, path, token, signal, answerMs }: AskOptions): Promise<unknown> {
  const { name, namespace, port } = agent
  return readJson({
    access,
    resource: { ...pods, namespace, name: `${name}:${port}`, subresource: 'proxy' },
    verb: 'get',
    path,
    query: {},
    headers: { [programHeader]: '1', ...(token === '' ? {} : { [tokenHeader]: token }) },
    signal,
    answerMs,
    silenceMs: answerMs,
  })
}
