import { type Outcome, outcomeOf } from '../model/failure.ts'
import { nowNs } from '../time/clock.ts'
import type { NumberedResult } from './task.ts'

/** Collects the results of tasks, so that most of them are delivered together. */
export interface ResultBatches {
  /** Adds a result: a failure, or the first one with another outcome than the task's previous one, is delivered at once. */
  add(result: NumberedResult): void
  /** Delivers within a second, even if no result is added, because counters have changed. */
  touch(): void
  /** Delivers what would otherwise wake the process between now and `wakesAtNs`, when it wakes in any case. */
  flushBefore(wakesAtNs: number): void
  /** Delivers everything. */
  flush(): void
  /** Drops the outcomes of these tasks. */
  forget(numbers: Iterable<number>): void
}

/** How long a result may wait for others. */
const longestMs = 1_000

/** Creates an empty collection. `deliver` is also called without results if `touch` asked for it. */
export function createResultBatches(deliver: (results: readonly NumberedResult[]) => void): ResultBatches {
  const outcomes = new Map<number, Outcome>()
  let results: NumberedResult[] = []
  let dueNs = Number.POSITIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let soon: NodeJS.Immediate | undefined

  const flush = () => {
    if (dueNs === Number.POSITIVE_INFINITY) return
    clearTimeout(timer)
    clearImmediate(soon)
    soon = undefined
    dueNs = Number.POSITIVE_INFINITY
    const batch = results
    results = []
    deliver(batch)
  }

  const touch = () => {
    if (dueNs < Number.POSITIVE_INFINITY) return
    dueNs = nowNs() + longestMs * 1e6
    timer = setTimeout(flush, longestMs)
  }

  return {
    add(result) {
      touch()
      results.push(result)
      const outcome = outcomeOf(result.result)
      const isNews = outcome === 'failure' || outcome !== outcomes.get(result.number)
      outcomes.set(result.number, outcome)
      // Attempts that expire together fail in one turn of the event loop, and make one batch.
      if (isNews) soon ??= setImmediate(flush)
    },
    touch,
    flushBefore(wakesAtNs) {
      if (dueNs < wakesAtNs) flush()
    },
    flush,
    forget(numbers) {
      for (const number of numbers) outcomes.delete(number)
    },
  }
}
