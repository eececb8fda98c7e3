import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AskSizes, largestPassing, reportsOf, type SizeFate, stuckAt } from '../../src/probes/mtu/search.ts'

const router = '10.0.0.1'

function reported(mtu?: number): SizeFate {
  return { kind: 'reported', error: { type: 3, code: 4, from: router, ...(mtu === undefined ? {} : { mtu }) } }
}

/** A path whose packets have the fate that `fateOf` says, and the rounds that were asked. */
function pathWith(fateOf: (size: number) => SizeFate) {
  const rounds: (readonly number[])[] = []
  const ask: AskSizes = async (sizes) => {
    rounds.push(sizes)
    return new Map(sizes.map((size) => [size, fateOf(size)]))
  }
  return { rounds, search: { floor: 160, width: 16, ask, confirm: ask } }
}

const holeAt =
  (most: number) =>
  (size: number): SizeFate => ({ kind: size <= most ? 'passes' : 'vanishes' })

describe('the search for the largest size that passes', () => {
  test('finds it to the byte, whatever it is, in few rounds of few sizes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 160, max: 9000 }), fc.integer({ min: 160, max: 9000 }), async (a, b) => {
        const [most, limit] = [Math.min(a, b), Math.max(a, b)]
        const { rounds, search } = pathWith(holeAt(most))
        const found = await largestPassing({ ...search, limit })
        expect(found.passes).toBe(most)
        expect(found.fails).toBe(most === limit ? undefined : most + 1)
        expect(rounds.length).toBeLessThanOrEqual(6)
        expect(Math.max(...rounds.map((sizes) => sizes.length), 0)).toBeLessThanOrEqual(16)
      }),
    )
  })

  test.each([1500, 1492, 1450, 1420, 1400, 1280])(
    'takes two rounds and a confirmation for the usual size %i',
    async (most) => {
      const { rounds, search } = pathWith(holeAt(most))
      await largestPassing({ ...search, limit: 9000 })
      expect(rounds.length).toBeLessThanOrEqual(4)
      expect(rounds.at(-1)).toEqual([most + 1])
    },
  )

  test('asks the size that a router reports, and the next one', async () => {
    const { rounds, search } = pathWith((size) => (size <= 1333 ? { kind: 'passes' } : reported(1333)))
    const found = await largestPassing({ ...search, limit: 1500, known: new Map([[1500, reported(1333)]]) })
    expect(found).toMatchObject({ passes: 1333, fails: 1334 })
    expect(rounds).toHaveLength(1)
    expect(reportsOf(found.fates)).toEqual([{ type: 3, code: 4, from: router, mtu: 1333 }])
  })

  test('goes on above a size that was only lost by chance', async () => {
    const { search } = pathWith(holeAt(1450))
    let isFirst = true
    const ask: AskSizes = async (sizes) => {
      const all = new Map(await search.ask(sizes))
      if (isFirst) for (const size of sizes) if (size > 1300) all.set(size, { kind: 'vanishes' })
      isFirst = false
      return all
    }
    expect(await largestPassing({ ...search, ask, limit: 1500 })).toMatchObject({ passes: 1450, fails: 1451 })
  })

  test('ends with what it knows when the time is over, or nothing becomes certain', async () => {
    const { search } = pathWith(holeAt(1400))
    expect(await largestPassing({ ...search, ask: async () => undefined, limit: 1500 })).toMatchObject({ passes: 160 })
    const uncertain = await largestPassing({ ...search, ask: async () => new Map(), limit: 1500 })
    expect(uncertain).toEqual({ passes: 160, fates: new Map() })
  })
})

describe('a sender that follows reports', () => {
  const found = (passes: number, fates: readonly (readonly [number, SizeFate])[]) => ({ passes, fates: new Map(fates) })

  test('is not stuck where a router reports what passes', () => {
    expect(stuckAt(found(1400, [[1500, reported(1400)]]), 1500, 'ipv4')).toBeUndefined()
    expect(stuckAt(found(1500, []), 1500, 'ipv4')).toBeUndefined()
  })

  test('follows several routers, and one that does not say an MTU', () => {
    const fates = [
      [9000, reported(1500)],
      [1500, reported(1400)],
    ] as const
    expect(stuckAt(found(1400, fates), 9000, 'ipv4')).toBeUndefined()
    expect(stuckAt(found(1400, [[1500, reported()]]), 1500, 'ipv4')).toBeUndefined()
  })

  test('is stuck where packets vanish, even below a size that is reported', () => {
    expect(stuckAt(found(1400, [[1500, { kind: 'vanishes' }]]), 1500, 'ipv4')).toBe(1500)
    const fates = [
      [1450, { kind: 'vanishes' }],
      [1500, reported(1450)],
    ] as const
    expect(stuckAt(found(1400, fates), 1500, 'ipv4')).toBe(1450)
  })

  test('is stuck where a router reports an MTU that is no help', () => {
    expect(stuckAt(found(1400, [[1500, reported(1500)]]), 1500, 'ipv4')).toBe(1500)
    const fates = [
      [1280, reported(1200)],
      [1500, reported(1200)],
    ] as const
    // RFC 8200 §5: no sender of IPv6 goes below 1280 bytes.
    expect(stuckAt(found(1200, fates), 1500, 'ipv6')).toBe(1280)
    expect(stuckAt(found(1200, fates), 1500, 'ipv4')).toBeUndefined()
  })
})
