import { setImmediate, setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { createTurns, type Turn } from '../../src/responders/turns.ts'

const limits = { atOnce: 3, perClient: 2, waiting: 2, waitMs: 60_000 }

test('so many begin at once, and the next when one of them ends', async () => {
  const turns = createTurns(limits)
  const begun: string[] = []
  const [first] = await Promise.all(['a', 'b', 'c'].map((client) => turns.take({ client })))
  const next = take(turns.take({ client: 'd' }), begun, 'd')
  expect(begun).toEqual([])
  first?.end()
  await next
  expect(begun).toEqual(['d'])
})

test('a client at its limit is passed over until one of its own ends', async () => {
  const turns = createTurns({ ...limits, atOnce: 4 })
  const begun: string[] = []
  const own = await turns.take({ client: 'a' })
  await turns.take({ client: 'a' })
  const third = take(turns.take({ client: 'a' }), begun, 'a')
  const other = take(turns.take({ client: 'b' }), begun, 'b')
  await other
  expect(begun).toEqual(['b'])
  own?.end()
  await third
  expect(begun).toEqual(['b', 'a'])
})

test('ending twice frees one turn', async () => {
  const turns = createTurns({ ...limits, atOnce: 1, waitMs: 1 })
  const first = await turns.take({ client: 'a' })
  first?.end()
  first?.end()
  expect(await turns.take({ client: 'b' })).toBeDefined()
  expect(await turns.take({ client: 'c' })).toBeUndefined()
})

test('a client that waits too long, or comes when too many wait, gets none', async () => {
  const turns = createTurns({ ...limits, atOnce: 1, waitMs: 20 })
  await turns.take({ client: 'a' })
  const waiting = [turns.take({ client: 'b' }), turns.take({ client: 'c' })]
  const startMs = performance.now()
  expect(await turns.take({ client: 'd' })).toBeUndefined()
  expect(performance.now() - startMs).toBeLessThan(15)
  expect(await Promise.all(waiting)).toEqual([undefined, undefined])
})

test('where no turn is free, the client with the most loses its oldest to one that has fewer, but none of two', async () => {
  const turns = createTurns({ ...limits, atOnce: 4, perClient: 3 })
  const lost: string[] = []
  const holders = ['b1', 'a1', 'a2', 'a3']
  for (const name of holders) await turns.take({ client: name.charAt(0), onLost: () => lost.push(name) })
  expect(await turns.take({ client: 'c' })).toBeDefined()
  expect(lost).toEqual(['a1'])
  // Now one has two, and the others one: nobody loses it at once.
  const begun: string[] = []
  void take(turns.take({ client: 'd' }), begun, 'd')
  await setImmediate()
  expect([begun, lost]).toEqual([[], ['a1']])
})

test('of clients with equally many turns, the one that has used more loses one', async () => {
  const turns = createTurns({ ...limits, atOnce: 6, perClient: 3 })
  const lost: string[] = []
  const used = await turns.take({ client: 'b' })
  await setTimeout(5)
  used?.end()
  for (const name of ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'])
    await turns.take({ client: name.charAt(0), onLost: () => lost.push(name) })
  await turns.take({ client: 'c' })
  expect(lost).toEqual(['b1'])
})

test('a turn is lost after the time that it lasts at least if another client waits, and not before', async () => {
  const turns = createTurns({ ...limits, atOnce: 1, keptMs: 50 })
  const startMs = performance.now()
  let lostMs = 0
  await turns.take({ client: 'a', onLost: () => (lostMs = performance.now()) })
  expect(await turns.take({ client: 'b' })).toBeDefined()
  expect(lostMs - startMs).toBeGreaterThanOrEqual(49)
})

test('one that asks for little comes before those that ask for much, and a client that has used much comes last', async () => {
  const turns = createTurns({ ...limits, atOnce: 1, waiting: 3, keptMs: 1_100 })
  const begun: string[] = []
  await turns.take({ client: 'busy', onLost: () => {} })
  const next = (client: string, likelyMs: number) =>
    turns.take({ client, likelyMs }).then((turn) => {
      begun.push(client)
      turn?.end()
    })
  const all = [next('much', 100), next('little', 10)]
  await eventually(() => begun.length === 2, 'both have begun')
  const holder = await turns.take({ client: 'holder' })
  all.push(next('busy', 1), next('much', 100))
  holder?.end()
  await Promise.all(all)
  expect(begun).toEqual(['little', 'much', 'much', 'busy'])
})

test('where too many wait, one of the client with the most of them goes away for another client', async () => {
  const turns = createTurns({ ...limits, atOnce: 1 })
  const holder = await turns.take({ client: 'a' })
  const flood = [turns.take({ client: 'b' }), turns.take({ client: 'b' })]
  const other = turns.take({ client: 'c' })
  expect(await flood[0]).toBeUndefined()
  holder?.end()
  const second = await flood[1]
  second?.end()
  expect(await other).toBeDefined()
})

async function take(turn: Promise<Turn | undefined>, begun: string[], name: string): Promise<void> {
  await turn
  begun.push(name)
}
