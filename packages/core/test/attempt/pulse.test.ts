import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createPulse } from '../../src/attempt/worker/pulse.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

test('counts silence from the first unanswered ping', () => {
  let asked = 0
  const pulse = createPulse(() => asked++)
  onTestFinished(pulse.stop)
  for (let second = 1; second <= 60; second++) {
    vi.advanceTimersByTime(1_000)
    expect(asked).toBe(second)
    pulse.answered()
    expect(pulse.silentMs()).toBe(0)
  }
  vi.advanceTimersByTime(31_000)
  expect(asked).toBe(61)
  expect(pulse.silentMs()).toBe(30_000)
  pulse.answered()
  expect(pulse.silentMs()).toBe(0)
})
