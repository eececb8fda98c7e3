import type { Result, Statistics, Stray } from '@scout/core'

/** Prints a run of one probe as it goes. */
export interface Report {
  begin(): void
  /** `number` counts attempts from 1 in the order they started. */
  attempt(result: Result, number: number): void
  stray(stray: Stray): void
  /** `waitingCount`: attempts that had no result yet when the run was ended. */
  end(statistics: Statistics, waitingCount: number): void
}
