import { createHash } from 'node:crypto'

/** Something to be done once an interval. */
export interface Task {
  /** Decides when in the interval it is due: always the same place for the same key. */
  readonly key: string
  run(): Promise<void>
}

export interface ScheduleCounters {
  /** Runs begun. */
  readonly started: number
  /** Runs begun more than one interval after they were due. */
  readonly late: number
  /** Runs left out because the one before was still waiting for its turn. */
  readonly skipped: number
  readonly inFlight: number
  readonly waiting: number
}

export interface Schedule {
  readonly counters: ScheduleCounters
  /** From now on these tasks and no others; a task with a known key keeps its place. */
  setTasks(tasks: readonly Task[]): void
  stop(): void
}

interface ScheduleOptions {
  readonly intervalMs: number
  /** Runs under way at once; what is due beyond that waits in order. */
  readonly maxInFlight: number
  /** A run rejected: a defect, since expected failures are data. */
  readonly onDefect: (error: unknown) => void
}

interface Slot {
  task: Task
  /** When it is due next. */
  dueMs: number
  /** Since when it waits for its turn. */
  waitsSinceMs: number | undefined
}

/**
 * Spreads tasks evenly over the interval by the hash of their keys, so that peers that come and go never bunch them. All tasks have
 * one interval, so the order they are due in changes only when some miss more rounds than others: a ring, of which only the head is
 * looked at.
 */
export function createSchedule({ intervalMs, maxInFlight, onDefect }: ScheduleOptions): Schedule {
  let ring: Slot[] = []
  const waiting: Slot[] = []
  const counters = { started: 0, late: 0, skipped: 0, inFlight: 0 }
  let timer: NodeJS.Timeout | undefined

  const turn = () => {
    const now = performance.now()
    let hasMissed = false
    for (let head = ring[0]; head !== undefined && head.dueMs <= now; head = ring[0]) {
      ring.shift()
      // After a block longer than the interval, the runs missed meanwhile are left out, not made up for.
      const passed = 1 + Math.floor((now - head.dueMs) / intervalMs)
      counters.skipped += passed - 1
      hasMissed ||= passed > 1
      enqueue(head)
      head.dueMs += intervalMs * passed
      ring.push(head)
    }
    if (hasMissed) ring.sort(byDue)
    startWaiting()
    arm()
  }

  const enqueue = (slot: Slot) => {
    if (slot.waitsSinceMs === undefined) {
      slot.waitsSinceMs = slot.dueMs
      waiting.push(slot)
    } else {
      counters.skipped++
    }
  }

  const startWaiting = () => {
    while (counters.inFlight < maxInFlight) {
      const slot = waiting.shift()
      if (slot === undefined) return
      if (performance.now() - (slot.waitsSinceMs ?? 0) > intervalMs) counters.late++
      slot.waitsSinceMs = undefined
      counters.started++
      counters.inFlight++
      slot.task
        .run()
        .catch(onDefect)
        .finally(() => {
          counters.inFlight--
          startWaiting()
        })
    }
  }

  const arm = () => {
    clearTimeout(timer)
    const [head] = ring
    if (head !== undefined) timer = setTimeout(turn, Math.max(0, head.dueMs - performance.now()))
  }

  return {
    get counters() {
      return { ...counters, waiting: waiting.length }
    },
    setTasks(tasks) {
      const known = new Map(ring.map((slot) => [slot.task.key, slot]))
      const now = performance.now()
      ring = tasks
        .map((task) => {
          const slot = known.get(task.key) ?? {
            task,
            dueMs: firstDueMs(task.key, now, intervalMs),
            waitsSinceMs: undefined,
          }
          slot.task = task
          return slot
        })
        .toSorted(byDue)
      const kept = new Set(ring)
      waiting.splice(0, waiting.length, ...waiting.filter((slot) => kept.has(slot)))
      arm()
    },
    stop() {
      clearTimeout(timer)
      ring = []
      waiting.length = 0
    },
  }
}

function byDue(a: Slot, b: Slot): number {
  return a.dueMs - b.dueMs
}

/** The next time the task's place in the interval comes round. */
function firstDueMs(key: string, nowMs: number, intervalMs: number): number {
  const placeMs = (createHash('sha256').update(key).digest().readUInt32BE() / 2 ** 32) * intervalMs
  const roundMs = Math.floor(nowMs / intervalMs) * intervalMs
  const dueMs = roundMs + placeMs
  return dueMs >= nowMs ? dueMs : dueMs + intervalMs
}
