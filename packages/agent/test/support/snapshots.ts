import type { AnyResult, FailureReason } from '@scout/core'
import { bucketEdgesSeconds } from '../../src/memory/ledger.ts'
import type { SeriesView, Snapshot } from '../../src/memory/snapshot.ts'
import type { KnownPeer } from '../../src/peers/roster.ts'

const takenAtMs = Date.UTC(2023, 9, 30, 22, 9, 49, 899)

/** What an agent without peers knows. */
export function snapshotOf(parts: Partial<Snapshot> = {}): Snapshot {
  return {
    takenAtMs,
    startedAtMs: takenAtMs - 60_000,
    self: {
      name: 'scout-1',
      node: 'node-1',
      zone: 'zone-a',
      addresses: ['10.0.0.1'],
      nodeAddresses: [],
      version: '1.2.3',
    },
    isReady: true,
    knowledge: { source: 'configuration', heardAtMs: takenAtMs - 1_500 },
    peers: [],
    series: [],
    departed: [],
    schedule: { started: 0, late: 0, skipped: 0, inFlight: 0, waiting: 0 },
    setAside: 0,
    held: 0,
    greetings: { answered: 0, malformed: 0, silent: 0 },
    strays: {},
    responders: {},
    ...parts,
  }
}

export function peerOf(parts: Partial<KnownPeer> = {}): KnownPeer {
  const name = parts.name ?? 'scout-2'
  return {
    id: name,
    name,
    node: 'node-2',
    zone: 'zone-b',
    addresses: ['10.0.0.2'],
    port: 8081,
    state: 'ready',
    stateSinceMs: takenAtMs - 30_000,
    ...parts,
  }
}

/** A series of successes that took these seconds. */
export function seriesOf(parts: Partial<SeriesView> & { readonly tookSeconds?: readonly number[] }): SeriesView {
  const { tookSeconds = [], ...rest } = parts
  const peer = peerOf()
  const edges = [...bucketEdgesSeconds, Number.POSITIVE_INFINITY]
  const bucketOf = (seconds: number) => edges.findIndex((edge) => seconds <= edge)
  const lastSeconds = tookSeconds.at(-1)
  return {
    check: 'tcp',
    protocol: 'tcp',
    target: '10.0.0.2:8081',
    family: 'ipv4',
    peer: { name: peer.name, node: peer.node, zone: peer.zone },
    state: tookSeconds.length === 0 ? 'waiting' : 'ok',
    sinceMs: takenAtMs - 5_000,
    attempts: tookSeconds.length,
    successes: tookSeconds.length,
    failures: {},
    setAside: 0,
    buckets: edges.map((_, bucket) => tookSeconds.filter((seconds) => bucketOf(seconds) === bucket).length),
    sumNs: tookSeconds.reduce((sum, seconds) => sum + seconds * 1e9, 0),
    ...(lastSeconds === undefined ? {} : { last: successOf(lastSeconds * 1e9) }),
    recentFailures: [],
    ...rest,
  }
}

/** A series that has seen nothing but this failure. */
export function failingSeriesOf(reason: FailureReason, parts: Partial<SeriesView> = {}): SeriesView {
  return seriesOf({ state: 'failing', attempts: 1, failures: { [reason]: 1 }, last: failureOf(reason), ...parts })
}

export function successOf(totalNs: number): AnyResult {
  return { ...measured('connect', totalNs), ok: true, detail: { sourcePort: 40_000, isResetAtOnce: false } }
}

export function failureOf(reason: FailureReason, message = 'nobody listens there'): AnyResult {
  return { ...measured('connect', 1_000_000), ok: false, failure: { reason, phase: 'connect', message } }
}

function measured(phase: 'connect', totalNs: number) {
  return {
    protocol: 'tcp',
    target: '10.0.0.2:8081',
    endpoint: { host: '10.0.0.2', address: '10.0.0.2', family: 'ipv4', port: 8081 },
    startedAtMs: takenAtMs - 100,
    phasesNs: { [phase]: totalNs },
    totalNs,
    clock: { tx: 'user', rx: 'user' },
  } as const
}
