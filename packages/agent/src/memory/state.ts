import { type AnyResult, outcomeOf, type SeriesReport } from '@scout/core'

export function isFailure(result: AnyResult | undefined): boolean {
  return result !== undefined && outcomeOf(result) === 'failure'
}

/** Returns the state of a series by the latest result of each of its tasks: one failure makes it failing. */
export function stateOf(latest: readonly (AnyResult | undefined)[]): SeriesReport['state'] {
  const results = latest.filter((result) => result !== undefined)
  if (results.length === 0) return 'waiting'
  if (results.some(isFailure)) return 'failing'
  return results.some(({ ok }) => ok) ? 'ok' : 'unable'
}
