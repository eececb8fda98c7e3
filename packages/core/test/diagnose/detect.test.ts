import { describe, expect, test } from 'vitest'
import { LossChart } from '../../src/diagnose/detect/chart.ts'
import { Detector } from '../../src/diagnose/detect/detector.ts'
import { thresholdOf } from '../../src/diagnose/detect/threshold.ts'
import type { FailureReason } from '../../src/model/failure.ts'
import { gaussian, quantile, randomOf } from './simulation.ts'

type Result = Parameters<Detector['add']>[0]

const kernel = { clock: { rx: 'kernel' } } as const
const intervalMs = 10_000

function success(tookNs = 200_000, more: Partial<Pick<Result, 'detail' | 'clock' | 'phasesNs'>> = {}): Result {
  return { ok: true, totalNs: tookNs, phasesNs: { wait: tookNs }, ...kernel, ...more }
}

function failure(reason: FailureReason): Result {
  return { ok: false, totalNs: 3.5e9, phasesNs: {}, failure: { reason }, ...kernel }
}

function detectorOf(link?: LossChart): Detector {
  return new Detector({ threshold: thresholdOf({ nodes: 3, checks: 9, intervalMs }), yields: 'time', link })
}

/** Feeds a detector and returns it; `results` gives the attempt of each round. */
function fed(results: (round: number) => Result, rounds = 1_000): Detector {
  const detector = detectorOf()
  for (let round = 0; round < rounds; round++) detector.add(results(round), round * intervalMs)
  return detector
}

/** Returns the attempts over a path that loses these shares of packets, or all requests, before a reflector that counts. */
function lossyPath(forth: number, back: number): (round: number, isDead?: boolean) => Result {
  const random = randomOf(7)
  let lost = { forth: 0, back: 0 }
  return (_, isDead = false) => {
    if (isDead || random() < forth) {
      lost.forth++
      return failure('timeout')
    }
    if (random() < back) {
      lost.back++
      return failure('timeout')
    }
    const packets = { returned: 1, arrived: 1 + lost.back, lostForth: lost.forth, duplicated: 0 }
    lost = { forth: 0, back: 0 }
    return { ...success(), packets }
  }
}

/** Bounds that hold the rate, unless that is none at all. */
function within(rate: number) {
  return {
    low: { asymmetricMatch: (low: number) => low <= rate },
    high: { asymmetricMatch: (high: number) => high >= rate && high < rate + 0.05 },
  }
}

