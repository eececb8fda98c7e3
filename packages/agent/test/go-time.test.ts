import { afterEach, describe, expect, test, vi } from 'vitest'
import { formatGoDateTime, formatLogTime } from '../src/go-time.ts'

const moment = new Date('2023-10-30T22:09:49.890Z')

afterEach(() => {
  vi.unstubAllEnvs()
})

describe.each([
  { zone: 'America/Chicago', log: '2023/10/30 17:09:49', go: '2023-10-30 17:09:49.89 -0500 CDT' },
  { zone: 'America/St_Johns', log: '2023/10/30 19:39:49', go: '2023-10-30 19:39:49.89 -0230 GMT-2:30' },
  { zone: 'UTC', log: '2023/10/30 22:09:49', go: '2023-10-30 22:09:49.89 +0000 UTC' },
  { zone: 'Asia/Kathmandu', log: '2023/10/31 03:54:49', go: '2023-10-31 03:54:49.89 +0545 GMT+5:45' },
])('in $zone', ({ zone, log, go }) => {
  test('a log line begins with the local time', () => {
    vi.stubEnv('TZ', zone)
    expect(formatLogTime(moment)).toBe(log)
  })

  test('a date has local time, offset and zone', async () => {
    vi.stubEnv('TZ', zone)
    // A process keeps one time zone for its lifetime.
    vi.resetModules()
    const reloaded = await import('../src/go-time.ts')
    expect(reloaded.formatGoDateTime(moment).replace(/ m=.*/, '')).toBe(go)
  })
})

test.each([
  ['2023-10-30T22:09:49.000Z', '49'],
  ['2023-10-30T22:09:49.005Z', '49.005'],
  ['2023-10-30T22:09:49.120Z', '49.12'],
])('the seconds of %s are written as %s, without trailing zeros', (text, seconds) => {
  expect(formatGoDateTime(new Date(text))).toContain(`:${seconds} `)
})

test.each([
  ['after the process started', 2_000, '+'],
  ['before the process started', -3_600_000, '-'],
])('a date %s has the monotonic seconds between them', (_, offsetMs, sign) => {
  const seconds = (performance.now() + offsetMs) / 1000
  const [, writtenSign, written] =
    / m=([+-])(\d+\.\d{9})$/.exec(formatGoDateTime(new Date(Date.now() + offsetMs))) ?? []
  expect(writtenSign).toBe(sign)
  expect(Number(written) / Math.abs(seconds)).toBeCloseTo(1, 1)
})

test('is faster than creating a formatter for zone names', () => {
  const tookMs = (act: () => unknown) => {
    const times = Array.from({ length: 101 }, () => {
      const startMs = performance.now()
      act()
      return performance.now() - startMs
    })
    return times.toSorted((a, b) => a - b)[50] ?? 0
  }
  const makingMs = tookMs(() => new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }))
  expect(tookMs(() => formatGoDateTime(moment)) / makingMs).toBeLessThan(1)
})
