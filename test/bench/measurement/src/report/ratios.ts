import { median } from './quantiles.ts'

/** A figure held to another of the same run. */
export interface Ratio {
  readonly figure: string
  readonly against: string
  readonly limit: number
  /** The median of the rounds; absent when it could not be measured. */
  readonly measured?: number
  /** Smallest and greatest of the rounds. */
  readonly range?: readonly [number, number]
}

export type Verdict = 'held' | 'missed' | 'not measured'

export function verdictOf({ measured, limit }: Ratio): Verdict {
  if (measured === undefined) return 'not measured'
  return measured <= limit ? 'held' : 'missed'
}

/** The rounds of a ratio in one. */
export function spreadOf(rounds: readonly number[]): Pick<Ratio, 'measured' | 'range'> {
  const measured = median(rounds)
  return measured === undefined ? {} : { measured, range: [Math.min(...rounds), Math.max(...rounds)] }
}
