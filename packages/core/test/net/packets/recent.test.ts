import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemory } from '../../../src/net/packets/recent.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('entries are forgotten after two spans, though the wall clock was set back meanwhile', () => {
  const forgotten: string[] = []
  const memory = createMemory<number, string>({ spanMs: 1_000, most: 100, onForgotten: (name) => forgotten.push(name) })
  memory.remember(1, 'first')
  vi.setSystemTime(0)
  for (const [key, name] of [
    [2, 'second'],
    [3, 'third'],
  ] as const) {
    vi.advanceTimersByTime(1_000)
    memory.remember(key, name)
  }
  expect(forgotten).toEqual(['first'])
  expect([1, 2, 3].map((key) => memory.recall(key))).toEqual([undefined, 'second', 'third'])
})
