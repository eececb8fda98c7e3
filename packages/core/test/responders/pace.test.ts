import { expect, test } from 'vitest'
import { createPace, createRate } from '../../src/responders/pace.ts'

test('after a pause, a burst passes at once, and what follows at the rate', () => {
  const rate = createRate(1_000, 500, () => 10_000)
  expect(rate.reserve(500)).toBe(0)
  expect(rate.reserve(100)).toBeCloseTo(100)
  expect(rate.reserve(100)).toBeCloseTo(200)
})

test('the burst comes back with time, and no more than once', () => {
  let nowMs = 10_000
  const rate = createRate(1_000, 500, () => nowMs)
  rate.reserve(500)
  expect(rate.isPaused()).toBe(false)
  nowMs += 60_000
  expect(rate.isPaused()).toBe(true)
  expect(rate.reserve(500)).toBe(0)
  expect(rate.reserve(1)).toBeCloseTo(1)
})

const rates = { bytesPerSecond: 4_000_000, bytesPerSecondAndClient: 1_000_000, burstMs: 20 }

test('a client does not wait for another that asks for far too much', async () => {
  const pace = createPace(rates)
  const greedy = Array.from({ length: 100 }, async () => pace.pass('greedy', 10_000))
  const startMs = performance.now()
  await pace.pass('modest', 10_000)
  expect(performance.now() - startMs).toBeLessThan(20)
  await Promise.all(greedy)
  expect(performance.now() - startMs).toBeGreaterThan(950)
})

test('the common rate goes round by client, however much one of them waits for', async () => {
  const pace = createPace({ bytesPerSecond: 1_000_000, bytesPerSecondAndClient: 1e9, burstMs: 1 })
  const greedy = Array.from({ length: 60 }, async () => pace.pass('greedy', 10_000))
  let isLate = false
  const all = Promise.all(greedy).then(() => {
    isLate = true
  })
  await pace.pass('modest', 10_000)
  expect(isLate).toBe(false)
  await all
})

test('all clients together stay below the common rate', async () => {
  const pace = createPace(rates)
  const startMs = performance.now()
  await Promise.all(Array.from({ length: 100 }, async (_, client) => pace.pass(String(client), 20_000)))
  expect(performance.now() - startMs).toBeGreaterThan(450)
})

test('thousands of clients that have paused are not in the way of one that has not', async () => {
  const pace = createPace({ bytesPerSecond: 1e9, bytesPerSecondAndClient: 1_000, burstMs: 1 })
  const startMs = performance.now()
  const busy = pace.pass('busy', 200)
  await Promise.all(Array.from({ length: 5_000 }, async (_, client) => pace.pass(String(client), 1)))
  await Promise.all([busy, pace.pass('busy', 200)])
  expect(performance.now() - startMs).toBeGreaterThan(390)
})
