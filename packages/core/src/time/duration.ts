import { ScoutError } from '../model/errors.ts'

const unitsNs: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 }

/**
 * Parses `250ms`, `1s`, `1m30s`: one or more numbers, each with a unit of ns, us, µs, ms, s, m, h. Returns milliseconds.
 * @throws {ScoutError} `invalid-duration`
 */
export function parseDurationMs(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
  if (text.startsWith('-')) throw invalid(text, 'a duration cannot be negative')
  if (/^\d+(\.\d+)?$/.test(text)) throw invalid(text, `it has no unit: write ${text}ms or ${text}s`)
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw invalid(text, 'write it as 250ms, 1s or 1m30s')
  }
  return parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * (unitsNs[unit] ?? Number.NaN), 0) / 1e6
}

/** Formats a duration for display, as Go does: `866.5µs`, `289.542µs`, `1.548375ms`, `1m30s`. */
export function formatDurationNs(ns: number): string {
  const whole = Math.round(ns)
  if (whole === 0) return '0s'
  const size = Math.abs(whole)
  if (size < 1e3) return `${whole}ns`
  if (size < 1e6) return `${decimal(whole / 1e3, 3)}µs`
  if (size < 1e9) return `${decimal(whole / 1e6, 6)}ms`
  if (size < 60e9) return `${decimal(whole / 1e9, 9)}s`
  const sign = whole < 0 ? '-' : ''
  const hours = Math.floor(size / 3600e9)
  const minutes = Math.floor((size % 3600e9) / 60e9)
  return `${sign}${hours > 0 ? `${hours}h` : ''}${minutes}m${decimal((size % 60e9) / 1e9, 9)}s`
}

function decimal(value: number, digits: number): string {
  return value.toFixed(digits).replace(/\.?0+$/, '')
}

function invalid(text: string, why: string): ScoutError {
  return new ScoutError('invalid-duration', `"${text}" is not a duration: ${why}`)
}
