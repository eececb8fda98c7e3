import { describe, expect, test } from 'vitest'
import { LatencyChart } from '../../src/diagnose/detect/latency.ts'
import { thresholdOf } from '../../src/diagnose/detect/threshold.ts'
import { exponential, gaussian, Run, randomOf } from './simulation.ts'

const minuteMs = 60_000
const hourMs = 3_600_000
const intervalMs = 1_000

/** Returns a path time in milliseconds. */
type Path = (random: () => number) => number

const lan: Path = (random) => 0.2 * Math.exp(0.15 * gaussian(random))

function timed(path: Path, seed: number) {
  const random = randomOf(seed)
  return (chart: LatencyChart, atMs: number) => chart.add(1e6 * path(random), atMs)
}

function runOf(path: Path, seed = 1): Run<LatencyChart> {
  const threshold = thresholdOf({ nodes: 3, checks: 12, intervalMs })
  return new Run(new LatencyChart(threshold), intervalMs, timed(path, seed)).during(10 * minuteMs)
}

/** Returns of how many of 40 runs the alarm says that times vary, rather than that the path is longer; all must alarm within two minutes. */
function countVarying(usual: Path, path: Path): number {
  const runs = Array.from({ length: 40 }, (_, seed) => runOf(usual, seed))
  for (const [seed, run] of runs.entries()) expect(run.secondsUntil(true, timed(path, 100 + seed))).toBeLessThan(120)
  return runs.filter(({ chart }) => chart.alarm?.spread !== undefined).length
}

/** Path on which a share of the packets takes longer by some milliseconds. */
const lanWithLate =
  (share: number, byMs: number): Path =>
  (random) =>
    lan(random) + (random() < share ? byMs : 0)

const heldUpTo =
  (mostMs: number): Path =>
  (random) =>
    lan(random) + mostMs * random()

describe('the spread of times', () => {
  test.each([
    ['packets held for up to 4 ms, each by another time', heldUpTo(4)],
    ['packets held for up to 40 ms', heldUpTo(40)],
    ['a queue in which packets wait for 10 ms on average', (random) => lan(random) + exponential(random, 10)],
    ['a queue that is empty for one packet in seven', (random) => lan(random) + (random() < 1 / 7 ? 0 : 8 * random())],
  ] satisfies [string, Path][])('has grown with %s', (_, path) => {
    expect(countVarying(lan, path)).toBeGreaterThanOrEqual(39)
  })

  test.each([
    ['a path that is longer by 1 ms', lan, (random) => 1 + lan(random)],
    ['a path that is longer by 20 ms', lan, (random) => 20 + lan(random)],
    ['a longer path with some variation', lan, (random) => 20 + 5 * random()],
    ['a full queue', lan, (random) => 50 + 3 * gaussian(random)],
    [
      'a wide area that varies as usual on a longer path',
      (random) => 40 + 2 * gaussian(random),
      (random) => 52 + 2 * gaussian(random),
    ],
    ['a longer path on which 6 of 7 flows travel', lan, (random) => lan(random) + (random() < 6 / 7 ? 5 : 0)],
  ] satisfies [string, Path, Path][])('has not with %s', (_, usual, path) => {
    expect(countVarying(usual, path)).toBeLessThanOrEqual(1)
  })

  test.each([
    ['one packet in eight is late as usual', lanWithLate(1 / 8, 6), (random) => 3 + lanWithLate(1 / 8, 6)(random)],
    ['one packet in ten is an outlier', lan, (random) => 2 + lanWithLate(1 / 10, 20)(random)],
  ] satisfies [string, Path, Path][])('has hardly ever on a longer path where %s', (_, usual, path) => {
    expect(countVarying(usual, path)).toBeLessThanOrEqual(6)
  })

  test('is reported beside the usual one, as the distance of the 10th from the 90th percentile', () => {
    const run = runOf(lan)
    run.secondsUntil(true, timed(heldUpTo(20), 7))
    const { nowNs = 0, usualNs = 0 } = run.chart.alarm?.spread ?? {}
    expect(nowNs / 1e6).toBeGreaterThan(10)
    expect(nowNs / 1e6).toBeLessThan(20)
    expect(usualNs / 1e6).toBeGreaterThan(0.04)
    expect(usualNs / 1e6).toBeLessThan(0.15)
  })

  test('keeps its name until the alarm ends, while late times and usual ones mix', () => {
    const run = runOf(lan)
    run.secondsUntil(
      true,
      timed((random) => 5 + lan(random), 9),
    )
    const spreads = Array.from({ length: 10 }, () => run.during(intervalMs).chart.alarm?.spread)
    expect(spreads.filter((spread) => spread !== undefined)).toEqual([])
    expect(run.secondsUntil(false)).toBeLessThan(15)
  })

  test.each([
    [
      'a busy host that delays four packets in ten',
      10 * hourMs,
      (random) => lan(random) + (random() < 0.4 ? exponential(random, 5) : 0),
    ],
    ['a burst of 20 s', 20_000, heldUpTo(40)],
    ['a path that varies by less than a millisecond', 10 * hourMs, heldUpTo(1)],
  ] satisfies [string, number, Path][])('raises no alarm on %s', (_, spanMs, path) => {
    expect(runOf(lan).during(spanMs, timed(path, 21)).during(minuteMs).alarms).toBe(0)
  })
})
