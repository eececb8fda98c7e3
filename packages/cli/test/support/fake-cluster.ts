import type { Failure, Row, SeriesReport } from '@scout/core'
import { type ApiDouble, startApiDouble } from '../../../agent/test/support/api-double.ts'
import { conditions, endpoint, endpointSlice } from '../../../agent/test/support/slices.ts'

type Family = 'ipv4' | 'ipv6'

/** One measurement of a cluster, which a test can change. */
export type Change = (series: SeriesReport) => SeriesReport

interface FakeCluster {
  readonly nodes: readonly string[]
  readonly change?: Change
  readonly states?: Readonly<Record<string, 'starting' | 'leaving'>>
  readonly trouble?: string
  /** A link that is not probed, because its end is not in the sample of the agent. */
  readonly outOfSample?: { readonly from: string; readonly to: string }
}

/** An API server with one agent per node, each of which probes all others over IPv4 and IPv6. */
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
  serveRows(api, cluster)
  return api
}

/** Makes the agents of a cluster report this from now on. */
export function serveRows(api: ApiDouble, cluster: FakeCluster): void {
  for (const node of cluster.nodes) api.serve(`/${podOn(node)}:8080/api/v1/snapshot`, rowOf(node, cluster))
}

export function podOn(node: string): string {
  return `scout-on-${node.split('.')[0]}`
}

/** Error of the agent's clock, which must not show. */
const aheadMs = 3_600_000

function rowOf(node: string, { nodes, change = (series) => series, trouble, outOfSample }: FakeCluster): Row {
  const takenAtMs = Date.now() + aheadMs
  const own = seriesOf({ check: 'dns', protocol: 'dns', path: 'dns-server', target: 'kubernetes.default', from: node })
  const series = nodes.flatMap((to, index) =>
    to === node || (outOfSample?.from === node && outOfSample.to === to)
      ? []
      : (['ipv4', 'ipv6'] as const).flatMap((family) =>
          checks.map(([check, protocol]) =>
            seriesOf({ check, protocol, path: 'pod', target: addressOf(index, family), from: node, to, family }),
          ),
        ),
  )
  return {
    takenAtMs,
    startedAtMs: takenAtMs - 86_400_000,
    self: { name: podOn(node), namespace: 'scout', node, addresses: [], nodeAddresses: [], version: '0.1.0' },
    isReady: true,
    knowledge: { source: 'a test', heardAtMs: takenAtMs, ...(trouble === undefined ? {} : { trouble }) },
    peers: outOfSample?.from === node ? [outsider(outOfSample.to, takenAtMs)] : [],
    vantages: [],
    arrivals: [],
    series: [...series, own].map((one) =>
      change({ ...one, sinceMs: takenAtMs - 130_000, last: successOf(one, takenAtMs - 3_000) }),
    ),
    durations: [],
    schedule: { started: 0, late: 0, skipped: 0, lost: 0, inFlight: 0, waiting: 0 },
    setAside: 0,
    held: 0,
    greetings: { answered: 0, malformed: 0, silent: 0, unreached: 0 },
    collected: [],
    diagnosis: { isSpeaking: false, rows: 1, ready: 1, incidents: [], sent: {}, received: {} },
    console: { answered: 0, rejected: 0, unsent: 0 },
    logLinesLost: 0,
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

type Of = Pick<SeriesReport, 'check' | 'protocol' | 'path' | 'target' | 'from' | 'to' | 'family'>

function seriesOf(of: Of): SeriesReport {
  const recent = { passed: 13, failed: 0, other: 0 }
  return {
    ...of,
    vantage: 'pod',
    state: 'ok',
    total: { passed: 13, reasons: {} },
    recent,
    trials: 13,
    setAside: 0,
    failures: [],
  }
}

function successOf(series: SeriesReport, startedAtMs: number): SeriesReport['last'] {
  return { ...measured(series, startedAtMs), ok: true, detail: {} }
}

function measured({ protocol, target }: SeriesReport, startedAtMs: number) {
  return { protocol, target, startedAtMs, phasesNs: {}, totalNs: 0, clock: { tx: 'user', rx: 'user' } } as const
}

/** Returns the series as after a failed or unsupported last attempt. */
export function failing(series: SeriesReport, failure: Failure, state: 'failing' | 'unable' = 'failing'): SeriesReport {
  const { startedAtMs = 0 } = series.last ?? {}
  return { ...series, state, last: { ...measured(series, startedAtMs), ok: false, failure } }
}

export const timeout: Failure = { reason: 'timeout', phase: 'echo', message: 'no answer within 3500 ms' }

function addressOf(index: number, family: Family): string {
  return family === 'ipv4' ? `10.244.${index + 1}.5` : `fd00:10:244:${index + 1}::5`
}

function outsider(node: string, stateSinceMs: number): Row['peers'][number] {
  return { id: node, name: podOn(node), node, addresses: [], state: 'ready', stateSinceMs, isOutOfSample: true }
}
