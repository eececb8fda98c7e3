import { nowNs } from '../time/clock.ts'
import type { StartedAttempt } from './engine.ts'
import { nextDueNs, type Place } from './placement.ts'
import type { ResultBatches } from './result-batches.ts'
import type { PreparedTask, Repeater } from './task.ts'

interface RoundsOptions {
  /** Starts an attempt. Its promise rejects only because of a bug. */
  readonly start: (task: PreparedTask) => StartedAttempt
  /** Maximum number of attempts in flight; further due ones wait in order. */
  readonly maxInFlight: number
  readonly batches: ResultBatches
}

/** The tasks of one place: they are due together. */
interface Round {
  readonly place: Place
  readonly entries: Set<Entry>
  dueNs: number
}

interface Entry {
  readonly task: PreparedTask
  /** When the waiting attempt was due; undefined if none waits. */
  waitsSinceNs: number | undefined
  isRemoved: boolean
}

interface Running {
  readonly entry: Entry
  readonly startedNs: number
  readonly cancel: () => void
}

/** A timer may fire this early. Starting its attempts then costs one wake-up less than waiting for the rest. */
const earlyNs = 1e6

/** How long an attempt that runs alone waits for those in flight, in case they hang. */
const holdMs = 10

/** If so many attempts run alone that they would fall behind, they wait for less, so that all of a queue start within this time. */
const queueMs = 1_000

/**
 * Repeats tasks in this thread. All that are due together start in one turn of the event loop, with one timer for all of them. Attempts
 * whose phases are stamped by the event loop (`Probe.runsAlone`) start one after another, when the others have ended, because
 * handling another attempt's events in between would count as their time.
 */
export function createRounds({ start, maxInFlight, batches }: RoundsOptions): Repeater {
  const rounds = new Map<string, Round>()
  const entries = new Map<number, Entry>()
  const running = new Set<Running>()
  const waiting: Entry[] = []
  const waitingAlone: Entry[] = []
  /** Those of the attempts in flight that keep one that runs alone waiting. */
  const holding = new Set<Running>()
  const counters = { started: 0, late: 0, skipped: 0, lost: 0 }
  let timer: NodeJS.Timeout | undefined
  let release: NodeJS.Timeout | undefined

  const turn = () => {
    const turnNs = nowNs()
    const due = [...rounds.values()].filter(({ dueNs }) => dueNs <= turnNs + earlyNs).map(takeTurn(turnNs))
    // Before further attempts start, so that the counters are those of the results.
    batches.flushBefore(soonestNs())
    for (const { round, dueNs, missed } of due.toSorted((a, b) => a.dueNs - b.dueNs)) {
      counters.skipped += missed * round.entries.size
      for (const entry of round.entries) enqueue(entry, dueNs)
    }
    for (const one of holding) if (turnNs - one.startedNs > holdMs * 1e6) holding.delete(one)
    startWaiting()
    if (due.length > 0) batches.touch()
    arm(turnNs)
  }

  const enqueue = (entry: Entry, dueNs: number) => {
    if (entry.waitsSinceNs !== undefined) {
      counters.skipped++
      return
    }
    entry.waitsSinceNs = dueNs
    const queue = entry.task.probe.runsAlone === true ? waitingAlone : waiting
    queue.push(entry)
  }

  const startWaiting = () => {
    while (running.size < maxInFlight) {
      const queue = nextQueue()
      const entry = queue.shift()
      if (entry === undefined) break
      startOne(entry, queue === waitingAlone)
    }
    if (waitingAlone.length === 0) clearRelease()
    else release ??= setTimeout(stopHolding, Math.min(holdMs, queueMs / waitingAlone.length))
  }

  /** Returns the queue whose head has waited longest, of those that may start. */
  const nextQueue = (): Entry[] => {
    const [alone] = waitingAlone
    const [other] = waiting
    if (alone === undefined || holding.size > 0) return waiting
    return other === undefined || waitsSince(alone) < waitsSince(other) ? waitingAlone : waiting
  }

  const startOne = (entry: Entry, isAlone: boolean) => {
    const startedNs = nowNs()
    const { task } = entry
    if (startedNs - waitsSince(entry) > task.place.intervalNs) counters.late++
    entry.waitsSinceNs = undefined
    counters.started++
    const { result, cancel } = start(task)
    const one = { entry, startedNs, cancel }
    running.add(one)
    holding.add(one)
    // An attempt that runs alone has the full time, however long the others took.
    if (isAlone) clearRelease()
    void result.then((ended) => {
      running.delete(one)
      holding.delete(one)
      if (!entry.isRemoved) batches.add({ number: task.number, startedNs, result: ended })
      startWaiting()
    })
  }

  const clearRelease = () => {
    clearTimeout(release)
    release = undefined
  }

  const stopHolding = () => {
    release = undefined
    holding.clear()
    startWaiting()
  }

  const soonestNs = () => {
    let soonest = Number.POSITIVE_INFINITY
    for (const { dueNs } of rounds.values()) soonest = Math.min(soonest, dueNs)
    return soonest
  }

  /** Sets the timer; `fromNs` is when this turn of the event loop began, from which Node counts. */
  const arm = (fromNs: number) => {
    clearTimeout(timer)
    const soonest = soonestNs()
    if (soonest < Number.POSITIVE_INFINITY) timer = setTimeout(turn, Math.max(0, Math.round((soonest - fromNs) / 1e6)))
  }

  const dropRemoved = (queue: Entry[]) => {
    queue.splice(0, queue.length, ...queue.filter(({ isRemoved }) => !isRemoved))
  }

  const remove = (numbers: ReadonlySet<number>) => {
    const removed = [...numbers].flatMap((number) => entries.get(number) ?? [])
    for (const entry of removed) {
      const { number, place } = entry.task
      entries.delete(number)
      entry.isRemoved = true
      const round = rounds.get(idOf(place))
      round?.entries.delete(entry)
      if (round?.entries.size === 0) rounds.delete(idOf(place))
    }
    dropRemoved(waiting)
    dropRemoved(waitingAlone)
    for (const { entry, cancel } of running) if (entry.isRemoved) cancel()
    for (const { task } of removed) task.session.close()
    arm(nowNs())
  }

  return {
    get counters() {
      return { ...counters, inFlight: running.size, waiting: waiting.length + waitingAlone.length }
    },
    add(tasks) {
      const atNs = nowNs()
      for (const task of tasks) {
        const id = idOf(task.place)
        const round = rounds.get(id) ?? { place: task.place, entries: new Set(), dueNs: nextDueNs(task.place, atNs) }
        rounds.set(id, round)
        const entry: Entry = { task, waitsSinceNs: undefined, isRemoved: false }
        round.entries.add(entry)
        entries.set(task.number, entry)
      }
      arm(atNs)
    },
    collect() {}, // each is passed on as it ends
    remove,
    stop() {
      remove(new Set(entries.keys()))
      clearTimeout(timer)
      clearRelease()
    },
  }
}

/** Returns a function that moves a round on to its next time. */
function takeTurn(turnNs: number) {
  return (round: Round) => {
    const { dueNs, place } = round
    // If the event loop was blocked for longer than the interval, the missed attempts are skipped, not made up for.
    const missed = Math.max(0, Math.floor((turnNs - dueNs) / place.intervalNs))
    round.dueNs += place.intervalNs * (missed + 1)
    return { round, dueNs, missed }
  }
}

function waitsSince({ waitsSinceNs }: Entry): number {
  return waitsSinceNs ?? Number.POSITIVE_INFINITY
}

function idOf({ placeNs, intervalNs }: Place): string {
  return `${placeNs}/${intervalNs}`
}
