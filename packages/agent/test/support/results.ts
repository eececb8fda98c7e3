import type { AnyResult, FailureReason } from '@scout/core'
import type { Ended } from '../../src/memory/settlement.ts'

const measured = {
  protocol: 'tcp',
  target: '10.0.0.1:8081',
  startedAtMs: 1_000,
  phasesNs: {},
  totalNs: 1_000,
  clock: { tx: 'user', rx: 'user' },
} as const

export function success(startedAtMs = 1_000): AnyResult {
  return { ...measured, startedAtMs, ok: true, detail: { isResetAtOnce: false } }
}

export function failure(startedAtMs = 1_000, reason: FailureReason = 'timeout', message = 'no answer'): AnyResult {
  return { ...measured, startedAtMs, ok: false, failure: { reason, phase: 'connect', message } }
}

/** Returns the result as a vantage delivers it. */
export function ended(result: AnyResult, startedNs: number): Ended {
  return { startedNs, result }
}
