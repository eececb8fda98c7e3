import { describe, expect, test } from 'vitest'
import { CopyChart } from '../../src/diagnose/detect/copies.ts'
import { randomOf } from './simulation.ts'

const intervalMs = 10_000

/** Feeds a chart with answers, each of which reports as many copies of requests and of answers; returns its alarm after each. */
function alarmsOf(
  copies: (round: number) => readonly [forth: number, back: number],
  rounds: number,
  spacingMs = intervalMs,
) {
  const chart = new CopyChart()
  return Array.from({ length: rounds }, (_, round) => {
    const [forth, back] = copies(round)
    chart.add({ returned: 1, duplicated: forth + back, duplicatedForth: forth }, round * spacingMs)
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
