import {
  type AnyResult,
  Counter,
  type Detector,
  idOf,
  latestMs,
  outcomeOf,
  type Protocol,
  probeNamed,
  Ring,
  type SeriesKey,
  type SeriesReport,
  Window,
} from '@scout/core'
import { isReady, type PlannedTask } from '../plan/plan.ts'
import { createDetection } from './detection.ts'

/** Number of failures that a series keeps in full. */
const keptFailures = 5

/** How long a series is kept while its node has no peer; a rollout, a drain or a reboot takes less. After that it is dropped. */
export const keptMs = 600_000

/** Number of zones without a peer whose durations are kept, those that lost theirs last: a peer may greet with ever new zones. */
export const keptZones = 16

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
  /** Newest result that was neither set aside nor inconclusive, by id of each task whose peer is ready. */
  readonly latest: ReadonlyMap<string, AnyResult | undefined>
  /** The one of those results that started last; if none is left, of the peers that are gone. */
  readonly last: AnyResult | undefined
  /** Newest last; later successes do not remove them. */
  readonly failures: readonly AnyResult[]
  /** Whether the last result of any task is a failure, and the wall clock of the last change of that. */
  readonly isFailing: boolean
  readonly sinceMs: number | undefined
  /** Conclusive results since then. */
  readonly trials: number
  readonly detector: Detector
  /** Attempts for whose failure this host is to blame, since the last conclusive one. */
  readonly hindered: { readonly sinceMs: number; readonly trials: number; readonly last: AnyResult } | undefined
  /** Number of results that do not count, because the peer's state changed while they were in flight. */
  readonly setAside: number
}

/** Durations of one check to one zone. They outlive the measured nodes, because a counter must not decrease. */
export interface Durations {
  /** Its `to` is a zone. */
  readonly key: SeriesKey
  readonly protocol: Protocol
  readonly window: Window
}

interface KeptDurations extends Durations {
  /** Monotonic clock when its zone lost its last task. */
  idleSinceMs: number | undefined
}

/** Effect of recording a result. */
export interface Recorded {
  readonly change: 'set-aside' | 'steady' | 'began-failing' | 'recovered'
  /** With `recovered`: from the start of the first failed attempt to that of this one. */
  readonly outageMs?: number
}

