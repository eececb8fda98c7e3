import type { Result } from '@scout/core'
import type { Output } from '../shell/io.ts'
import type { Report } from './report.ts'

/** Prints only JSON, one object per line. */
export function createJsonReport(out: Output): Report {
  return {
    begin() {},
    attempt: (result) => out.write(`${jsonOf(result)}\n`),
    stray() {},
    end() {},
  }
}

/** Renders a result with its keys in a stable order; `extra` comes first. */
export function jsonOf(result: Result, extra: Readonly<Record<string, string>> = {}): string {
  const { protocol, target, endpoint, startedAtMs, phasesNs, totalNs, clock, packets } = result
  return JSON.stringify({
    ...extra,
    protocol,
    target,
    ...(endpoint === undefined
      ? {}
      : { endpoint: pick(endpoint, ['host', 'address', 'family', 'port', 'addressCount']) }),
    startedAtMs,
    phasesNs,
    totalNs,
    clock: pick(clock, ['tx', 'rx']),
    ...(packets === undefined
      ? {}
      : {
          packets: pick(packets, [
            'sent',
            'arrived',
            'lostForth',
            'returned',
            'duplicated',
            'duplicatedForth',
            'remarkedForth',
            'remarkedBack',
            'reordered',
            'reorderedForth',
            'late',
          ]),
        }),
    ok: result.ok,
    ...(result.ok ? {} : { failure: pick(result.failure, ['reason', 'phase', 'message', 'code', 'icmp']) }),
    ...(result.detail === undefined ? {} : { detail: result.detail }),
  })
}

/** Returns the entries in the order of `keys`; JSON omits undefined values. */
function pick<T extends object>(value: T, keys: readonly (keyof T)[]): Partial<T> {
  const picked: Partial<T> = {}
  for (const key of keys) picked[key] = value[key]
  return picked
}
