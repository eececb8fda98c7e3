import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readUint16, readUint32, writeUint16, writeUint32 } from '../../src/wire/bytes.ts'

test('numbers are written as by a DataView, and read back', () => {
  const numbers = fc.tuple(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 0xffff_ffff }))
  fc.assert(
    fc.property(numbers, ([small, large]) => {
      const bytes = new Uint8Array(8)
      writeUint16(bytes, 1, small)
      writeUint32(bytes, 3, large)
      const view = new DataView(bytes.buffer)
      expect([view.getUint16(1), view.getUint32(3)]).toEqual([small, large])
      expect([readUint16(bytes, 1), readUint32(bytes, 3)]).toEqual([small, large])
    }),
  )
})
