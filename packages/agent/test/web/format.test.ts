import { expect, test } from 'vitest'
import { ageText, durationText, shareText, spanText, threeDigits } from '../../web/state/format.ts'

test.each([
  [999, '999 ns'],
  [312_400, '312 µs'],
  [999_600, '1.00 ms'],
  [1_548_375, '1.55 ms'],
  [12_345_678, '12.3 ms'],
  [3_000_000_000, '3.00 s'],
  [65_000_000_000, '65.0 s'],
])('shows %d ns as %s, with three significant digits', (ns, text) => {
  expect(durationText(ns)).toBe(text)
})

test.each([
  [0, '0'],
  [0.012_34, '0.0123'],
  [9.999, '10.0'],
  [1_234.5, '1230'],
  [Number.NaN, '?'],
])('shows %d as %s', (value, text) => {
  expect(threeDigits(value)).toBe(text)
})

test('shows ages in the largest unit that fits, and shares in percent', () => {
  expect([400, 59_000, 130_000, 7_300_000, 200_000_000].map(spanText)).toEqual(['0 s', '59 s', '2 min', '2 h', '2 d'])
  expect([400, -5_000, 130_000].map(ageText)).toEqual(['just now', 'just now', '2 min ago'])
  expect([shareText(13, 60), shareText(0, 60), shareText(0, 0)]).toEqual(['21.7 %', '0 %', '0 %'])
})
