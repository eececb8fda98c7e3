import {
  type AnyResult,
  Counter,
  type Detector,
  type idOf,
  latestMs,
  outcomeOf,
  type Protocol,
  Ring,
  type SeriesKey,
  type SeriesReport,
} from '@scout/core'
import type { PlannedTask } from '../plan/plan.ts'
import { NewestTimes } from './newest-times.ts'
import { isRejected, stateOf } from './state.ts'

/** Number of failures that a series keeps in full. */
export const keptFailures = 5

/** Everything recorded for one check on one link. It outlives the pods on its node. */
export interface Series {
  readonly key: SeriesKey
  readonly protocol: Protocol
  /** Zone of the target node. */
  readonly toZone: string | undefined
  /** Target of the last attempt, or of the next one if there was none. */
  readonly target: string
  readonly total: Counter
  readonly recent: Ring
  readonly day: Ring
  readonly times: NewestTimes
  /** Newest result that was neither set aside nor inconclusive, by id of each task whose peer is ready. */
  readonly latest: ReadonlyMap<string, AnyResult | undefined>
  /** Wall clock at which the last attempt that succeeded started. */
  readonly succeededAtMs: number | undefined
  /** The one of those results that started last; if none is left, of the peers that are gone. */
  readonly last: AnyResult | undefined
  /** Newest last; later successes do not remove them. */
  readonly failures: SeriesReport['failures']
  /** Newest failure that something answered with a rejection. */
  readonly rejected: AnyResult | undefined
  /** Whether the last result of any task is a failure, and the wall clock of the last change of that. */
  readonly isFailing: boolean
  readonly sinceMs: number | undefined
  /** Conclusive attempts since then. */
  readonly trials: number
  readonly detector: Detector
  /** Attempts for whose failure this host is to blame, since the last conclusive one. */
  readonly hindered: { readonly sinceMs: number; readonly trials: number; readonly last: AnyResult } | undefined
  /** Number of results that do not count, because the peer's state changed while they were in flight. */
  readonly setAside: number
}

/** Slots of a series by 10 s and by the minute. */
export type Rings = Pick<Series, 'recent' | 'day'>

/** History of a series, which may be of an earlier process. */
export interface KeptHistory extends Rings, Pick<Series, 'failures'> {
  readonly key: Parameters<typeof idOf>[0]
}

export function createRings(): Rings {
  return {
    recent: new Ring({ spanMs: 10_000, slots: 60 }),
    day: new Ring({ spanMs: 60_000, slots: 1_440 }),
  }
}

/** Effect of recording a result. */
export interface Recorded {
  readonly change: 'set-aside' | 'steady' | 'began-failing' | 'recovered'
  /** With `recovered`: from the start of the first failed attempt to that of this one. */
  readonly outageMs?: number
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** A series as memory changes it. */
export interface KeptSeries extends Mutable<Omit<Series, 'latest'>> {
  latest: Map<string, AnyResult | undefined>
  /** It stopped failing because its failing peers left, which no result has reported yet. */
  owesRecovery: boolean
  /** Wall clock of the first failure of the outage whose end no result has reported yet. */
  failedSinceMs: number | undefined
  /** Monotonic clock when it lost its last task. */
  idleSinceMs: number | undefined
}

/** `kept`: its history, if an earlier process has left one. */
export function newSeries(
  { key, check: { protocol }, peer, target }: PlannedTask,
  detector: Detector,
  { recent, day, failures }: Omit<KeptHistory, 'key'> = { ...createRings(), failures: [] },
): KeptSeries {
  return {
    key,
    protocol,
    toZone: peer?.zone,
    target,
    total: new Counter(),
    recent,
    day,
    times: new NewestTimes(),
    latest: new Map(),
    succeededAtMs: undefined,
    last: undefined,
    owesRecovery: false,
    failures,
    rejected: undefined,
    isFailing: false,
    sinceMs: undefined,
    trials: 0,
    detector,
    hindered: undefined,
    setAside: 0,
    failedSinceMs: undefined,
    idleSinceMs: undefined,
  }
}

/** Updates the state of a series by a counted result. An inconclusive one leaves it unchanged, and is kept beside it. */
export function changedBy(one: KeptSeries, task: PlannedTask, result: AnyResult): Recorded {
  const outcome = outcomeOf(result)
  if (outcome === 'inconclusive') {
    const { sinceMs = result.startedAtMs, trials = 0 } = one.hindered ?? {}
    one.hindered = { sinceMs, trials: trials + 1, last: result }
    return steady
  }
  one.hindered = undefined
  const isFirst = one.last === undefined
  // A failure that was held back may be older than the result of another peer of the node.
  if (one.last === undefined || !isOlder(result, one.last)) {
    one.last = result
    one.target = task.target
  }
  // The task may have been removed while its attempt was in flight.
  if (one.latest.has(task.id)) one.latest.set(task.id, result)
  if (result.ok && !isOlder(result, { startedAtMs: one.succeededAtMs ?? 0 })) one.succeededAtMs = result.startedAtMs
  if (outcome === 'failure') one.failures = [...one.failures, result].slice(-keptFailures)
  if (isRejected(result)) one.rejected = result
  const isFailing = stateOf([...one.latest.values()]) === 'failing'
  const isChange = one.isFailing !== isFailing
  const { owesRecovery } = one
  one.isFailing = isFailing
  one.owesRecovery = false
  const attempts = (result.ok ? result.condensed?.attempts : undefined) ?? 1
  one.trials = isChange ? attempts : one.trials + attempts
  if (isFirst || isChange) one.sinceMs = result.startedAtMs
  if (isChange === owesRecovery) return steady
  const { failedSinceMs = result.startedAtMs } = one
  one.failedSinceMs = isFailing ? result.startedAtMs : undefined
  return isFailing
    ? { change: 'began-failing' }
    : { change: 'recovered', outageMs: Math.max(0, result.startedAtMs - failedSinceMs) }
}

const steady: Recorded = { change: 'steady' }

type Started = Pick<AnyResult, 'startedAtMs'>

function isOlder({ startedAtMs }: Started, than: Started): boolean {
  const byMs = than.startedAtMs - startedAtMs
  // After a larger step, the wall clock was set back.
  return byMs > 0 && byMs <= latestMs
}

/** Updates a series whose failing peers have left: the results of the others now tell its state. Without any it stays as it was. */
export function stopFailing(one: KeptSeries): void {
  const newest = [...one.latest.values()]
    .filter((result) => result !== undefined)
    .toSorted((a, b) => a.startedAtMs - b.startedAtMs)
    .at(-1)
  if (!one.isFailing || newest === undefined || stateOf([...one.latest.values()]) === 'failing') return
  one.isFailing = false
  one.owesRecovery = true
  one.last = newest
  one.sinceMs = newest.startedAtMs
  one.trials = 1
}

/**
 * Returns the nodes on whose links something is in trouble; and apart from them those with a server of cluster DNS that is, because a node
 * may have one without being probed itself.
 */
export function troubledNodes(all: Iterable<Series>, of: 'links' | 'dns-pods'): ReadonlySet<string | undefined> {
  const isOf = ({ path }: SeriesKey) => (path === 'dns-pod') === (of === 'dns-pods')
  return new Set([...all].flatMap((one) => (isOf(one.key) && isInTrouble(one) ? [one.key.to] : [])))
}

/** Whether a series fails, is lossy or slow, or has packets that arrive twice or out of order. */
function isInTrouble({ isFailing, detector: { state } }: Series): boolean {
  const { loss, duplicated, reordered, slow } = state
  return isFailing || [loss, duplicated, reordered, slow].some((one) => one !== undefined)
}
