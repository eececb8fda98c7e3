import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ScoutError } from '../../src/model/errors.ts'
import { formatDurationNs, parseDurationMs } from '../../src/time/duration.ts'

test.for([
  ['250ms', 250],
  ['1s', 1000],
  ['1.5s', 1500],
  ['1m30s', 90_000],
  ['2h', 7_200_000],
  ['0s', 0],
  ['100us', 0.1],
  ['100µs', 0.1],
  ['500ns', 0.0005],
] as const)('parses %s as %s ms', ([text, ms]) => {
  expect(parseDurationMs(text)).toBe(ms)
})

test('rejects anything else and explains how to write a duration', () => {
  const sentences = ['', '5', '1.5', '-1s', '1 s', '1x', 's', '1s2', '1e3ms', '∞'].map((text) => {
    expect(() => parseDurationMs(text)).toThrow(ScoutError)
    return messageOf(() => parseDurationMs(text))
  })
  expect(`\n${sentences.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    "" is not a duration: write it as 250ms, 1s or 1m30s
    "5" is not a duration: it has no unit: write 5ms or 5s
    "1.5" is not a duration: it has no unit: write 1.5ms or 1.5s
    "-1s" is not a duration: a duration cannot be negative
    "1 s" is not a duration: write it as 250ms, 1s or 1m30s
    "1x" is not a duration: write it as 250ms, 1s or 1m30s
    "s" is not a duration: write it as 250ms, 1s or 1m30s
    "1s2" is not a duration: write it as 250ms, 1s or 1m30s
    "1e3ms" is not a duration: write it as 250ms, 1s or 1m30s
    "∞" is not a duration: write it as 250ms, 1s or 1m30s
    "
  `)
})

test.for([
  [0, '0s'],
  [0.4, '0s'],
  [1, '1ns'],
  [866_500, '866.5µs'],
  [289_542, '289.542µs'],
  [1_548_375, '1.548375ms'],
  [10_000_000, '10ms'],
  [1_000_000_000, '1s'],
  [59_999_999_999, '59.999999999s'],
  [90_000_000_000, '1m30s'],
  [3_600_000_000_000, '1h0m0s'],
  [-1500, '-1.5µs'],
  [-90_500_000_000, '-1m30.5s'],
] as const)('formats %s ns as %s, as Go does', ([ns, text]) => {
  expect(formatDurationNs(ns)).toBe(text)
})

test('any formatted duration parses back to the nanosecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e15 }), (ns) => {
      expect(Math.round(parseDurationMs(formatDurationNs(ns)) * 1e6)).toBe(ns)
    }),
  )
})

test('any text is parsed or rejected with a ScoutError', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789.-numsh µ') }))
  fc.assert(
    fc.property(text, (written) => {
      try {
        expect(parseDurationMs(written)).toBeGreaterThanOrEqual(0)
      } catch (error) {
        if (!(error instanceof ScoutError)) throw error
        expect(error).toMatchObject({ code: 'invalid-duration' })
      }
    }),
  )
})

function messageOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof Error) return error.message
  }
  return 'nothing was thrown'
}
