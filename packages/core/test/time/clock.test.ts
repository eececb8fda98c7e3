import { expect, test } from 'vitest'
import { nowNs, Stopwatch } from '../../src/time/clock.ts'

test('phases are disjoint and their sum does not exceed the elapsed time', () => {
  const startNs = nowNs()
  const stopwatch = new Stopwatch<'connect' | 'echo'>()
  for (const phase of ['resolve', 'connect', 'echo'] as const) {
    stopwatch.enter(phase)
    const untilNs = nowNs() + 100_000
    while (nowNs() < untilNs);
  }
  stopwatch.stop()
  const { resolve = 0, connect = 0, echo = 0 } = stopwatch.reading().phasesNs
  expect(Math.min(resolve, connect, echo)).toBeGreaterThanOrEqual(100_000)
  expect(resolve + connect + echo).toBeLessThanOrEqual(nowNs() - startNs)
})

test('a phase in progress is not included', () => {
  const stopwatch = new Stopwatch<'connect'>()
  stopwatch.enter('connect')
  expect(stopwatch.current).toBe('connect')
  expect(stopwatch.reading().phasesNs).toEqual({})
})

test('a settled phase keeps its given time, no matter how often the stopwatch is stopped', () => {
  const stopwatch = new Stopwatch<'echo'>()
  stopwatch.enter('echo')
  stopwatch.settle(42, { tx: 'kernel', rx: 'kernel' })
  stopwatch.stop()
  expect(stopwatch.reading().phasesNs).toEqual({ echo: 42 })
  expect(stopwatch.reading().clocks).toEqual({ tx: 'kernel', rx: 'kernel' })
})

test('the clock is the least exact of its phases, except resolve', () => {
  const stopwatch = new Stopwatch<'connect' | 'query'>()
  stopwatch.enter('resolve')
  stopwatch.enter('connect')
  stopwatch.settle(1, { tx: 'tcp-info', rx: 'tcp-info' })
  expect(stopwatch.reading().clocks).toEqual({ tx: 'tcp-info', rx: 'tcp-info' })
  stopwatch.enter('query')
  stopwatch.settle(1, { tx: 'user', rx: 'kernel' })
  expect(stopwatch.reading().clocks).toEqual({ tx: 'user', rx: 'tcp-info' })
})

test('the clock is that of this process if nothing was measured', () => {
  expect(new Stopwatch().reading().clocks).toEqual({ tx: 'user', rx: 'user' })
})

test('a phase may begin at an earlier time, when that becomes known later', () => {
  const stopwatch = new Stopwatch<'server' | 'transfer'>()
  stopwatch.enter('server', 1_000)
  stopwatch.enter('transfer', 4_000)
  expect(stopwatch.reading().phasesNs).toEqual({ server: 3_000 })
  stopwatch.enter('server', 2_000)
  expect(stopwatch.reading().phasesNs).toEqual({ server: 3_000, transfer: 0 })
})
