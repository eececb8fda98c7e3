import type { Row } from '../../src/mesh/row.ts'
import type { SeriesReport } from '../../src/mesh/series-report.ts'
import type { FailureReason } from '../../src/model/failure.ts'

/** Fixed time for all tests, in the local time zone. */
export const nowMs = new Date(2026, 0, 2, 12, 0, 0).getTime()

export function rowOf(node: string, series: readonly SeriesReport[]): Row {
  return {
    takenAtMs: nowMs,
    startedAtMs: nowMs - 86_400_000,
    self: { name: `scout-${node}`, node, addresses: [], nodeAddresses: [], version: '0.1.0' },
    isReady: true,
    knowledge: { source: 'a test' },
    peers: [],
    vantages: [],
    arrivals: [],
    series,
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

type Of = Pick<SeriesReport, 'from' | 'to'> & Partial<SeriesReport>

export function seriesOf(of: Of): SeriesReport {
  return {
    check: 'tcp',
    path: 'pod',
    vantage: 'pod',
    protocol: 'tcp',
    target: '10.244.1.5:8081',
    state: 'ok',
    sinceMs: nowMs - 130_000,
    total: { passed: 13, reasons: {} },
    recent: { passed: 13, failed: 0, other: 0 },
    trials: 1,
    setAside: 0,
    failures: [],
    ...of,
  }
}

export function failed(of: Of, reason: FailureReason): SeriesReport {
  const failure = { reason, phase: 'connect', message: `it ended as ${reason}` }
  const measured = { startedAtMs: 0, phasesNs: {}, totalNs: 0, clock: { tx: 'user', rx: 'user' } } as const
  const series = seriesOf({ state: 'failing', ...of })
  return { ...series, last: { ...measured, protocol: series.protocol, target: series.target, ok: false, failure } }
}
