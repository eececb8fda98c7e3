import { describe, expect, test } from 'vitest'
import { LatencyChart } from '../../src/diagnose/detect/latency.ts'
import { thresholdOf } from '../../src/diagnose/detect/threshold.ts'
import { exponential, gaussian, quantile, Run, randomOf } from './simulation.ts'

const minuteMs = 60_000
const hourMs = 3_600_000

/** Returns a path time in milliseconds. */
type Path = (random: () => number) => number

/** 0.2 ms with 0.1 ms of jitter and a tail. */
const lan: Path = (random) => 0.2 + 0.1 * Math.abs(gaussian(random)) + (random() < 0.02 ? exponential(random, 3) : 0)

function timed(path: Path, random: () => number) {
  return (chart: LatencyChart, atMs: number) => chart.add(1e6 * path(random), atMs)
}

function runOf(intervalMs: number, path: Path, seed = 1): Run<LatencyChart> {
  const threshold = thresholdOf({ nodes: 3, checks: 12, intervalMs })
  return new Run(new LatencyChart(threshold), intervalMs, timed(path, randomOf(seed))).during(500 * intervalMs)
}

const longer =
  (path: Path, byMs: number): Path =>
  (random) =>
    path(random) + byMs

describe('the chart for latency', () => {
  test.each([
    { intervalMs: 1_000, mostSeconds: 35 },
    { intervalMs: 10_000, mostSeconds: 300 },
  ])('alarms at 1 ms more than 0.2 ms, each $intervalMs ms, within $mostSeconds s', ({ intervalMs, mostSeconds }) => {
    const runs = Array.from({ length: 40 }, (_, seed) => runOf(intervalMs, lan, seed))
    const delays = runs.map((run, seed) => run.secondsUntil(true, timed(longer(lan, 1), randomOf(100 + seed))))
    expect(runs.filter(({ alarms }) => alarms > 1)).toEqual([])
    expect(quantile(delays, 0.95)).toBeLessThan(mostSeconds)
  })

  test('says by how much and since when, closes when the path is as before, and not sooner', () => {
    const run = runOf(1_000, lan)
    const startMs = run.atMs
    run.during(2 * hourMs, timed(longer(lan, 5), randomOf(9)))
    expect(run.alarms).toBe(1)
    const { byNs = 0, sinceMs = 0 } = run.chart.alarm ?? {}
    expect(byNs / 1e6).toBeCloseTo(5, 0)
    expect(Math.abs(sinceMs - startMs)).toBeLessThan(10_000)
    expect(run.secondsUntil(false)).toBeLessThan(15)
  })

  test.each([
    ['one outlier', (random) => (random() < 0.001 ? 1_000 : lan(random))],
    ['SYNs that are repeated after a second', (random) => (random() < 0.05 ? 1_000 : 0) + lan(random)],
    ['a heavy tail', (random) => 0.2 / (1 - random()) ** (1 / 1.5)],
    ['two routes', (random) => (random() < 0.6 ? 0.2 : 3)],
    ['a wide area', (random) => 40 + 5 * gaussian(random)],
    ['equal times', () => 0.2],
  ] satisfies [string, Path][])('is silent about %s', (_, path) => {
    expect(runOf(1_000, path).during(20 * hourMs).alarms).toBe(0)
  })

  test('is silent on a busy host that delays half of all attempts', () => {
    const busy: Path = (random) => lan(random) + (random() < 0.5 ? exponential(random, 10) : 0)
    expect(runOf(1_000, lan).during(10 * hourMs, timed(busy, randomOf(21))).alarms).toBe(0)
  })

  test.each([0.5, 0.9, 0.97])('is silent about times whose neighbours correlate by %d', (correlation) => {
    let swing = 0
    const swinging: Path = (random) => {
      swing = correlation * swing + Math.sqrt(1 - correlation ** 2) * gaussian(random)
      return 10 + 2 * swing
    }
    expect(runOf(1_000, swinging).during(20 * hourMs).alarms).toBeLessThanOrEqual(1)
  })

  test('is silent about a burst of load of 20 s', () => {
    const run = runOf(1_000, lan).during(20_000, timed(longer(lan, 10), randomOf(31)))
    expect(run.during(minuteMs).alarms).toBe(0)
  })

  test('learns a shift that is too small for a word', () => {
    const run = runOf(1_000, lan).during(10 * hourMs, timed(longer(lan, 0.6), randomOf(41)))
    expect(run.alarms).toBe(0)
    expect(run.secondsUntil(true, timed(longer(lan, 2.6), randomOf(43)))).toBeLessThan(60)
  })

  test('learns a path that has become shorter', () => {
    const run = runOf(1_000, longer(lan, 20)).during(10 * minuteMs, timed(lan, randomOf(51)))
    expect(run.secondsUntil(true, timed(longer(lan, 1), randomOf(53)))).toBeLessThan(60)
  })

  test('regards a path as usual that has been longer for a day', () => {
    const path = timed(longer(lan, 5), randomOf(61))
    const run = runOf(60_000, lan).during(30 * hourMs, path)
    expect(run.alarms).toBe(1)
    expect(run.chart.alarm).toBeUndefined()
  })
})
