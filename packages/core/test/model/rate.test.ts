import { expect, test } from 'vitest'
import { formatRate } from '../../src/model/rate.ts'

test.each([
  [800, '0.8kbit/s'],
  [12_345, '12kbit/s'],
  [991_234, '991kbit/s'],
  [1e6, '1Mbit/s'],
  [9_912_345, '9.9Mbit/s'],
  [380_749_233, '381Mbit/s'],
  [2.5e9, '2.5Gbit/s'],
])('a rate of %d bit/s is shown as %s', (bitsPerSecond, text) => {
  expect(formatRate(bitsPerSecond)).toBe(text)
})
