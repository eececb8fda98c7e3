import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LossChart } from '../../src/diagnose/detect/chart.ts'
import { intervalOf } from '../../src/diagnose/detect/proportion.ts'
import { thresholdOf } from '../../src/diagnose/detect/threshold.ts'
import { exponential, quantile, Run, randomOf } from './simulation.ts'

const minuteMs = 60_000
const hourMs = 3_600_000

type Trials = (chart: LossChart, atMs: number) => void

const allPass: Trials = (chart, atMs) => chart.add(false, atMs)
const allFail: Trials = (chart, atMs) => chart.add(true, atMs)

function losing(rate: number, random: () => number): Trials {
  return (chart, atMs) => chart.add(random() < rate, atMs)
}

/** Returns a chart of a mesh of three nodes with ten healthy minutes. */
function runOf(intervalMs: number): Run<LossChart> {
  const threshold = thresholdOf({ nodes: 3, checks: 12, intervalMs })
  return new Run(new LossChart(threshold), intervalMs, allPass).during(10 * minuteMs)
}

/** Returns a chart of a stream whose link is suspected: ten packets a second in addition to two. */
function suspectedRun(): Run<LossChart> {
  const threshold = thresholdOf({ nodes: 3, checks: 12, intervalMs: 500 })
  return new Run(new LossChart(threshold), 1_000 / 12, allPass).during(10 * minuteMs)
}

