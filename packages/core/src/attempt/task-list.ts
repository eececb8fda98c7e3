import { isDeepStrictEqual } from 'node:util'
import { ScoutError } from '../model/errors.ts'
import type { Result } from '../probes/result.ts'
import type {
  NumberedTask,
  ProberCounters,
  ResultBatch,
  ScheduleCounters,
  Task,
  TaskChange,
  TaskResult,
} from './task.ts'

/** The tasks of one prober, on the caller's side of its engine. */
export interface TaskList {
  /** Counters as of the last batch. */
  readonly schedule: ProberCounters
  /**
   * Replaces all tasks; returns what has to change in the engine.
   * @throws {ScoutError} `invalid-option` if two tasks have the same id
   */
  replace(tasks: readonly Task[]): TaskChange
  /** Undoes a change that the engine rejected. */
  undo(change: TaskChange): void
  /** Passes on the results of tasks that are still in the list, and counts the others. */
  receive(batch: ResultBatch): void
}

const nothingYet: ScheduleCounters = { started: 0, late: 0, skipped: 0, lost: 0, inFlight: 0, waiting: 0 }

export function createTaskList(onResults: (results: readonly TaskResult<Result>[]) => void): TaskList {
  let byId = new Map<string, NumberedTask>()
  const byNumber = new Map<number, NumberedTask>()
  /** Tasks whose removal the engine may still reject. */
  const removed = new WeakMap<TaskChange, readonly NumberedTask[]>()
  let schedule = nothingYet
  let dropped = 0
  let numbers = 0

  return {
    get schedule() {
      return { ...schedule, dropped }
    },
    replace(tasks) {
      const next = new Map<string, NumberedTask>()
      const added: NumberedTask[] = []
      for (const task of tasks) {
        if (next.has(task.id))
          throw new ScoutError('invalid-option', `two tasks have the id "${task.id}": make it unique`)
        const known = byId.get(task.id)
        if (known !== undefined && isSame(known, task)) {
          next.set(task.id, known)
        } else {
          const numbered = { ...task, number: numbers++ }
          next.set(task.id, numbered)
          added.push(numbered)
        }
      }
      const gone = [...byId.values()].filter((known) => next.get(known.id) !== known)
      for (const { number } of gone) byNumber.delete(number)
      for (const task of added) byNumber.set(task.number, task)
      byId = next
      const change = { added, removed: gone.map(({ number }) => number) }
      removed.set(change, gone)
      return change
    },
    undo(change) {
      for (const task of change.added) {
        byNumber.delete(task.number)
        if (byId.get(task.id) === task) byId.delete(task.id)
      }
      for (const task of removed.get(change) ?? []) {
        if (byId.has(task.id)) continue
        byNumber.set(task.number, task)
        byId.set(task.id, task)
      }
    },
    receive(batch) {
      schedule = batch.schedule
      const results = batch.results.flatMap(({ number, startedNs, result }) => {
        const task = byNumber.get(number)
        return task === undefined ? [] : [{ id: task.id, startedNs, result }]
      })
      dropped += batch.results.length - results.length
      if (results.length > 0) onResults(results)
    },
  }
}

/** Whether a task can go on as it is. */
function isSame(a: Task, b: Task): boolean {
  return (
    a.intervalMs === b.intervalMs &&
    a.perInterval === b.perInterval &&
    a.target === b.target &&
    a.protocol === b.protocol &&
    a.vantage === b.vantage &&
    (a.options === b.options || isDeepStrictEqual(a.options, b.options))
  )
}
