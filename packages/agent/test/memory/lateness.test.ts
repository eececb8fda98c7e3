import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createLatenessWatch } from '../../src/memory/lateness.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A watch over a process of which the test decides everything. */
function watched() {
  const world = { started: 0, late: 0, skipped: 0, silentMs: 0, throttledUs: 0, stolen: 0, aheadMs: 0 }
  const watch = createLatenessWatch({
    schedule: () => world,
    silentMs: () => world.silentMs,
    nowMs: () => Date.now() + world.aheadMs,
    read: (path) =>
      path.endsWith('cpu.stat')
        ? `usage_usec 5\nnr_throttled 1\nthrottled_usec ${world.throttledUs}\n`
        : `cpu  ${1_000 - world.stolen} 0 0 ${Math.round(Date.now() / 1_000)} 0 0 0 ${world.stolen} 0 0\ncpu0 1 2 3\n`,
  })
  return { world, watch }
}

describe('the lateness of an agent', () => {
  test('is unknown at first', () => {
    expect(watched().watch.lateness()).toBeUndefined()
  })

  test('counts what happened in the last minute, and forgets it after', () => {
    const { world, watch } = watched()
    vi.advanceTimersByTime(120_000)
    Object.assign(world, { started: 100, late: 3, skipped: 2, throttledUs: 7_000_000, stolen: 500, silentMs: 1_234 })
    vi.advanceTimersByTime(10_000)
    expect(watch.lateness()).toMatchObject({ started: 100, late: 3, skipped: 2, stalledMs: 1_234, throttledMs: 7_000 })
    expect(watch.lateness()?.stolenRatio).toBeGreaterThan(0.5)
    expect(watch.lateness()?.spanMs).toBeLessThanOrEqual(65_000)
    world.silentMs = 0
    vi.advanceTimersByTime(120_000)
    expect(watch.lateness()).toMatchObject({ started: 0, late: 0, skipped: 0, stalledMs: 0, throttledMs: 0 })
  })

  test('notes that its own timer was late', () => {
    const { world, watch } = watched()
    vi.advanceTimersByTime(10_000)
    world.aheadMs = 4_000
    vi.advanceTimersByTime(5_000)
    expect(watch.lateness()?.stalledMs).toBe(4_000)
  })

  test('leaves out what the kernel does not tell', () => {
    const watch = createLatenessWatch({
      schedule: () => ({ started: 0, late: 0, skipped: 0 }),
      silentMs: () => 0,
      read: () => undefined,
    })
    vi.advanceTimersByTime(10_000)
    expect(watch.lateness()).not.toHaveProperty('throttledMs')
    expect(watch.lateness()).not.toHaveProperty('stolenRatio')
  })
})
