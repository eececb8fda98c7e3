import { expect, test } from 'vitest'
import { type Blocks, createRenderings } from '../../src/outputs/renderings.ts'

const block = (text: string): Blocks => [Buffer.from(text)]

test('a document is made once for all who ask within a moment, and again after it', async () => {
  const rendering = createRenderings(rethrow)
  let made = 0
  const make = () => block(String(++made))
  const [one, other] = await Promise.all([rendering('a', make), rendering('a', make)])
  expect(one).toBe(other)
  expect(await rendering('a', make)).toBe(one)
  const untilMs = performance.now() + 5_000
  while ((await rendering('a', make)) === one && performance.now() < untilMs)
    await new Promise((resolve) => setTimeout(resolve, 5))
  expect(made).toBe(2)
})

test('documents of different names differ', async () => {
  const rendering = createRenderings(rethrow)
  expect(String(await rendering('a', () => block('a')))).toBe('a')
  expect(String(await rendering('b', () => block('b')))).toBe('b')
})

test('making documents leaves four fifths of the time to other things', async () => {
  const rendering = createRenderings(rethrow)
  let busyMs = 0
  const work = () => {
    const startMs = performance.now()
    while (performance.now() - startMs < 20);
    busyMs += performance.now() - startMs
    return block('done')
  }
  const startMs = performance.now()
  await Promise.all(Array.from({ length: 6 }, (_, name) => rendering(String(name), work)))
  await rendering('last', () => block(''))
  expect(busyMs / (performance.now() - startMs)).toBeLessThan(0.21)
})

test('an error is reported once, and nobody receives a document', async () => {
  const errors: unknown[] = []
  const rendering = createRenderings((error) => errors.push(error))
  const fail = () => Promise.reject(new Error('no row'))
  expect(await Promise.all([rendering('a', fail), rendering('a', fail)])).toEqual([undefined, undefined])
  expect(errors).toEqual([new Error('no row')])
  expect(String(await rendering('b', () => block('b')))).toBe('b')
})

function rethrow(error: unknown): never {
  throw error
}
