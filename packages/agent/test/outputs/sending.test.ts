import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { createSending } from '../../src/outputs/sending.ts'

const documentOf = (bytes: number) => [Buffer.alloc(bytes / 2), Buffer.alloc(bytes / 2)]

test('many readers of one document take its memory once, and those of the oldest lose it where others need it', async () => {
  let dropped = 0
  const sending = createSending(100, () => dropped++)
  const readerOf = (document: readonly Buffer[]) => {
    const reader = new Writable()
    sending.add(document, reader)
    return reader
  }
  const [oldest, old, newest] = [documentOf(40), documentOf(40), documentOf(40)]
  const slow = [readerOf(oldest), readerOf(oldest), readerOf(oldest)]
  const others = [readerOf(old), readerOf(old)]
  expect(dropped).toBe(0)
  const last = readerOf(newest)
  expect([dropped, ...slow.map(({ destroyed }) => destroyed)]).toEqual([3, true, true, true])
  expect([...others, last].map(({ destroyed }) => destroyed)).toEqual([false, false, false])
})

test('a document that was read leaves room, and the newest is sent even if it alone is too large', async () => {
  let dropped = 0
  const sending = createSending(100, () => dropped++)
  for (let at = 0; at < 10; at++) {
    const reader = new Writable()
    sending.add(documentOf(60), reader)
    reader.destroy()
    await new Promise((resolve) => reader.once('close', resolve))
  }
  expect(dropped).toBe(0)
  const large = new Writable()
  sending.add(documentOf(1_000), large)
  expect([dropped, large.destroyed]).toEqual([0, false])
})

test('a reader that left while its document was made takes no memory', async () => {
  let dropped = 0
  const sending = createSending(100, () => dropped++)
  const gone = new Writable().destroy()
  await new Promise((resolve) => gone.once('close', resolve))
  sending.add(documentOf(90), gone)
  const [slow, other] = [new Writable(), new Writable()]
  sending.add(documentOf(40), slow)
  sending.add(documentOf(40), other)
  expect([dropped, slow.destroyed, other.destroyed]).toEqual([0, false, false])
})
