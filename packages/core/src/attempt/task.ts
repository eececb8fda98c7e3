import { ScoutError } from '../model/errors.ts'
import type { Sockets } from '../net/sockets.ts'
import type { AnyResult } from '../probes/index.ts'
import type { Probe } from '../probes/probe.ts'
import type { Result } from '../probes/result.ts'
import type { OwnSession } from '../probes/session.ts'
import type { Place } from './placement.ts'
import type { Request } from './run.ts'

/** An attempt to repeat, as plain data. */
export interface Task {
  /** Unique among the tasks of a prober. Determines when in its interval the task is due. */
  readonly id: string
  readonly protocol: string
  readonly target: string
  /** Options of its probe. */
  readonly options?: object | undefined
  readonly intervalMs: number
  /**
   * Attempts that the packet engine makes in each interval, evenly spaced (default: 1). So many successes that are alike become one result.
   * Ignored where the engine does not make its attempts or cannot tell whether they are alike: `udp` without `keep`, `send` and `expect` is
   * such a stream.
   */
  readonly perInterval?: number | undefined
  /** Name of the vantage to probe from (default: the network namespace of this process). */
  readonly vantage?: string | undefined
}

/** Result of one attempt of a task, or of several that are condensed. */
export interface TaskResult<Of = AnyResult> {
  readonly id: string
  /** Start of the attempt on the clock of `process.hrtime`, which is the same in all threads. */
  readonly startedNs: number
  readonly result: Of
}

export interface ScheduleCounters {
  /** Attempts started. */
  readonly started: number
  /** Attempts started more than one interval late. */
  readonly late: number
  /** Attempts dropped because the previous one was still waiting, or because the event loop was blocked. */
  readonly skipped: number
  /** Attempts of the packet engine whose results are lost, because this process did not read them for too long. */
  readonly lost: number
  readonly inFlight: number
  readonly waiting: number
}

/** A task under the number that stands for it in engines and messages. Each new or changed task gets a new number. */
export interface NumberedTask extends Task {
  readonly number: number
}

export interface TaskChange {
  readonly added: readonly NumberedTask[]
  readonly removed: readonly number[]
}

/** Result of one attempt, whichever repeater made it. */
export interface NumberedResult {
  /** Number of its task. */
  readonly number: number
  readonly startedNs: number
  readonly result: Result
}

/** Counters of a prober about its tasks. */
export interface ProberCounters extends ScheduleCounters {
  /** Results whose task was removed before they were delivered. */
  readonly dropped: number
}

/** Results delivered together, with the counters of the same moment. */
export interface ResultBatch {
  readonly results: readonly NumberedResult[]
  readonly schedule: ScheduleCounters
}

/** A task that is validated and ready to run. */
export interface PreparedTask {
  readonly number: number
  readonly probe: Probe
  readonly request: Request
  readonly sockets: Sockets
  readonly session: OwnSession
  readonly place: Place
  readonly perInterval: number
}

/** Repeats tasks at their places and passes each result to the `add` of its `ResultBatches`. */
export interface Repeater {
  readonly counters: ScheduleCounters
  add(tasks: readonly PreparedTask[]): void
  /** Passes on results that are known and were not passed on yet. Those of tasks that end (default: all) wait no more for earlier ones. */
  collect(ending?: ReadonlySet<number>): void
  /** Cancels the attempts of these tasks and closes their sessions. */
  remove(numbers: ReadonlySet<number>): void
  stop(): void
}

/** Most answers that the packet engine condenses into one. */
const mostPerInterval = 0xffff

const intervalLimits = { leastMs: 1, belowMs: 2 ** 31 } as const

/**
 * Checks a number of attempts per interval.
 * @throws {ScoutError} `invalid-option`
 */
export function checkPerInterval(attempts: number): void {
  if (Number.isInteger(attempts) && attempts >= 1 && attempts <= mostPerInterval) return
  throw new ScoutError(
    'invalid-option',
    `cannot make ${attempts} attempts in each interval: choose a number from 1 to ${mostPerInterval}`,
  )
}

/**
 * Checks an interval. Timers support at most 31 bits of milliseconds; with a longer delay they fire at once.
 * @throws {ScoutError} `invalid-option`
 */
export function checkInterval(intervalMs: number): void {
  if (intervalMs >= intervalLimits.leastMs && intervalMs < intervalLimits.belowMs) return
  throw new ScoutError(
    'invalid-option',
    `cannot repeat every ${intervalMs} ms: choose an interval from 1 ms to 24 days`,
  )
}
