import {
  type Check,
  commonOptions,
  durationEdgesSeconds,
  type Family,
  type ProberCounters,
  type Row,
  type Self,
  type SeriesReport,
} from '@scout/core'
import type { GreetingCounters } from '../peers/greeter.ts'
import { obstacleTo } from '../peers/reach.ts'
import type { KnownPeer, Roster } from '../peers/roster.ts'
import type { PlannedTask } from '../plan/plan.ts'
import { isFailure, type Memory, type Series, stateOf } from './memory.ts'

/** Rounds without a result after which the last one is stale. */
const missedRounds = 3

const durationEdgesNs = durationEdgesSeconds.map((seconds) => seconds * 1e9)

interface RowInput
  extends Pick<Row, 'takenAtMs' | 'startedAtMs' | 'isReady' | 'vantages' | 'held' | 'lateness' | 'diagnosis'> {
  readonly self: Self
  readonly families: ReadonlySet<Family>
  readonly checks: readonly Check[]
  /** How long failures of ready peers are held back. */
  readonly settleMs: number
  readonly tasks: readonly PlannedTask[]
  readonly roster: Pick<Roster, 'peers' | 'knowledge'>
  readonly memory: Memory
  readonly schedule: ProberCounters
  readonly greetings: GreetingCounters
}

/** A row without what the process around the agent adds. */
export type AgentRow = Omit<Row, 'console' | 'logLinesLost'>

/** Returns the complete state of this agent at one moment; metrics, API and page are functions of it. */
export function rowOf(input: RowInput): AgentRow {
  const { takenAtMs, startedAtMs, self, isReady, roster, memory, vantages, schedule, held, greetings } = input
  const { dropped, ...counters } = schedule
  const freshMs = freshMsOf(input)
  const bytes = new Map(input.checks.map((check) => [check.name, check.bytes]))
  const reached = new Set(input.tasks.map(({ peer }) => peer?.id))
  return {
    takenAtMs,
    startedAtMs,
    self,
    isReady,
    knowledge: roster.knowledge,
    peers: [...roster.peers.values()].map((peer) =>
      peerReport(peer, reached.has(peer.id) ? undefined : obstacleTo(peer, input.families)),
    ),
    vantages,
    series: [...memory.series].map((series) =>
      seriesReport(series, {
        takenAtMs,
        oldestMs: takenAtMs - (freshMs.get(series.key.check) ?? 0),
        bytes: bytes.get(series.key.check),
      }),
    ),
    durations: [...memory.durations].map(({ key: { from: _, to = '', ...key }, protocol, window: { times } }) => ({
      ...key,
      protocol,
      fromZone: self.zone ?? '',
      toZone: to,
      counts: times.countsBetween(durationEdgesNs),
      sumNs: times.sumNs,
    })),
    schedule: counters,
    lateness: input.lateness,
    setAside: memory.setAside + dropped,
    held,
    greetings: { ...greetings },
    diagnosis: input.diagnosis,
  }
}

/** Returns how old a result of each check may be before it is stale. */
function freshMsOf({ checks, settleMs }: RowInput): ReadonlyMap<string, number> {
  return new Map(
    checks.map(({ name, options, intervalMs }) => {
      const { timeoutMs } = commonOptions.parse(options)
      return [name, missedRounds * intervalMs + timeoutMs + settleMs]
    }),
  )
}

function peerReport(
  { port: _, proxy: __, isAssumed: ___, isAwaited: ____, greeting, ...peer }: KnownPeer,
  obstacle: string | undefined,
) {
  return {
    ...peer,
    ...(greeting === undefined ? {} : { version: greeting.version }),
    ...(obstacle === undefined ? {} : { obstacle }),
  }
}

/** Returns the report on a series; results of attempts that started before `oldestMs` are stale. */
export function seriesReport(
  series: Series,
  {
    takenAtMs,
    oldestMs,
    bytes,
  }: { readonly takenAtMs: number; readonly oldestMs: number; readonly bytes?: number | undefined },
): SeriesReport {
  const { key, protocol, toZone, target, total, recent, latest, last, failures, sinceMs, trials, hindered, setAside } =
    series
  const current = [...latest.values()].filter((result) => result !== undefined && result.startedAtMs >= oldestMs)
  const state = stateOf(current)
  const { check, path, vantage, family, from, to } = key
  const { loss, slow } = series.detector.state
  // Listed one by one: there are thousands of reports, and objects made by spreading take several times as long to create and read.
  return {
    check,
    path,
    vantage,
    family,
    from,
    to,
    protocol,
    toZone,
    target,
    state,
    sinceMs,
    trials,
    bytes,
    total: { passed: total.passed, reasons: { ...total.reasons }, packets: total.packets },
    recent: recent.sum(takenAtMs),
    loss,
    slow,
    hindered: hindered !== undefined && hindered.last.startedAtMs >= oldestMs ? hindered : undefined,
    setAside,
    // If several tasks feed the series, a failing one explains its state.
    last: state === 'failing' ? current.findLast(isFailure) : last,
    failures,
  }
}
