import { createHash } from 'node:crypto'

/** Work that runs once an interval. */
export interface Task {
  /** Determines its offset within the interval, which is fixed for a key within one process. */
  readonly key: string
  readonly intervalMs: number
  run(): Promise<void>
}

export interface ScheduleCounters {
  /** Runs started. */
  readonly started: number
  /** Runs started more than one interval late. */
  readonly late: number
  /** Runs dropped because the previous one was still waiting. */
  readonly skipped: number
  readonly inFlight: number
  readonly waiting: number
}

export interface Schedule {
  readonly counters: ScheduleCounters
  /** Replaces all tasks; a task with a known key and interval keeps its offset. */
  setTasks(tasks: readonly Task[]): void
  stop(): void
}

interface ScheduleOptions {
  /** Maximum number of runs in flight; further due runs wait in order. */
  readonly maxInFlight: number
  /** Called when a run rejects, which is a defect: expected failures are data. */
  readonly onDefect: (error: unknown) => void
  /** Shifts all offsets by this part (0 to 1) of their intervals (default: random). */
  readonly phase?: number
}

interface Slot {
  task: Task
  /** Time of its next run. */
  dueMs: number
  /** When the waiting run was due; undefined if none waits. */
  waitsSinceMs: number | undefined
}

/**
 * Spreads tasks evenly over their intervals by the hash of their keys, so that they do not bunch up as peers come and go. Each process
 * shifts all offsets by a random phase, so that agents do not run in step with each other or with their previous run.
 */
export function createSchedule({ maxInFlight, onDefect, phase = Math.random() }: ScheduleOptions): Schedule {
  /** By due time, soonest first. */
  let slots: Slot[] = []
  const waiting: Slot[] = []
  const counters = { started: 0, late: 0, skipped: 0, inFlight: 0 }
  let timer: NodeJS.Timeout | undefined

  const turn = () => {
    const nowMs = performance.now()
    for (let head = slots[0]; head !== undefined && head.dueMs <= nowMs; head = slots[0]) {
      slots.shift()
      const { intervalMs } = head.task
      // If the event loop was blocked for longer than the interval, the missed runs are skipped, not made up for.
      const passed = 1 + Math.floor((nowMs - head.dueMs) / intervalMs)
      counters.skipped += passed - 1
      enqueue(head)
      head.dueMs += intervalMs * passed
      slots.splice(placeIn(slots, head.dueMs), 0, head)
    }
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
      if (performance.now() - (slot.waitsSinceMs ?? 0) > slot.task.intervalMs) counters.late++
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
    const [head] = slots
    if (head !== undefined) timer = setTimeout(turn, Math.max(0, head.dueMs - performance.now()))
  }

  const slotOf = (task: Task, known: Slot | undefined): Slot => {
    if (known?.task.intervalMs !== task.intervalMs)
      return { task, dueMs: firstDueMs(task, phase), waitsSinceMs: undefined }
    known.task = task
    return known
  }

  return {
    get counters() {
      return { ...counters, waiting: waiting.length }
    },
    setTasks(tasks) {
      const known = new Map(slots.map((slot) => [slot.task.key, slot]))
      slots = tasks.map((task) => slotOf(task, known.get(task.key))).toSorted((a, b) => a.dueMs - b.dueMs)
      const kept = new Set(slots)
      waiting.splice(0, waiting.length, ...waiting.filter((slot) => kept.has(slot)))
      arm()
    },
    stop() {
      clearTimeout(timer)
      slots = []
      waiting.length = 0
    },
  }
}

/** Returns the index at which to insert a slot: after all slots due at the same time or earlier. */
function placeIn(slots: readonly Slot[], dueMs: number): number {
  let low = 0
  let high = slots.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((slots[middle]?.dueMs ?? 0) <= dueMs) low = middle + 1
    else high = middle
  }
  return low
}

/** Returns the next time at which the task is due by its offset. */
function firstDueMs({ key, intervalMs }: Task, phase: number): number {
  const hash = createHash('sha256').update(key).digest().readUInt32BE() / 2 ** 32
  const placeMs = ((hash + phase) % 1) * intervalMs
  const nowMs = performance.now()
  const dueMs = Math.floor(nowMs / intervalMs) * intervalMs + placeMs
  return dueMs >= nowMs ? dueMs : dueMs + intervalMs
}