describe('a detector', () => {
  test('takes a success that stands for several attempts as so many, in the time in which they were made', () => {
    const rounds = 200
    const perInterval = 20
    const random = randomOf(5)
    const spacingMs = intervalMs / perInterval
    const [alone, condensed] = [detectorOf(), detectorOf()]
    for (let round = 0; round < rounds; round++) {
      const atMs = round * intervalMs
      const isLost = round > 20 && random() < 0.5
      for (const detector of [alone, condensed]) if (isLost) detector.add(failure('timeout'), atMs)
      for (let one = 1; one < perInterval; one++) alone.add(success(), atMs + one * spacingMs)
      const attempts = perInterval - 1
      const last = { ...success(), condensed: { attempts, spanMs: (attempts - 1) * spacingMs } }
      condensed.add(last, atMs + attempts * spacingMs)
    }
    expect(condensed.state.loss).toBeDefined()
    expect(condensed.state).toEqual(alone.state)
  })

  test('does not take a stream for slow any sooner if each answer has a result, as it has where answers differ', () => {
    const detector = detectorOf()
    const perInterval = 20
    const spacingMs = intervalMs / perInterval
    const [attempts, results] = [spacingMs, intervalMs].map((ms) =>
      thresholdOf({ nodes: 3, checks: 9, intervalMs: ms }),
    )
    detector.setThresholds({ attempts: attempts ?? 0, results: results ?? 0, resultsMs: 0.9 * intervalMs })
    const random = randomOf(6)
    const feed = ([from, to]: readonly [number, number], tookNs: number) => {
      for (let round = from; round < to; round++)
        for (let one = 0; one < perInterval; one++)
          detector.add(success(tookNs + 20_000 * random()), round * intervalMs + one * spacingMs)
    }
    feed([0, 300], 200_000)
    feed([300, 306], 5_000_000)
    expect(detector.state).toEqual({})
    feed([306, 340], 5_000_000)
    expect(Math.floor((detector.state.slow?.sinceMs ?? 0) / intervalMs)).toBe(300)
  })

  test('finds nothing in a healthy series', () => {
    const random = randomOf(1)
    expect(fed(() => success(200_000 + 50_000 * Math.abs(gaussian(random)))).state).toEqual({})
  })

  test('finds loss where attempts fail now and then', () => {
    const random = randomOf(2)
    const { loss, slow } = fed(() => (random() < 0.2 ? failure('timeout') : success())).state
    expect(slow).toBeUndefined()
    expect(loss?.low).toBeGreaterThan(0.15)
    expect(loss?.high).toBeLessThan(0.3)
    expect(loss?.trials).toBeGreaterThan(900)
  })

  test('finds loss where TCP hides it by repeating SYNs, and does not call that slow', () => {
    const random = randomOf(3)
    const repeated = success(1.0002e9, { detail: { synRetransmits: 1 } })
    const { loss, slow } = fed(() => (random() < 0.2 ? repeated : success())).state
    expect(loss).toBeDefined()
    expect(slow).toBeUndefined()
  })

  test.each([
    { name: 'there', forth: 0.1, back: 0 },
    { name: 'back', forth: 0, back: 0.1 },
    { name: 'both ways', forth: 0.1, back: 0.05 },
  ])('tells how much is lost on which way: $name', ({ forth, back }) => {
    const { loss } = fed(lossyPath(forth, back), 3_000).state
    expect(loss?.forth).toMatchObject(within(forth))
    expect(loss?.back).toMatchObject(within(back))
    expect(loss?.forth?.of).toBeGreaterThan(2_500)
  })

  test('knows no direction if the other side does not count', () => {
    const random = randomOf(2)
    const { loss } = fed(() => (random() < 0.2 ? failure('timeout') : success())).state
    expect(Object.keys(loss ?? {})).toEqual(['low', 'high', 'sinceMs', 'trials'])
  })

  test('counts the packets of the present loss, and none of an earlier one', () => {
    const [forth, back] = [lossyPath(0.2, 0), lossyPath(0, 0.2)]
    const { loss } = fed((round) => {
      if (round < 300) return forth(round)
      return round < 2_000 ? success() : back(round)
    }, 3_000).state
    expect(loss?.forth?.lost).toBe(0)
    expect(loss?.back).toMatchObject(within(0.2))
  })

  test('leaves the packets of an outage beside the loss out of both directions', () => {
    const path = lossyPath(0.05, 0)
    const isDead = (round: number) => round >= 1_500 && round < 1_600
    const { loss } = fed((round) => path(round, isDead(round)), 3_000).state
    expect(loss?.forth).toMatchObject(within(0.05))
  })

  test('finds a DSCP that changes, on which way, and to what', () => {
    const packets = { returned: 1, arrived: 1, duplicated: 0 }
    const detail = (arrived: number, returned: number) => ({
      dscpSent: 46,
      dscpArrived: arrived,
      dscpReturned: returned,
    })
    const changed = (forth: number, back: number) => ({
      ...success(200_000, { detail: detail(forth, back) }),
      packets: { ...packets, remarkedForth: Number(forth !== 46), remarkedBack: Number(back !== 46) },
    })
    expect(fed(() => changed(46, 46), 3).state).toEqual({})
    expect(fed(() => changed(0, 46), 3).state.remarked).toMatchObject({
      sinceMs: 0,
      trials: 3,
      forth: { lost: 3, of: 3 },
      back: { lost: 0, of: 3 },
      dscp: { sent: 46, seen: 0 },
    })
    expect(fed(() => changed(46, 10), 3).state.remarked).toMatchObject({ back: { lost: 3 }, dscp: { seen: 10 } })
    // A reflector that does not say is no evidence.
    expect(fed(() => ({ ...changed(46, 0), packets }), 3).state).toEqual({})
  })

  test('finds packets of volleys that overtake each other, on which way, by the volley', () => {
    const volley = (forth: number, back: number) => ({
      ...success(),
      packets: { returned: 5, arrived: 5, duplicated: 0, reordered: forth + back, reorderedForth: forth },
    })
    expect(fed(() => volley(0, 0)).state).toEqual({})
    expect(fed((round) => volley(round % 2, 0), 100).state.reordered).toMatchObject({
      sinceMs: intervalMs,
      trials: 99,
      forth: { lost: 50, of: 99 },
      back: { lost: 0 },
    })
    expect(fed((round) => volley(0, round % 4 === 0 ? 3 : 0), 100).state.reordered).toMatchObject({
      forth: { lost: 0 },
      back: { lost: 25 },
    })
  })

  test('finds no order where a reflector does not number its answers', () => {
    const packets = { returned: 5, arrived: 5, duplicated: 0, reordered: 4 }
    expect(fed(() => ({ ...success(), packets })).state).toEqual({})
  })

  test('leaves a series that always fails to its state', () => {
    expect(fed((round) => (round < 500 ? success() : failure('timeout'))).state).toEqual({})
  })

  test('ignores attempts that say nothing about the link', () => {
    expect(fed((round) => (round % 3 === 0 ? failure('local-error') : success())).state).toEqual({})
  })

  test('finds a longer path, by how much and since when', () => {
    const { slow, loss } = fed((round) => success(round < 900 ? 200_000 : 1_200_000)).state
    expect(loss).toBeUndefined()
    expect(slow).toMatchObject({ sinceMs: 900 * intervalMs, trials: 100 })
    expect(Math.abs((slow?.byNs ?? 0) - 1e6)).toBeLessThan(50_000)
  })

  test('times a connection by its handshake, not by the server', () => {
    const answered = (round: number) => success(0, { phasesNs: { connect: 200_000, server: round < 900 ? 0 : 5e6 } })
    expect(fed(answered).state).toEqual({})
  })

  test('does not trust times of the event loop', () => {
    const clock = { rx: 'user' } as const
    expect(fed((round) => success(round < 900 ? 200_000 : 9e6, { clock })).state).toEqual({})
  })
})

