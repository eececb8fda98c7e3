import {
  type AnyResult,
  type DurationsReport,
  durationEdgesSeconds,
  type FailureReason,
  Histogram,
  type Row,
  type SeriesReport,
} from '@scout/core'

const takenAtMs = Date.UTC(2023, 9, 30, 22, 9, 49, 899)

/** Returns the row of an agent without peers. */
export function rowOf(parts: Partial<Row> = {}): Row {
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
    vantages: [],
    arrivals: [],
    series: [],
    durations: [],
    schedule: { started: 0, late: 0, skipped: 0, lost: 0, inFlight: 0, waiting: 0 },
    setAside: 0,
    held: 0,
    greetings: { answered: 0, malformed: 0, silent: 0, unreached: 0 },
    collected: [],
    diagnosis: { isSpeaking: false, rows: 1, ready: 1, incidents: [], sent: {}, received: {} },
    console: { answered: 0, rejected: 0, unsent: 0 },
    logLinesLost: 0,
    ...parts,
  }
}

export function peerOf(parts: Partial<Row['peers'][number]> = {}): Row['peers'][number] {
  const name = parts.name ?? 'scout-2'
  return {
    id: name,
    name,
    node: 'node-2',
    zone: 'zone-b',
    addresses: ['10.0.0.2'],
    state: 'ready',
    stateSinceMs: takenAtMs - 30_000,
    ...parts,
  }
}

/** Returns a series of successes with these durations in seconds. */
export function seriesOf(parts: Partial<SeriesReport> & { readonly tookSeconds?: readonly number[] }): SeriesReport {
  const { tookSeconds = [], ...rest } = parts
  const lastSeconds = tookSeconds.at(-1)
  return {
    check: 'tcp',
    protocol: 'tcp',
    path: 'pod',
    vantage: 'pod',
    family: 'ipv4',
    from: 'node-1',
    to: 'node-2',
    toZone: 'zone-b',
    target: '10.0.0.2:8081',
    state: tookSeconds.length === 0 ? 'waiting' : 'ok',
    sinceMs: takenAtMs - 5_000,
    trials: tookSeconds.length,
    total: { passed: tookSeconds.length, reasons: {} },
    recent: { passed: tookSeconds.length, failed: 0, other: 0 },
    setAside: 0,
    ...(lastSeconds === undefined ? {} : { last: successOf(lastSeconds * 1e9), succeededAtMs: takenAtMs - 100 }),
    failures: [],
    ...rest,
  }
}

/** Returns a series with this failure as its only result. */
export function failingSeriesOf(reason: FailureReason, parts: Partial<SeriesReport> = {}): SeriesReport {
  const last = failureOf(reason)
  return seriesOf({
    state: 'failing',
    total: { passed: 0, reasons: { [reason]: 1 } },
    recent: { passed: 0, failed: 1, other: 0 },
    last,
    failures: [last],
    ...parts,
  })
}

/** Returns durations in seconds from zone-a. */
export function durationsOf(tookSeconds: readonly number[], parts: Partial<DurationsReport> = {}): DurationsReport {
  const times = new Histogram()
  for (const seconds of tookSeconds) times.record(seconds * 1e9)
  return {
    check: 'tcp',
    protocol: 'tcp',
    path: 'pod',
    vantage: 'pod',
    family: 'ipv4',
    fromZone: 'zone-a',
    toZone: 'zone-b',
    total: { passed: tookSeconds.length, reasons: {} },
    phasesNs: { connect: times.sumNs },
    counts: times.countsBetween(durationEdgesSeconds.map((seconds) => seconds * 1e9)),
    sumNs: times.sumNs,
    ...parts,
  }
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
