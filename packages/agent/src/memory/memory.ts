import {
  type AnyResult,
  Counter,
  idOf,
  outcomeOf,
  type Protocol,
  probeNamed,
  Ring,
  type SeriesKey,
  type SeriesReport,
  Window,
} from '@scout/core'
import { isReady, type PlannedTask } from '../plan/plan.ts'

/** How many failures a series keeps with everything known about them. */
const keptFailures = 5

/** How long a series stays while its node has no peer; a rollout, a drain or a reboot takes less. Then everything about the node leaves. */
export const keptMs = 600_000

/** Everything remembered of one check on one link. Pods come and go within it. */
export interface Series {
  readonly key: SeriesKey
  readonly protocol: Protocol
  /** Zone of the node it is about. */
  readonly toZone: string | undefined
  /** Of the last attempt, or of the next where there was none. */
  readonly target: string
  readonly total: Counter
  readonly recent: Ring
  readonly day: Ring
  /** By id of each task whose peer is ready: its newest result that was neither set aside nor inconclusive. */
  readonly latest: ReadonlyMap<string, AnyResult | undefined>
  /** The newest of those, whether its peer is still there or not. */
  readonly last: AnyResult | undefined
  /** Newest last; they outlive any number of successes. */
  readonly failures: readonly AnyResult[]
  /** Whether a task failed last, and the wall clock since which that has been so. */
  readonly isFailing: boolean
  readonly sinceMs: number | undefined
  /** Results that say nothing about the link, because the peer's state changed while they were under way. */
  readonly setAside: number
}

/** Durations of one check to one zone, which outlive the nodes they were measured on: a counter must not decrease. */
export interface Durations {
  /** With a zone for `to`. */
  readonly key: SeriesKey
  readonly protocol: Protocol
  readonly window: Window
}

/** What recording a result changed. */
export type Recorded = 'set-aside' | 'steady' | 'began-failing' | 'recovered'

/** An agent's memory of its links. */
export interface Memory {
  readonly series: Iterable<Series>
  readonly durations: Iterable<Durations>
  /** Results that were set aside, in all series and out of them. */
  readonly setAside: number
  /** From now on these tasks and no others. A series without a task is forgotten after a while. `nowMs` is monotonic. */
  setTasks(tasks: readonly PlannedTask[], nowMs: number): void
  /** Forgets what has had no task for `keptMs`. */
  forget(nowMs: number): void
  /** `isCounted` is false when the result says nothing about the network. */
  record(task: PlannedTask, result: AnyResult, isCounted: boolean): Recorded
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

interface KeptSeries extends Mutable<Omit<Series, 'latest'>> {
  latest: Map<string, AnyResult | undefined>
  /** Monotonic clock since which it has had no task. */
  idleSinceMs: number | undefined
}

export function createMemory(): Memory {
  let series = new Map<string, KeptSeries>()
  const durations = new Map<string, Durations>()
  let setAside = 0

  const forget = (nowMs: number) => {
    for (const [id, { idleSinceMs }] of series) {
      if (idleSinceMs !== undefined && nowMs - idleSinceMs >= keptMs) series.delete(id)
    }
  }

  const durationsFor = ({ key, check: { protocol }, peer }: PlannedTask): Window => {
    const ofZone = { ...key, to: peer?.zone }
    const id = idOf(ofZone)
    const known = durations.get(id) ?? { key: ofZone, protocol, window: new Window() }
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
        const one = fed.get(id) ?? { ...(known ?? newSeries(task)), latest: new Map(), idleSinceMs: undefined }
        fed.set(id, one)
        one.toZone = task.peer?.zone
        if (isReady(task)) one.latest.set(task.id, known?.latest.get(task.id))
      }
      for (const [id, one] of series) {
        if (!fed.has(id)) fed.set(id, { ...one, latest: new Map(), idleSinceMs: one.idleSinceMs ?? nowMs })
      }
      // In the order of the plan, and what has no task behind it.
      series = fed
      forget(nowMs)
    },
    forget,
    record(task, result, isCounted) {
      const one = series.get(idOf(task.key))
      if (one === undefined || !isCounted) {
        setAside++
        if (one !== undefined) one.setAside++
        return 'set-aside'
      }
      const yields = probeNamed(one.protocol).yields ?? 'time'
      one.total.add(result)
      for (const ring of [one.recent, one.day]) ring.add(result, { nowMs: result.startedAtMs, yields })
      if (result.ok) durationsFor(task).add(result, yields)
      return changedBy(one, task, result)
    },
  }
}

function newSeries({ key, check: { protocol }, peer, target }: PlannedTask): KeptSeries {
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
    failures: [],
    isFailing: false,
    sinceMs: undefined,
    setAside: 0,
    idleSinceMs: undefined,
  }
}

/** Takes a counted result into the state of its series. One that says nothing of the link leaves the state as it was. */
function changedBy(one: KeptSeries, task: PlannedTask, result: AnyResult): Recorded {
  const outcome = outcomeOf(result)
  if (outcome === 'inconclusive') return 'steady'
  const isFirst = one.last === undefined
  one.last = result
  one.target = task.target
  // The task of a result that was under way may have left in the meantime.
  if (one.latest.has(task.id)) one.latest.set(task.id, result)
  if (outcome === 'failure') one.failures = [...one.failures, result].slice(-keptFailures)
  const isFailing = stateOf([...one.latest.values()]) === 'failing'
  const isChange = one.isFailing !== isFailing
  one.isFailing = isFailing
  if (isFirst || isChange) one.sinceMs = result.startedAtMs
  if (!isChange) return 'steady'
  return isFailing ? 'began-failing' : 'recovered'
}

export function isFailure(result: AnyResult | undefined): boolean {
  return result !== undefined && outcomeOf(result) === 'failure'
}

/** Returns the state of a series by the latest result of each of its tasks: one that fails makes it failing. */
export function stateOf(latest: readonly (AnyResult | undefined)[]): SeriesReport['state'] {
  const results = latest.filter((result) => result !== undefined)
  if (results.length === 0) return 'waiting'
  if (results.some(isFailure)) return 'failing'
  return results.some(({ ok }) => ok) ? 'ok' : 'unable'
}
