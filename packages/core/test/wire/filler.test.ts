import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fillerOf, whereAltered } from '../../src/wire/filler.ts'

test('the filler is found unaltered in any parts', () => {
  const whole = fillerOf(200_000)
  for (let at = 0, size = 1; at < whole.length; at += size, size = (size * 7) % 70_001)
    expect(whereAltered(whole.subarray(at, at + size), at)).toBeUndefined()
})

test('the first altered byte is found wherever it is', () => {
  const bytes = 140_000
  const offset = fc.integer({ min: 0, max: 1_000_000 })
  fc.assert(
    fc.property(
      offset,
      fc.integer({ min: 0, max: bytes - 1 }),
      fc.integer({ min: 0, max: bytes - 1 }),
      (start, one, other) => {
        const part = Buffer.from(fillerOf(start + bytes).subarray(start))
        for (const at of [one, other]) part[at] = 0
        expect(whereAltered(part, start)).toBe(start + Math.min(one, other))
      },
    ),
    { numRuns: 50 },
  )
})
