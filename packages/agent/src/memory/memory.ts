import { type AnyResult, idOf, type Protocol, pathNs, probeNamed, type SeriesKey, Window } from '@scout/core'
import { isReady, type PlannedTask } from '../plan/plan.ts'
import { createDetection } from './detection.ts'
import {
  changedBy,
  type KeptHistory,
  type KeptSeries,
  newSeries,
  type Recorded,
  type Series,
  stopFailing,
} from './series.ts'

/** How long a series is kept while its node has no peer; a rollout, a drain or a reboot takes less. After that it is dropped. */
export const keptMs = 600_000

/** Number of zones without a peer whose durations are kept, those that lost theirs last: a peer may greet with ever new zones. */
export const keptZones = 16

/** Attempts of one check to one zone. They outlive the measured nodes, because a counter must not decrease. */
export interface Durations {
  /** Its `to` is a zone. */
  readonly key: SeriesKey
  readonly protocol: Protocol
  readonly window: Window
  /** Sum over the successes, by phase. */
  readonly phasesNs: ReadonlyMap<string, number>
}

interface KeptDurations extends Durations {
  readonly phasesNs: Map<string, number>
  /** Monotonic clock when its zone lost its last task. */
  idleSinceMs: number | undefined
}

/** Results of an agent's links. */
export interface Memory {
  readonly series: Iterable<Series>
  readonly durations: Iterable<Durations>
  /** Histories of all series, and those of an earlier process whose nodes have had no peer yet. */
  readonly histories: Iterable<KeptHistory>
  /** Number of results set aside, including those of no series. */
  readonly setAside: number
  /** Increases when a series begins or ceases to fail, has its first result, appears or leaves. */
  readonly changes: number
  /** Replaces all tasks. A series without a task is dropped after `keptMs`. `nowMs` is monotonic. */
  setTasks(tasks: readonly PlannedTask[], nowMs: number): void
  /** Takes the histories of an earlier process. A series begins with its own if its node has a peer within `keptMs`. */
  restore(histories: Iterable<KeptHistory>, nowMs: number): void
  /** Drops series that have had no task for `keptMs`. */
  forget(nowMs: number): void
  /** Records a result, which may be older than others that were recorded; `isCounted` is false if it must not count. */
  record(task: PlannedTask, result: AnyResult, isCounted: boolean): Recorded
}

export function createMemory(): Memory {
  let series = new Map<string, KeptSeries>()
  /** Of an earlier process, by id. */
  const restored = new Map<string, KeptHistory>()
  let restoredAtMs = 0
  const detection = createDetection()
  const durations = new Map<string, KeptDurations>()
  /** Ids of the durations that the present tasks feed. */
  let fedZones: ReadonlySet<string> = new Set()
  let setAside = 0
  let changes = 0

  const forget = (nowMs: number) => {
    for (const [id, { idleSinceMs }] of series) {
      if (idleSinceMs === undefined || nowMs - idleSinceMs < keptMs) continue
      series.delete(id)
      changes++
    }
    if (nowMs - restoredAtMs >= keptMs) restored.clear()
    const idle = new Map<string | undefined, number>()
    for (const { key, idleSinceMs } of durations.values()) if (idleSinceMs !== undefined) idle.set(key.to, idleSinceMs)
    if (idle.size <= keptZones) return
    const newest = [...idle].toSorted(([, a], [, b]) => b - a).slice(0, keptZones)
    const kept = new Set(newest.map(([zone]) => zone))
    for (const [id, { key, idleSinceMs }] of durations) {
      if (idleSinceMs !== undefined && !kept.has(key.to)) durations.delete(id)
    }
  }

  const durationsFor = (task: PlannedTask): KeptDurations => {
    const key = zoneKeyOf(task)
    const id = idOf(key)
    const known = durations.get(id) ?? {
      key,
      protocol: task.check.protocol,
      window: new Window(),
      phasesNs: new Map(),
      // The result of a task that is gone: setTasks would not find it idle again.
      idleSinceMs: fedZones.has(id) ? undefined : performance.now(),
    }
    durations.set(id, known)
    return known
  }

  return {
    get series() {
      return series.values()
    },
    get durations() {
      return durations.values()
    },
    get histories() {
      return [...series.values(), ...restored.values()]
    },
    get setAside() {
      return setAside
    },
    get changes() {
      return changes
    },
    setTasks(tasks, nowMs) {
      const fed = new Map<string, KeptSeries>()
      for (const task of tasks) {
        const id = idOf(task.key)
        const known = series.get(id)
        const one = fed.get(id) ?? {
          ...(known ?? newSeries(task, detection.detectorFor(task), restored.get(id))),
          latest: new Map(),
          idleSinceMs: undefined,
        }
        fed.set(id, one)
        restored.delete(id)
        one.toZone = task.peer?.zone
        if (isReady(task)) one.latest.set(task.id, known?.latest.get(task.id))
      }
      for (const task of tasks.filter(({ key }) => key.path === 'dns-pod')) {
        const id = idOf(task.key)
        const one = fed.get(id)
        const known = series.get(id)
        if (one === undefined || known === undefined || haveSameKeys(known.latest, one.latest)) continue
        // What one server of cluster DNS lost says nothing about those that take its place.
        one.detector = detection.detectorFor(task)
        one.trials = 0
      }
      for (const [id, one] of series) {
        if (!fed.has(id)) fed.set(id, { ...one, latest: new Map(), idleSinceMs: one.idleSinceMs ?? nowMs })
      }
      for (const one of fed.values()) stopFailing(one)
      // A plan is made only when something has changed.
      changes++
      // Series with tasks in the order of the plan, followed by those without.
      series = fed
      fedZones = new Set(tasks.map((task) => idOf(zoneKeyOf(task))))
      for (const [id, one] of durations) one.idleSinceMs = fedZones.has(id) ? undefined : (one.idleSinceMs ?? nowMs)
      forget(nowMs)
      detection.resize(tasks, series.values())
    },
    restore(histories, nowMs) {
      for (const history of histories) restored.set(idOf(history.key), history)
      restoredAtMs = nowMs
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
      const { window, phasesNs } = durationsFor(task)
      window.add(result, yields)
      if (result.ok && yields === 'time') {
        one.times.add(pathNs(result))
        for (const [phase, ns] of Object.entries(result.phasesNs)) phasesNs.set(phase, (phasesNs.get(phase) ?? 0) + ns)
      }
      const { sinceMs } = one
      const recorded = changedBy(one, task, result)
      if (one.sinceMs !== sinceMs) changes++
      return recorded
    },
  }
}

function haveSameKeys(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): boolean {
  return one.size === other.size && [...one.keys()].every((key) => other.has(key))
}

/** Returns the key of the durations that a task feeds. */
function zoneKeyOf({ key, peer }: PlannedTask): SeriesKey {
  return { ...key, to: peer?.zone }
}
