import { describe, expect, test } from 'vitest'
import { OddChart, oddRules } from '../../src/diagnose/detect/odd.ts'
import { randomOf } from './simulation.ts'

const intervalMs = 10_000

/** Feeds a chart with answers, each of which reports as many copies of requests and of answers; returns its alarm after each. */
function alarmsOf(
  copies: (round: number) => readonly [forth: number, back: number],
  rounds: number,
  spacingMs = intervalMs,
) {
  const chart = new OddChart(oddRules.duplicated)
  return Array.from({ length: rounds }, (_, round) => {
    const [forth, back] = copies(round)
    chart.add({ trials: 1, forth, back }, round * spacingMs)
    return chart.alarm
  })
}

function sometimes(rate: number, seed: number): () => boolean {
  const random = randomOf(seed)
  return () => random() < rate
}

describe('copies of packets', () => {
  test('are a fault once they have come in three half minutes, and say on which way', () => {
    const isCopied = sometimes(0.2, 7)
    const alarms = alarmsOf(() => [isCopied() ? 1 : 0, 0], 200)
    const first = alarms.findIndex((alarm) => alarm !== undefined)
    expect(first).toBeGreaterThan(5)
    expect(first).toBeLessThan(40)
    expect(alarms.at(-1)).toMatchObject({ forth: { of: expect.any(Number) }, back: { lost: 0 } })
    const { low = 1, high = 0 } = alarms.at(-1) ?? {}
    expect(low).toBeLessThan(0.2)
    expect(high).toBeGreaterThan(0.2)
  })

  test('are none if there is one, or one burst of them', () => {
    expect(alarmsOf((round) => [round === 20 ? 1 : 0, 0], 300).every((alarm) => alarm === undefined)).toBe(true)
    // As many as there can be, for 29 seconds.
    const burst = alarmsOf((round) => (round >= 30 && round < 59 ? [1, 1] : [0, 0]), 3_000, 1_000)
    expect(burst.every((alarm) => alarm === undefined)).toBe(true)
  })

  test('are none if they are as rare as one in a thousand, in ten years of a series', () => {
    const isCopied = sometimes(1e-3, 11)
    expect(alarmsOf(() => [0, isCopied() ? 1 : 0], 3_000_000).every((alarm) => alarm === undefined)).toBe(true)
  })

  test('are over after a while without any', () => {
    const alarms = alarmsOf((round) => (round < 60 && round % 3 === 0 ? [0, 1] : [0, 0]), 120)
    expect(alarms[59]).toMatchObject({ back: { lost: 20 }, forth: { lost: 0 } })
    expect(alarms[119]).toBeUndefined()
  })
})

describe('packets with another DSCP than they were sent with', () => {
  /** Feeds a chart with attempts five minutes apart; returns its alarm after each. */
  function alarmsOf(changed: readonly (readonly [forth: number, back: number])[], spacingMs = 300_000) {
    const chart = new OddChart(oddRules.remarked)
    return changed.map(([forth, back], round) => {
      chart.add({ trials: 1, forth, back }, round * spacingMs)
      return chart.alarm
    })
  }

  test('are a fact from the second on, unless that follows within seconds', () => {
    const [first, second] = alarmsOf([
      [1, 0],
      [1, 0],
    ])
    expect(first).toBeUndefined()
    expect(second).toMatchObject({ sinceMs: 0, trials: 2, forth: { lost: 2, of: 2 }, back: { lost: 0, of: 2 } })
    const together = Array.from({ length: 5 }, () => [0, 1] as const)
    expect(alarmsOf(together, 999).every((alarm) => alarm === undefined)).toBe(true)
  })

  test('are a fact where one of several ways changes them', () => {
    const alarms = alarmsOf(Array.from({ length: 40 }, (_, round) => [round % 4 === 0 ? 1 : 0, 0] as const))
    expect(alarms.slice(20).every((alarm) => alarm !== undefined)).toBe(true)
  })

  test('are over after some that keep theirs', () => {
    const changed = Array.from({ length: 30 }, (_, round) => [round < 12 ? 1 : 0, 0] as const)
    const alarms = alarmsOf(changed)
    expect(alarms[11]).toBeDefined()
    expect(alarms[17]).toBeUndefined()
  })
})

describe('volleys with packets that overtake each other', () => {
  /** Feeds a chart with volleys half a minute apart; returns whether it alarms after each. */
  function alarmsOf(isOdd: (round: number) => boolean, rounds: number) {
    const chart = new OddChart(oddRules.reordered)
    return Array.from({ length: rounds }, (_, round) => {
      chart.add({ trials: 1, forth: Number(isOdd(round)), back: 0 }, round * 30_000)
      return chart.alarm !== undefined
    })
  }

  test('are no fault where a host overtakes one packet in a thousand, in two years of a series', () => {
    const isOdd = sometimes(0.004, 3)
    expect(alarmsOf(isOdd, 2_100_000).some(Boolean)).toBe(false)
  })

  test('are a fault within minutes if they are most, and within an hour or two if they are a tenth', () => {
    const roundsUntil = (rate: number, seed: number) => alarmsOf(sometimes(rate, seed), 1_000).indexOf(true)
    const rounds = (rate: number) =>
      Array.from({ length: 20 }, (_, seed) => roundsUntil(rate, seed + 1)).toSorted((a, b) => a - b)
    expect(rounds(0.7)[18]).toBeLessThan(15)
    expect(rounds(0.1)[0]).toBeGreaterThanOrEqual(3)
    expect(rounds(0.1)[10]).toBeLessThan(240)
  })
})
