/** Work that many events ask for, and that need not run once for each of them. */
export interface Paced {
  /** Runs the work: at once if it has rested long enough since the last run, otherwise once when it has. */
  request(): void
  /** Runs the work at once, also for those that wait. */
  hurry(): void
  /** Drops a run that waits. */
  stop(): void
}

/** How many times as long as it took the work rests: it takes at most a tenth of the time, whatever its cost. */
const restFactor = 9

/**
 * Paces work whose cost grows with what it is about. A plan for 500 peers takes a tenth of a second, and each of them asks for one when it
 * is met; without a pace, all of them together hold the event loop for minutes.
 */
export function createPaced(work: () => void, nowMs: () => number = () => performance.now()): Paced {
  let restUntilMs = 0
  let timer: NodeJS.Timeout | undefined

  const run = () => {
    timer = undefined
    const startMs = nowMs()
    try {
      work()
    } finally {
      const endMs = nowMs()
      restUntilMs = endMs + restFactor * (endMs - startMs)
    }
  }

  return {
    request() {
      if (timer !== undefined) return
      const waitMs = restUntilMs - nowMs()
      if (waitMs <= 0) run()
      else timer = setTimeout(run, waitMs)
    },
    hurry() {
      clearTimeout(timer)
      run()
    },
    stop() {
      clearTimeout(timer)
      timer = undefined
    },
  }
}
