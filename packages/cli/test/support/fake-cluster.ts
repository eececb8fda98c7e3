import type { SeriesView, Snapshot } from '@scout/agent'
import type { AnyResult, Failure } from '@scout/core'
import { type ApiDouble, startApiDouble } from '../../../agent/test/support/api-double.ts'
import { conditions, endpoint, endpointSlice } from '../../../agent/test/support/slices.ts'

type Family = 'ipv4' | 'ipv6'

/** One measurement of a cluster, for a test to change. */
export type Change = (series: SeriesView, from: string) => SeriesView

interface FakeCluster {
  readonly nodes: readonly string[]
  readonly change?: Change
  readonly states?: Readonly<Record<string, 'starting' | 'leaving'>>
  readonly trouble?: string
}

/** An API server with one agent a node that knows all others, each by IPv4 and IPv6. */
export async function startFakeCluster(cluster: FakeCluster): Promise<ApiDouble> {
  const { nodes, states = {} } = cluster
  const api = await startApiDouble()
  const endpoints = (family: Family) =>
    nodes.map((node, index) =>
      endpoint(podOn(node), [addressOf(index, family)], {
        nodeName: node,
        conditions: conditions(states[node] ?? 'ready'),
      }),
    )
  api.set(endpointSlice('scout-4', endpoints('ipv4')))
  api.set(endpointSlice('scout-6', endpoints('ipv6')))
  for (const node of nodes) api.serve(`/${podOn(node)}:8080/api/v1/snapshot`, snapshotOf(node, cluster))
  return api
}

export function podOn(node: string): string {
  return `scout-on-${node.split('.')[0]}`
}

/** The agent's clock goes wrong by this, which is not to be seen. */
const aheadMs = 3_600_000

function snapshotOf(node: string, { nodes, change = (series) => series, trouble }: FakeCluster): Snapshot {
  const takenAtMs = Date.now() + aheadMs
  const { peer: _, ...own } = seriesOf({ check: 'dns', protocol: 'dns', target: 'kubernetes.default', node })
  const series = nodes.flatMap((peer, index) =>
    peer === node
      ? []
      : (['ipv4', 'ipv6'] as const).flatMap((family) =>
          checks.map(([check, protocol]) =>
            seriesOf({ check, protocol, target: addressOf(index, family), node: peer, family }),
          ),
        ),
  )
  return {
    takenAtMs,
    startedAtMs: takenAtMs - 86_400_000,
    self: { name: podOn(node), namespace: 'scout', node, addresses: [], nodeAddresses: [], version: '0.1.0' },
    isReady: true,
    knowledge: { source: 'a test', heardAtMs: takenAtMs, ...(trouble === undefined ? {} : { trouble }) },
    peers: [],
    series: [...series, own].map((one) => change({ ...one, sinceMs: takenAtMs - 130_000 }, node)),
    schedule: { started: 0, late: 0, skipped: 0, inFlight: 0, waiting: 0 },
    setAside: 0,
    held: 0,
    greetings: { answered: 0, malformed: 0, silent: 0 },
    strays: {},
    departed: [],
    responders: {},
  }
}

const checks = [
  ['http', 'http'],
  ['http-large', 'http'],
  ['tcp', 'tcp'],
  ['udp', 'udp'],
  ['udp-large', 'udp'],
  ['icmp', 'icmp'],
] as const

interface Of {
  readonly check: string
  readonly protocol: SeriesView['protocol']
  readonly target: string
  readonly node: string
  readonly family?: Family
}

function seriesOf({ check, protocol, target, node, family }: Of): SeriesView {
  return {
    check,
    protocol,
    target,
    family,
    peer: { name: podOn(node), node },
    state: 'ok',
    attempts: 13,
    successes: 13,
    failures: {},
    setAside: 0,
    buckets: [],
    sumNs: 1,
    recentFailures: [],
  }
}

/** The series as it is when its last attempt failed, or could not be made. */
export function failing(series: SeriesView, failure: Failure, state: 'failing' | 'unable' = 'failing'): SeriesView {
  return { ...series, state, last: { ok: false, failure } as AnyResult }
}

export const timeout: Failure = { reason: 'timeout', phase: 'echo', message: 'no answer within 3500 ms' }

function addressOf(index: number, family: Family): string {
  return family === 'ipv4' ? `10.244.${index + 1}.5` : `fd00:10:244:${index + 1}::5`
}
