import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPaced } from '../../src/plan/paced.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Work that takes some milliseconds of a clock of its own. */
function work(costMs: number) {
  let spentMs = 0
  let runs = 0
  const paced = createPaced(
    () => {
      runs++
      spentMs += costMs
    },
    () => Date.now() + spentMs,
  )
  return { paced, runs: () => runs }
}

test('work without a cost runs at once, every time', () => {
  const { paced, runs } = work(0)
  for (let i = 0; i < 5; i++) paced.request()
  expect(runs()).toBe(5)
})

test('work with a cost runs at once, and then once for all that is asked meanwhile', () => {
  const { paced, runs } = work(100)
  for (let i = 0; i < 500; i++) paced.request()
  expect(runs()).toBe(1)
  vi.advanceTimersByTime(899)
  expect(runs()).toBe(1)
  vi.advanceTimersByTime(1)
  expect(runs()).toBe(2)
  vi.advanceTimersByTime(10_000)
  expect(runs()).toBe(2)
})

test('work that is urgent runs at once, in place of a run that waits', () => {
  const { paced, runs } = work(100)
  paced.request()
  paced.request()
  paced.hurry()
  expect(runs()).toBe(2)
  vi.advanceTimersByTime(10_000)
  expect(runs()).toBe(2)
})

test('a run that waits is dropped when it stops', () => {
  const { paced, runs } = work(100)
  paced.request()
  paced.request()
  paced.stop()
  vi.advanceTimersByTime(10_000)
  expect(runs()).toBe(1)
})
