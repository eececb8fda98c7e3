import {
  type Check,
  commonOptions,
  durationEdgesSeconds,
  type Family,
  flowShown,
  type ProberCounters,
  type Row,
  type Self,
  type SeriesReport,
} from '@scout/core'
import type { GreetingCounters } from '../peers/greeter.ts'
import { obstacleTo } from '../peers/reach.ts'
import type { KnownPeer, Roster } from '../peers/roster.ts'
import type { PlannedTask } from '../plan/plan.ts'
import type { Memory } from './memory.ts'
import type { Series } from './series.ts'
import { isFailure, stateOf, tellingOf } from './state.ts'

/** Rounds without a result after which the last one is stale. */
const missedRounds = 3

const durationEdgesNs = durationEdgesSeconds.map((seconds) => seconds * 1e9)

interface RowInput
  extends Pick<
    Row,
    | 'takenAtMs'
    | 'startedAtMs'
    | 'isReady'
    | 'vantages'
    | 'arrivals'
    | 'held'
    | 'lateness'
    | 'diagnosis'
    | 'collected'
    | 'history'
  > {
  readonly self: Self
  readonly families: ReadonlySet<Family>
  readonly checks: readonly Check[]
  /** How long failures of ready peers are held back. */
  readonly settleMs: number
  readonly tasks: readonly PlannedTask[]
  /** Nodes that are probed. */
  readonly sample: ReadonlySet<string>
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
  const checks = new Map(input.checks.map((check) => [check.name, check]))
  const reached = new Set(input.tasks.map(({ peer }) => peer?.id))
  const whyUnreached = (peer: KnownPeer) => {
    if (reached.has(peer.id)) return {}
    if (input.sample.has(peer.node)) return { obstacle: obstacleTo(peer, input.families) }
    return { obstacle: 'it is not in the sample of this agent', isOutOfSample: true } as const
  }
  return {
    takenAtMs,
    startedAtMs,
    self,
    isReady,
    knowledge: roster.knowledge,
    peers: [...roster.peers.values()].map((peer) => ({ ...peerReport(peer), ...whyUnreached(peer) })),
    vantages,
    arrivals: input.arrivals,
    series: [...memory.series].map((series) =>
      seriesReport(series, {
        takenAtMs,
        oldestMs: takenAtMs - (freshMs.get(series.key.check) ?? 0),
        check: checks.get(series.key.check),
      }),
    ),
    durations: [...memory.durations].map(({ key: { from: _, to = '', ...key }, protocol, window, phasesNs }) => ({
      ...key,
      protocol,
      fromZone: self.zone ?? '',
      toZone: to,
      total: { passed: window.counts.passed, reasons: { ...window.counts.reasons } },
      phasesNs: Object.fromEntries(phasesNs),
      counts: window.times.countsBetween(durationEdgesNs),
      sumNs: window.times.sumNs,
    })),
    schedule: counters,
    lateness: input.lateness,
    setAside: memory.setAside + dropped,
    held,
    greetings: { ...greetings },
    diagnosis: input.diagnosis,
    collected: input.collected,
    history: input.history,
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

function peerReport({ port: _, proxy: __, isAssumed: ___, isAwaited: ____, greeting, ...peer }: KnownPeer) {
  return { ...peer, ...(greeting === undefined ? {} : { version: greeting.version }) }
}

/** Returns the report on a series; results of attempts that started before `oldestMs` are stale. */
export function seriesReport(
  series: Series,
  {
    takenAtMs,
    oldestMs,
    check: { bytes, socket } = {},
  }: {
    readonly takenAtMs: number
    readonly oldestMs: number
    readonly check?: Pick<Check, 'bytes' | 'socket'> | undefined
  },
): SeriesReport {
  const { key, protocol, toZone, target, total, recent, latest, last, failures, sinceMs, trials, hindered, setAside } =
    series
  const current = [...latest.values()].filter((result) => result !== undefined && result.startedAtMs >= oldestMs)
  const seen = stateOf(current)
  // What else than a dropped flow fails, other checks show at once, and the next attempt over this one may be minutes away.
  const isOther = socket !== undefined && seen === 'failing' && flowShown({ state: seen, last }) !== 'dropped'
  const state = isOther ? 'waiting' : seen
  const { check, path, vantage, family, from, to } = key
  const { loss, duplicated, reordered, remarked, slow } = series.detector.state
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
    socket,
    total: { passed: total.passed, reasons: { ...total.reasons }, packets: total.packets },
    succeededAtMs: series.succeededAtMs,
    recent: recent.sum(takenAtMs),
    loss,
    duplicated,
    reordered,
    remarked,
    medianNs: series.times.medianNs,
    slow,
    hindered: hindered !== undefined && hindered.last.startedAtMs >= oldestMs ? hindered : undefined,
    setAside,
    // If several tasks feed the series, a failing one explains its state.
    last: state === 'failing' ? tellingOf(current.findLast(isFailure), series.rejected) : last,
    failures,
  }
}
