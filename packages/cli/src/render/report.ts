import type { Result, Statistics, Stray } from '@scout/core'

/** Prints the run of one probe as it progresses. */
export interface Report {
  begin(): void
  /** `number` counts attempts from 1 in the order they started. */
  attempt(result: Result, number: number): void
  stray(stray: Stray): void
  /** `waitingCount`: attempts in flight when the run ended. */
  end(statistics: Statistics, waitingCount: number): void
}
