import { expect, test } from 'vitest'
import { createTurns, type Release } from '../../src/responders/turns.ts'

const limits = { atOnce: 3, perClient: 2, waiting: 2, waitMs: 60_000 }

test('so many begin at once, and the next when one of them ends', async () => {
  const turns = createTurns(limits)
  const begun: string[] = []
  const [first] = await Promise.all(['a', 'b', 'c'].map((client) => turns.take(client)))
  const next = take(turns.take('d'), begun, 'd')
  expect(begun).toEqual([])
  first?.()
  await next
  expect(begun).toEqual(['d'])
})

test('a client at its limit is passed over until one of its own ends', async () => {
  const turns = createTurns({ ...limits, atOnce: 4 })
  const begun: string[] = []
  const own = await turns.take('a')
  await turns.take('a')
  const third = take(turns.take('a'), begun, 'a')
  const other = take(turns.take('b'), begun, 'b')
  await other
  expect(begun).toEqual(['b'])
  own?.()
  await third
  expect(begun).toEqual(['b', 'a'])
})

test('ending twice frees one turn', async () => {
  const turns = createTurns({ ...limits, atOnce: 1, waitMs: 1 })
  const first = await turns.take('a')
  first?.()
  first?.()
  expect(await turns.take('b')).toBeTypeOf('function')
  expect(await turns.take('c')).toBeUndefined()
})

test('a client that waits too long, or comes when too many wait, gets none', async () => {
  const turns = createTurns({ ...limits, atOnce: 1, waitMs: 20 })
  await turns.take('a')
  const waiting = [turns.take('b'), turns.take('c')]
  const startMs = performance.now()
  expect(await turns.take('d')).toBeUndefined()
  expect(performance.now() - startMs).toBeLessThan(15)
  expect(await Promise.all(waiting)).toEqual([undefined, undefined])
})

async function take(turn: Promise<Release | undefined>, begun: string[], name: string): Promise<void> {
  await turn
  begun.push(name)
}