describe('the chart for loss', () => {
  test.each([
    { rate: 0.05, intervalMs: 1_000, mostSeconds: { median: 220, p95: 400 } },
    { rate: 0.2, intervalMs: 1_000, mostSeconds: { median: 65, p95: 95 } },
    { rate: 0.9, intervalMs: 1_000, mostSeconds: { median: 50, p95: 95 } },
    { rate: 0.05, intervalMs: 10_000, mostSeconds: { median: 2_100, p95: 4_000 } },
    { rate: 0.2, intervalMs: 10_000, mostSeconds: { median: 370, p95: 700 } },
  ])('alarms at a loss of $rate each $intervalMs ms within $mostSeconds s', ({ rate, intervalMs, mostSeconds }) => {
    const delays = Array.from({ length: 60 }, (_, seed) =>
      runOf(intervalMs).secondsUntil(true, losing(rate, randomOf(seed))),
    )
    expect(quantile(delays, 0.5)).toBeLessThan(mostSeconds.median)
    expect(quantile(delays, 0.95)).toBeLessThan(mostSeconds.p95)
  })

  test('takes hours to learn what is usual, however many packets there are', () => {
    const threshold = thresholdOf({ nodes: 3, checks: 12, intervalMs: 500 })
    const delays = Array.from({ length: 60 }, (_, seed) => {
      const chart = new LossChart(threshold)
      new Run(chart, 1_000, allPass).during(13 * hourMs)
      return new Run(chart, 100, allPass).secondsUntil(true, losing(0.006, randomOf(seed)))
    })
    expect(quantile(delays, 0.95)).toBeLessThan(3_000)
  })

  test('says since when, of how many and how much is lost', () => {
    const run = runOf(1_000)
    const startMs = run.atMs
    const random = randomOf(7)
    run.during(10 * minuteMs, losing(0.2, random))
    const { sinceMs = 0, trials = 0, loss = { low: 0, high: 0 } } = run.chart.alarm ?? {}
    expect(sinceMs - startMs).toBeLessThan(20_000)
    expect(sinceMs).toBeGreaterThanOrEqual(startMs)
    expect(trials).toBe((run.atMs - sinceMs) / 1_000)
    expect(loss.low).toBeLessThan(0.2)
    expect(loss.high).toBeGreaterThan(0.2)
    expect(loss.high - loss.low).toBeLessThan(0.08)
  })

  test('closes sooner the more was lost', () => {
    const seconds = [0.05, 0.2, 0.5].map((rate) => {
      const run = runOf(1_000)
      run.secondsUntil(true, losing(rate, randomOf(3)))
      return run.secondsUntil(false)
    })
    expect(seconds).toEqual(seconds.toSorted((a, b) => b - a))
    expect(seconds[0]).toBeLessThan(250)
    expect(seconds[1]).toBeLessThan(60)
    expect(seconds[2]).toBeLessThan(20)
  })

  test('stays open while the loss lasts', () => {
    const run = runOf(1_000)
    const random = randomOf(11)
    run.secondsUntil(true, losing(0.2, random))
    run.during(5 * hourMs, losing(0.2, random))
    expect(run.alarms).toBeLessThanOrEqual(2)
    expect(run.chart.alarm).toBeDefined()
  })

  // Bursts hold all loss, 1e-4 of the trials, as in a healthy data centre. An alarm in 3,000 link-hours is one in 57 mesh-days of a check.
  test.each([
    { burstMs: 500, share: 1 },
    { burstMs: 2_500, share: 1 },
    { burstMs: 2_500, share: 0.5 },
    { burstMs: 2_500, share: 0.2 },
  ])('is silent over 250 link-hours with healthy bursts of $burstMs ms that lose $share', ({ burstMs, share }) => {
    const random = randomOf(burstMs * share)
    const gapMs = (burstMs * share) / 1e-4
    let fromMs = 0
    let toMs = 0
    const bursty: Trials = (chart, atMs) => {
      if (atMs >= toMs) {
        fromMs = Math.max(atMs, toMs) + exponential(random, gapMs)
        toMs = fromMs + exponential(random, burstMs)
      }
      chart.add(atMs >= fromMs && atMs < toMs && random() < share, atMs)
    }
    expect(runOf(1_000).during(250 * hourMs, bursty).alarms).toBe(0)
  })

  test('is silent about one brown-out of 10 s, of any pattern and rate of trials', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 100, maxLength: 100 }),
        fc.constantFrom(100, 500, 1_000),
        (pattern, intervalMs) => {
          const run = runOf(intervalMs)
          const startMs = run.atMs
          run.during(10_000, (chart, atMs) => chart.add(pattern[(atMs - startMs) / 100] ?? true, atMs))
          expect(run.during(minuteMs).alarms).toBe(0)
        },
      ),
      { numRuns: 50, seed: 1 },
    )
  })

  // A stream sends two packets a second, and ten more from when its first loss is known.
  test.each([
    { rate: 0.03, mostSeconds: { median: 60, p95: 80 } },
    { rate: 0.05, mostSeconds: { median: 50, p95: 60 } },
    { rate: 0.2, mostSeconds: { median: 45, p95: 50 } },
  ])('alarms at a loss of $rate of a suspected stream within $mostSeconds s', ({ rate, mostSeconds }) => {
    const delays = Array.from({ length: 60 }, (_, seed) => {
      const random = randomOf(seed)
      return suspectedRun().secondsUntil(true, losing(rate, random))
    })
    expect(quantile(delays, 0.5)).toBeLessThan(mostSeconds.median)
    expect(quantile(delays, 0.95)).toBeLessThan(mostSeconds.p95)
  })

  test.each([0.1, 0.3, 0.6, 0.9])(
    'is silent about two bursts of 10 s that lose %d of a suspected stream, however far apart',
    (rate) => {
      const random = randomOf(100 * rate)
      for (let gapMs = 0; gapMs < minuteMs; gapMs += 1_000) {
        const run = suspectedRun()
        run.during(10_000, losing(rate, random)).during(gapMs).during(10_000, losing(rate, random))
        expect(run.during(minuteMs).alarms).toBe(0)
      }
    },
  )

  test.each([0.3, 0.6, 0.9])(
    'is silent about a burst of 25 s that loses %d of a suspected stream, however long after a single loss',
    (rate) => {
      const random = randomOf(100 * rate)
      for (let gapMs = 0; gapMs < minuteMs; gapMs += 500) {
        const run = suspectedRun()
        allFail(run.chart, run.atMs)
        run.during(gapMs).during(25_000, losing(rate, random))
        expect(run.during(minuteMs).alarms).toBe(0)
      }
    },
  )

  test('is the same whether good trials are added one by one or together', () => {
    const batches = fc.array(fc.record({ bad: fc.nat(2), good: fc.integer({ min: 1, max: 20 }) }), { maxLength: 300 })
    fc.assert(
      fc.property(batches, (all) => {
        const { chart: one, atMs: startMs } = runOf(500)
        const { chart: other } = runOf(500)
        let atMs = startMs
        for (const { bad, good } of all) {
          for (let count = 0; count < bad; count++) {
            atMs += 100
            one.add(true, atMs)
            other.add(true, atMs)
          }
          for (let count = 1; count <= good; count++) one.add(false, atMs + 100 * count)
          other.addGood(good, atMs + 100, atMs + 100 * good)
          atMs += 100 * good
          expect(other.alarm).toEqual(one.alarm)
          expect(other.healthyRate).toBe(one.healthyRate)
        }
      }),
      { numRuns: 100, seed: 1 },
    )
  })

  test('never calls it loss when all trials fail, nor after they pass again', () => {
    const run = runOf(1_000).during(10 * minuteMs, allFail)
    expect(run.chart.alarm).toBeUndefined()
    expect(run.during(10 * minuteMs).alarms).toBe(0)
  })

  test.each([1_000, 2_000, 10_000])('never calls outages loss that repeat, with trials each %d ms', (intervalMs) => {
    const run = runOf(intervalMs)
    for (let count = 0; count < 20; count++) run.during(10 * intervalMs, allFail).during(30 * intervalMs)
    expect(run.alarms).toBe(0)
  })

  test.each([
    { intervalMs: 1_000, failing: 15, passing: 20 },
    { intervalMs: 2_000, failing: 10, passing: 15 },
    { intervalMs: 2_000, failing: 8, passing: 25 },
    { intervalMs: 6_000, failing: 3, passing: 6 },
    { intervalMs: 10_000, failing: 3, passing: 6 },
  ])('does not call it loss when outages follow each other, $failing attempts of $intervalMs ms each', (outages) => {
    const run = runOf(outages.intervalMs)
    for (let outage = 0; outage < 8; outage++) {
      run.during(outages.failing * outages.intervalMs, allFail)
      run.during(outages.passing * outages.intervalMs, allPass)
      expect(run.chart.alarm).toBeUndefined()
      expect(run.chart.suspicion).toBeUndefined()
    }
  })

  test('no longer calls it loss when a lossy link dies', () => {
    const run = runOf(1_000)
    run.secondsUntil(true, losing(0.2, randomOf(5)))
    expect(run.during(minuteMs, allFail).chart.alarm).toBeUndefined()
  })

  test('learns a loss that is usual, and alarms at more', () => {
    const run = runOf(1_000)
    const random = randomOf(13)
    run.during(20 * hourMs, losing(0.003, random))
    expect(run.alarms).toBeLessThanOrEqual(1)
    expect(run.chart.healthyRate).toBeGreaterThan(0.002)
    expect(run.secondsUntil(true, losing(0.1, random))).toBeLessThan(400)
  })

  test('bears trials out of order and a clock that is set back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 2 ** 41 })), { maxLength: 200 }),
        (trials) => {
          const chart = new LossChart(20)
          for (const [isBad, atMs] of trials) chart.add(isBad, atMs)
          const { loss = { low: 0, high: 1 } } = chart.alarm ?? {}
          expect(loss.low).toBeGreaterThanOrEqual(0)
          expect(loss.high).toBeLessThanOrEqual(1)
        },
      ),
      { seed: 1 },
    )
  })
})

describe('the threshold', () => {
  test.each([
    { nodes: 3, nats: 25.6 },
    { nodes: 10, nats: 28 },
    { nodes: 100, nats: 32.2 },
    { nodes: 1_000, nats: 34.5 },
  ])('is $nats nats for $nodes nodes at 2 s', ({ nodes, nats }) => {
    expect(thresholdOf({ nodes, checks: 12, intervalMs: 2_000 })).toBeCloseTo(nats, 1)
  })
})

describe('the interval of a proportion', () => {
  test('contains the proportion', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), (bad, good) => {
        const { low, high } = intervalOf(bad, bad + good)
        const rate = bad + good === 0 ? 0.5 : bad / (bad + good)
        expect(low).toBeLessThanOrEqual(rate + 1e-12)
        expect(high).toBeGreaterThanOrEqual(rate - 1e-12)
      }),
    )
  })

  test('is 2.6 % to 9.0 % for 9 of 184', () => {
    const { low, high } = intervalOf(9, 184)
    expect([low, high].map((bound) => bound.toFixed(3))).toEqual(['0.026', '0.090'])
  })
})