/** A link with the series of the catalogue over both families. */
function linkOf(seriesCount = 12): { readonly link: LossChart; readonly series: readonly Detector[] } {
  const link = new LossChart(thresholdOf({ nodes: 3, checks: 1, intervalMs: intervalMs / seriesCount }))
  return { link, series: Array.from({ length: seriesCount }, () => detectorOf(link)) }
}

/** Feeds all series of a link round by round until half of those that lose have an alarm; returns the seconds that takes. */
function secondsUntilFound(rate: number, seed: number, lossy = 12): number {
  const random = randomOf(seed)
  const { series } = linkOf()
  for (let round = 0; round < 2_000; round++) {
    for (const [index, detector] of series.entries()) {
      const isLost = round >= 100 && index < lossy && random() < rate
      detector.add(isLost ? failure('timeout') : success(), round * intervalMs + (index * intervalMs) / 12)
    }
    const found = series.filter(({ state }) => state.loss !== undefined)
    if (found.length * 2 >= lossy) return (round - 99) * (intervalMs / 1_000)
  }
  return Number.POSITIVE_INFINITY
}

describe('the detectors of a link', () => {
  test.each([
    { rate: 0.05, mostSeconds: 400 },
    { rate: 0.2, mostSeconds: 120 },
  ])('find a loss of $rate together within $mostSeconds s, each with an attempt per 10 s', ({ rate, mostSeconds }) => {
    const delays = Array.from({ length: 20 }, (_, seed) => secondsUntilFound(rate, seed))
    expect(quantile(delays, 0.95)).toBeLessThan(mostSeconds)
  })

  test('call only those lossy that lose', () => {
    const random = randomOf(5)
    const { series } = linkOf()
    for (let round = 0; round < 300; round++) {
      for (const [index, detector] of series.entries()) {
        detector.add(index < 4 && random() < 0.2 ? failure('timeout') : success(), round * intervalMs + index * 800)
      }
    }
    expect(series.map(({ state }) => state.loss !== undefined)).toEqual(series.map((_, index) => index < 4))
  })

  test('hardly ever find loss where faults of some or all of them follow each other, and checks run more often meanwhile', () => {
    let found = 0
    let attempts = 0
    for (let seed = 0; seed < 20; seed++) {
      const random = randomOf(seed)
      const { series } = linkOf()
      let fault = { fromMs: 0, untilMs: 600_000, share: 0 }
      for (let atMs = 0; atMs < 1_200_000; atMs += 200) {
        if (atMs >= fault.untilMs) {
          const fromMs = atMs + 20_000 + random() * 40_000
          fault = { fromMs, untilMs: fromMs + 10_000 + random() * 30_000, share: Math.ceil(random() * 3) }
        }
        // In turn, each every 2 s, or for every third one 6 s.
        const index = (atMs / 200) % 10
        const detector = series[index]
        if (detector === undefined || (index % 3 === 0 && atMs % 6_000 >= 2_000)) continue
        const isFailing = atMs >= fault.fromMs && index % 3 < fault.share
        detector.add(isFailing ? failure('timeout') : success(), atMs)
        attempts++
        if (detector.state.loss !== undefined) found++
      }
    }
    expect(found / attempts).toBeLessThan(0.002)
  })

  test('find no loss where some always fail, or where all failed for a while', () => {
    const { link, series } = linkOf()
    let found = 0
    for (let round = 0; round < 600; round++) {
      for (const [index, detector] of series.entries()) {
        const isFailing = (index < 4 && round >= 100 && round < 300) || (round >= 400 && round < 420)
        detector.add(isFailing ? failure('timeout') : success(), round * intervalMs + index * 800)
        if (detector.state.loss !== undefined) found++
      }
      if (link.alarm !== undefined) found++
    }
    expect(found).toBe(0)
  })
})
