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

/**
 * For how long a rejection says why later attempts have no answer: hosts send so few ICMP errors (Linux: one a second to each address) that
 * most attempts of a stream to a closed port have none.
 */
const rejectsMs = 10_000

export function isRejected(result: AnyResult): boolean {
  return !result.ok && (result.failure.reason === 'refused' || result.failure.reason === 'prohibited')
}

/** Returns the result that says best why a series fails. */
export function tellingOf(failed: AnyResult | undefined, rejected: AnyResult | undefined): AnyResult | undefined {
  if (failed === undefined || failed.ok || failed.failure.reason !== 'timeout' || rejected === undefined) return failed
  return rejected.target === failed.target && failed.startedAtMs - rejected.startedAtMs < rejectsMs ? rejected : failed
}
