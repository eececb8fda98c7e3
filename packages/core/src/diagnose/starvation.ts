import type { Lateness } from '../mesh/row.ts'

/** Share of the attempts that started late or not at all, and their number, from which an agent is not to be believed. */
const most = { lateRatio: 0.05, late: 3, stalledMs: 3_000, throttledRatio: 0.1, stolenRatio: 0.3 } as const

/**
 * Returns whether an agent lacked the CPU to measure. Waits of some milliseconds do not count: the kernel stamps packets, and no attempt
 * fails for them.
 */
export function isStarved({ spanMs, started, late, skipped, stalledMs, throttledMs = 0, stolenRatio = 0 }: Lateness) {
  const missed = late + skipped
  return (
    (missed >= most.late && missed > most.lateRatio * (started + skipped)) ||
    stalledMs >= most.stalledMs ||
    throttledMs > most.throttledRatio * spanMs ||
    stolenRatio > most.stolenRatio
  )
}
