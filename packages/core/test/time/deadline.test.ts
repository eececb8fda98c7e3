import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FailureError } from '../../src/model/failure.ts'
import { createDeadlines, Deadline, timedOutAfter } from '../../src/time/deadline.ts'

describe('a deadline', () => {
  test('calls each listener once', () => {
    const deadline = new Deadline(1_000)
    const told: string[] = []
    for (const name of ['first', 'second', 'third']) deadline.onOver(({ reason }) => told.push(`${name} ${reason}`))
    deadline.cancel()
    deadline.cancel()
    expect(told).toEqual(['first cancelled', 'second cancelled', 'third cancelled'])
  })

  test('does not call a removed listener', () => {
    const deadline = new Deadline(1_000)
    const told: string[] = []
    const [offFirst, , offThird] = ['first', 'second', 'third'].map((name) => deadline.onOver(() => told.push(name)))
    offFirst?.()
    offThird?.()
    offThird?.()
    deadline.onOver(() => told.push('fourth'))
    deadline.cancel()
    expect(told.toSorted()).toEqual(['fourth', 'second'])
  })

  test('calls a listener at once if it is already over', () => {
    const deadline = new Deadline(1_000)
    deadline.cancel()
    const told: string[] = []
    deadline.onOver(({ reason }) => told.push(reason))()
    expect(told).toEqual(['cancelled'])
  })

  test('has no reason until it is over, and keeps the first', () => {
    const deadline = new Deadline(1_000)
    expect(deadline.reason).toBeUndefined()
    deadline.end(timedOutAfter(1_000))
    deadline.cancel()
    expect(deadline.reason).toMatchObject({ reason: 'timeout', message: 'no answer within 1000 ms' })
  })

  test('aborts its signal when it is over, or at once if it already was', () => {
    const early = new Deadline(1_000)
    const { signal } = early
    expect(signal.aborted).toBe(false)
    expect(early.signal).toBe(signal)
    early.cancel()
    expect(signal.reason).toBe(early.reason)
    const late = new Deadline(1_000)
    late.cancel()
    expect(late.signal).toMatchObject({ aborted: true, reason: late.reason })
    expect(late.reason?.message).toBe('the caller cancelled the attempt')
  })

  test('removes a listener once, also if another took its place', () => {
    const deadline = new Deadline(1_000)
    const told: string[] = []
    const offFirst = deadline.onOver(() => told.push('first'))
    offFirst()
    deadline.onOver(() => told.push('second'))
    offFirst()
    deadline.cancel()
    expect(told).toEqual(['second'])
  })
})

describe('the deadlines of a prober', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime'] })
  })
  afterEach(() => {
    // First the spies on fake timers: restored later, they would put the fake ones back.
    vi.restoreAllMocks()
    vi.useRealTimers()
  })

  /** Lets a time pass, and the event loop read its sockets. */
  const pass = async (ms: number) => {
    vi.advanceTimersByTime(ms)
    await nextTurn()
  }

  /** Starts a deadline for each number of milliseconds, and lists them as they end. */
  const setUp = (...timeoutsMs: readonly number[]) => {
    const deadlines = createDeadlines()
    const ended: string[] = []
    const started = timeoutsMs.map((timeoutMs) => {
      const deadline = deadlines.start(timeoutMs)
      deadline.onOver(({ reason }) => {
        deadlines.clear(deadline)
        ended.push(`${timeoutMs} ${reason}`)
      })
      return deadline
    })
    return { deadlines, ended, started }
  }

  test('end each at its time, in whatever order they were started', async () => {
    const { ended } = setUp(30, 10, 10, 20)
    await pass(9)
    expect(ended).toEqual([])
    await pass(1)
    expect(ended).toEqual(['10 timeout', '10 timeout'])
    await pass(9)
    expect(ended).toHaveLength(2)
    await pass(1)
    expect(ended).toEqual(['10 timeout', '10 timeout', '20 timeout'])
    await pass(10)
    expect(ended.at(-1)).toBe('30 timeout')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('share one timer, which is set again only for an earlier one, and fires when that is due', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    const { ended } = setUp(30, 10, 10, 20)
    const delaysMs = () => set.mock.calls.map(([, delayMs]) => delayMs)
    expect(delaysMs()).toEqual([30, 10])
    expect(vi.getTimerCount()).toBe(1)
    await pass(10)
    await pass(10)
    await pass(10)
    expect(ended).toHaveLength(4)
    expect(delaysMs()).toEqual([30, 10, 10, 10])
  })

  test('end only after the sockets were read once more', async () => {
    const { ended } = setUp(10)
    vi.advanceTimersByTime(10)
    expect(ended).toEqual([])
    await nextTurn()
    expect(ended).toEqual(['10 timeout'])
  })

  test('do not end before their time if the timer fires too early', async () => {
    const { deadlines, ended } = setUp(10)
    const [hrtime, early] = [process.hrtime.bigint, 4_000_000n]
    process.hrtime.bigint = () => hrtime() - early
    try {
      await pass(10)
      expect(ended).toEqual([])
      await pass(4)
      expect(ended).toEqual(['10 timeout'])
    } finally {
      process.hrtime.bigint = hrtime
    }
    deadlines.endAll(timedOutAfter(1))
  })

  test('do not end once they are cleared, and the last one leaves no timer', async () => {
    const { deadlines, ended, started } = setUp(10, 20)
    for (const deadline of started.slice(0, 1)) deadlines.clear(deadline)
    await pass(15)
    expect(ended).toEqual([])
    expect(vi.getTimerCount()).toBe(1)
    for (const deadline of started) deadlines.clear(deadline)
    expect(vi.getTimerCount()).toBe(0)
    await pass(50)
    expect(ended).toEqual([])
  })

  test('start again after all were cleared', async () => {
    const { deadlines, started } = setUp(10)
    for (const deadline of started) deadlines.clear(deadline)
    const later = deadlines.start(500)
    await pass(499)
    expect(later.reason).toBeUndefined()
    await pass(1)
    expect(later.reason?.reason).toBe('timeout')
  })

  test('do not end if they are cleared between the timer and the end', async () => {
    const { deadlines, ended, started } = setUp(10)
    vi.advanceTimersByTime(10)
    for (const deadline of started) deadlines.clear(deadline)
    await nextTurn()
    expect(ended).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('end all for one reason', () => {
    const { deadlines, ended } = setUp(10, 20)
    deadlines.endAll(new FailureError('cancelled', 'the prober was closed'))
    expect(ended).toEqual(['10 cancelled', '20 cancelled'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('know the time since their start, and what is left of it', async () => {
    const [deadline] = setUp(100).started
    await pass(30)
    expect(deadline?.elapsedNs()).toBe(30e6)
    expect(deadline?.remainingNs()).toBe(70e6)
    expect(deadline?.timedOut().message).toBe('no answer within 100 ms')
  })
})
