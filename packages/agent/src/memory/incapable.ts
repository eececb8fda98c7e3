import type { AnyResult } from '@scout/core'

/** This process lacks what the probe needs, so nothing was sent and nothing is known of the network. */
export function isIncapable(result: AnyResult): boolean {
  return !result.ok && (result.failure.reason === 'not-permitted' || result.failure.reason === 'not-supported')
}