/** Results of an agent's links. */
export interface Memory {
  readonly series: Iterable<Series>
  readonly durations: Iterable<Durations>
  /** Number of results set aside, including those of no series. */
  readonly setAside: number
  /** Replaces all tasks. A series without a task is dropped after `keptMs`. `nowMs` is monotonic. */
  setTasks(tasks: readonly PlannedTask[], nowMs: number): void
  /** Drops series that have had no task for `keptMs`. */
  forget(nowMs: number): void
  /** Records a result, which may be older than others that were recorded; `isCounted` is false if it must not count. */
  record(task: PlannedTask, result: AnyResult, isCounted: boolean): Recorded
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

interface KeptSeries extends Mutable<Omit<Series, 'latest'>> {
  latest: Map<string, AnyResult | undefined>
  /** It stopped failing because its failing peers left, which no result has reported yet. */
  owesRecovery: boolean
  /** Wall clock of the first failure of the outage whose end no result has reported yet. */
  failedSinceMs: number | undefined
  /** Monotonic clock when it lost its last task. */
  idleSinceMs: number | undefined
}

export function createMemory(): Memory {
  let series = new Map<string, KeptSeries>()
  const detection = createDetection()
  const durations = new Map<string, KeptDurations>()
  /** Ids of the durations that the present tasks feed. */
  let fedZones: ReadonlySet<string> = new Set()
  let setAside = 0

  const forget = (nowMs: number) => {
    for (const [id, { idleSinceMs }] of series) {
      if (idleSinceMs !== undefined && nowMs - idleSinceMs >= keptMs) series.delete(id)
    }
    const idle = new Map<string | undefined, number>()
    for (const { key, idleSinceMs } of durations.values()) if (idleSinceMs !== undefined) idle.set(key.to, idleSinceMs)
    if (idle.size <= keptZones) return
    const newest = [...idle].toSorted(([, a], [, b]) => b - a).slice(0, keptZones)
    const kept = new Set(newest.map(([zone]) => zone))
    for (const [id, { key, idleSinceMs }] of durations) {
      if (idleSinceMs !== undefined && !kept.has(key.to)) durations.delete(id)
    }
  }

  const durationsFor = (task: PlannedTask): Window => {
    const key = zoneKeyOf(task)
    const id = idOf(key)
    const known = durations.get(id) ?? {
      key,
      protocol: task.check.protocol,
      window: new Window(),
      // The result of a task that is gone: setTasks would not find it idle again.
      idleSinceMs: fedZones.has(id) ? undefined : performance.now(),
    }
    durations.set(id, known)
    return known.window
  }

  return {
    get series() {
      return series.values()
    },
    get durations() {
      return durations.values()
    },
    get setAside() {
      return setAside
    },
    setTasks(tasks, nowMs) {
      const fed = new Map<string, KeptSeries>()
      for (const task of tasks) {
        const id = idOf(task.key)
        const known = series.get(id)
        const one = fed.get(id) ?? {
          ...(known ?? newSeries(task, detection.detectorFor(task))),
          latest: new Map(),
          idleSinceMs: undefined,
        }
        fed.set(id, one)
        one.toZone = task.peer?.zone
        if (isReady(task)) one.latest.set(task.id, known?.latest.get(task.id))
      }
      for (const [id, one] of series) {
        if (!fed.has(id)) fed.set(id, { ...one, latest: new Map(), idleSinceMs: one.idleSinceMs ?? nowMs })
      }
      for (const one of fed.values()) stopFailing(one)
      // Series with tasks in the order of the plan, followed by those without.
      series = fed
      fedZones = new Set(tasks.map((task) => idOf(zoneKeyOf(task))))
      for (const [id, one] of durations) one.idleSinceMs = fedZones.has(id) ? undefined : (one.idleSinceMs ?? nowMs)
      forget(nowMs)
      detection.resize(tasks, series.values())
    },
    forget,
    record(task, result, isCounted) {
      const one = series.get(idOf(task.key))
      if (one === undefined || !isCounted) {
        setAside++
        if (one !== undefined) one.setAside++
        return { change: 'set-aside' }
      }
      const yields = probeNamed(one.protocol).yields ?? 'time'
      one.total.add(result)
      for (const ring of [one.recent, one.day])
        ring.add(result, { atMs: result.startedAtMs, nowMs: Date.now(), yields })
      one.detector.add(result, result.startedAtMs)
      if (result.ok) durationsFor(task).add(result, yields)
      return changedBy(one, task, result)
    },
  }
}

function newSeries({ key, check: { protocol }, peer, target }: PlannedTask, detector: Detector): KeptSeries {
  return {
    key,
    protocol,
    toZone: peer?.zone,
    target,
    total: new Counter(),
    recent: new Ring({ spanMs: 10_000, slots: 60 }),
    day: new Ring({ spanMs: 60_000, slots: 1_440 }),
    latest: new Map(),
    last: undefined,
    owesRecovery: false,
    failures: [],
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

/** Returns the key of the durations that a task feeds. */
function zoneKeyOf({ key, peer }: PlannedTask): SeriesKey {
  return { ...key, to: peer?.zone }
}

/** Updates the state of a series by a counted result. An inconclusive one leaves it unchanged, and is kept beside it. */
function changedBy(one: KeptSeries, task: PlannedTask, result: AnyResult): Recorded {
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
  if (outcome === 'failure') one.failures = [...one.failures, result].slice(-keptFailures)
  const isFailing = stateOf([...one.latest.values()]) === 'failing'
  const isChange = one.isFailing !== isFailing
  const { owesRecovery } = one
  one.isFailing = isFailing
  one.owesRecovery = false
  one.trials = isChange ? 1 : one.trials + 1
  if (isFirst || isChange) one.sinceMs = result.startedAtMs
  if (isChange === owesRecovery) return steady
  const { failedSinceMs = result.startedAtMs } = one
  one.failedSinceMs = isFailing ? result.startedAtMs : undefined
  return isFailing
    ? { change: 'began-failing' }
    : { change: 'recovered', outageMs: Math.max(0, result.startedAtMs - failedSinceMs) }
}

const steady: Recorded = { change: 'steady' }

function isOlder({ startedAtMs }: AnyResult, than: AnyResult): boolean {
  const byMs = than.startedAtMs - startedAtMs
  // After a larger step, the wall clock was set back.
  return byMs > 0 && byMs <= latestMs
}

/** Updates a series whose failing peers have left: the results of the others now tell its state. Without any it stays as it was. */
function stopFailing(one: KeptSeries): void {
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

export function isFailure(result: AnyResult | undefined): boolean {
  return result !== undefined && outcomeOf(result) === 'failure'
}

/** Returns the state of a series by the latest result of each of its tasks: one failure makes it failing. */
export function stateOf(latest: readonly (AnyResult | undefined)[]): SeriesReport['state'] {
  const results = latest.filter((result) => result !== undefined)
  if (results.length === 0) return 'waiting'
  if (results.some(isFailure)) return 'failing'
  return results.some(({ ok }) => ok) ? 'ok' : 'unable'
}
