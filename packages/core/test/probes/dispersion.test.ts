import { describe, expect, test } from 'vitest'
import { createRandom } from '../../../../test/support/random.mjs'
import type { Fate } from '../../src/net/packets/fate.ts'
import type { PacketAnswer } from '../../src/net/packets/question.ts'
import { dispersionIn } from '../../src/probes/dispersion.ts'
import { type TimestampFormat, timestampOf } from '../../src/wire/stamp-time.ts'

const packetBytes = 1_428
const together = 32
const ms = 1e6

/** A way that packets take: returns when each arrives, by when it left; undefined if it does not. */
type Way = (leaveNs: readonly (number | undefined)[]) => readonly (number | undefined)[]

const free: Way = (leaving) => leaving.map((atNs) => (atNs === undefined ? undefined : atNs + 50_000))

/** A token bucket in front of a queue, as tbf has it. */
function shaper({ bitsPerSecond, burstBytes = packetBytes, queueBytes = 1e6, others = 0 }: Shaper): Way {
  const packetNs = (packetBytes * 8e9) / bitsPerSecond
  return (leaving) => {
    let freeAtNs = Number.NEGATIVE_INFINITY
    const burstNs = (burstBytes / packetBytes) * packetNs
    return leaving.map((atNs) => {
      if (atNs === undefined) return undefined
      // The time at which the packets before this one have passed at the rate, a burst of which passes at once.
      const startNs = Math.max(freeAtNs, atNs - burstNs)
      if (((startNs - atNs) / packetNs) * packetBytes > queueBytes) return undefined
      freeAtNs = startNs + packetNs * (1 + others)
      return Math.max(atNs, freeAtNs) + 50_000
    })
  }
}

interface Shaper {
  readonly bitsPerSecond: number
  readonly burstBytes?: number
  readonly queueBytes?: number
  /** Packets of others that take turns with each of ours. */
  readonly others?: number
}

interface Train {
  readonly there?: Way
  readonly back?: Way
  readonly format?: TimestampFormat
  /** Clock of the reflector less ours. */
  readonly aheadNs?: bigint
  /** Returns what the reflector says instead of when a packet arrived and was answered. */
  readonly lie?: (told: Told, index: number) => Told
}

interface Told {
  readonly receivedNs: number
  readonly answeredNs: number
}

/** Returns what happens to packets that leave 2 µs apart. */
function train({
  there = free,
  back = free,
  format = 'ntp',
  aheadNs = 1_800_000_000_000_000_000n,
  lie = (told) => told,
}: Train) {
  const left = Array.from({ length: together }, (_, index) => index * 2_000)
  const received = there(left)
  const answered = received.map((atNs) => (atNs === undefined ? undefined : atNs + 30_000))
  const returned = back(answered)
  const fates = left.map((leftNs, index): Fate<PacketAnswer> => {
    const [receivedNs, answeredNs, atNs] = [received[index], answered[index], returned[index]]
    if (receivedNs === undefined || answeredNs === undefined || atNs === undefined)
      return { kind: 'silent', mayBeOurs: false }
    const stamp = (ns: number) => timestampOf(aheadNs + BigInt(Math.round(ns)), format)
    const told = lie({ receivedNs, answeredNs }, index)
    const at = { received: stamp(told.receivedNs), sent: stamp(told.answeredNs), format }
    // Only a residence within the round trip is believed (script-stamp.ts).
    const residenceNs = told.answeredNs - told.receivedNs
    const roundTripNs = atNs - leftNs
    const isCredible = residenceNs >= 0 && residenceNs < roundTripNs
    const reflected = { at, ...(isCredible ? { residenceNs } : {}) }
    return {
      kind: 'answered',
      message: { sequence: index, payloadBytes: 1_400, isReset: false, reflected },
      tookNs: roundTripNs - (isCredible ? residenceNs : 0),
      clocks: { tx: 'kernel', rx: 'kernel' },
      atNs,
      sourcePort: 40_000,
      copies: 1,
    }
  })
  return dispersionIn(fates, packetBytes)
}

/** Returns a lie that moves both stamps of a packet. */
function moved(byNs: (index: number) => number): NonNullable<Train['lie']> {
  return ({ receivedNs, answeredNs }, index) => ({
    receivedNs: receivedNs + byNs(index),
    answeredNs: answeredNs + byNs(index),
  })
}

const year = 365 * 86_400_000 * ms

describe('the stamps of a reflector that lies', () => {
  test.each<{ name: string; lie: NonNullable<Train['lie']> }>([
    { name: 'a year lies between packets', lie: moved((index) => index * year) },
    { name: 'the second half arrives 60 years after the first', lie: moved((index) => (index < 16 ? 0 : 60 * year)) },
    { name: 'time goes backwards', lie: moved((index) => -index * 20 * ms) },
    { name: 'they arrive 10 ms apart, though all are back after 1 ms', lie: moved((index) => index * 10 * ms) },
    { name: 'one arrives in the future', lie: moved((index) => (index === 31 ? year : 0)) },
    {
      name: 'all leave before they arrive',
      lie: ({ receivedNs, answeredNs }) => ({ receivedNs: answeredNs, answeredNs: receivedNs }),
    },
    {
      name: 'all stay for a year',
      lie: ({ receivedNs }) => ({ receivedNs, answeredNs: receivedNs + year }),
    },
  ])('yield no rate and no wait where $name', ({ lie }) => {
    for (const format of ['ntp', 'ptp'] as const) expect(train({ lie, format })).toEqual({ lostAtEnd: 0 })
  })

  test('are too fast to tell where all are equal', () => {
    const seen = train({ lie: () => ({ receivedNs: 0, answeredNs: 0 }) })
    expect(seen).toMatchObject({ forthBitsPerSecond: 1e9, lostAtEnd: 0 })
  })

  test('yield no rate that the volley had no time for, whatever they are', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = createRandom(seed)
      const mostNs = 10 ** random.between(2, 19)
      const seen = train({
        format: seed % 2 === 0 ? 'ntp' : 'ptp',
        lie: () => ({ receivedNs: random.ratio() * mostNs, answeredNs: random.ratio() * mostNs }),
      })
      for (const value of Object.values(seen))
        expect({ seed, isFinite: Number.isFinite(value) }).toEqual({ seed, isFinite: true })
      const { forthBitsPerSecond: rate = 1e9, forthWaitNs = 0, backWaitNs = 0 } = seen
      expect({ seed, rate: rate > 10e6, isWaitSeen: Math.max(forthWaitNs, backWaitNs) < 10 * ms }).toEqual({
        seed,
        rate: true,
        isWaitSeen: true,
      })
    }
  })

  test('are believed of a clock that ticks every 4 ms, or is slewed', () => {
    const coarse = (ns: number) => Math.floor(ns / (4 * ms)) * 4 * ms
    const line = shaper({ bitsPerSecond: 1e6 })
    const ticking = train({
      there: line,
      lie: ({ receivedNs }) => ({ receivedNs: coarse(receivedNs), answeredNs: coarse(receivedNs) }),
    })
    expect((ticking.forthBitsPerSecond ?? 0) / 1e6).toBeCloseTo(1, 0)
    const slewed = train({
      there: line,
      lie: ({ receivedNs, answeredNs }) => ({ receivedNs: receivedNs * 1.0005, answeredNs: answeredNs * 1.0005 }),
    })
    expect((slewed.forthBitsPerSecond ?? 0) / 1e6).toBeCloseTo(1, 1)
  })
})

describe('packets that leave together', () => {
  test.each([50e3, 1e6, 9.9e6, 50e6, 500e6])(
    'arrive at the rate of a line of %d bit/s, on either way',
    (bitsPerSecond) => {
      for (const burstBytes of [packetBytes, 3_000, 20_000])
        for (const format of ['ntp', 'ptp'] as const) {
          const line = shaper({ bitsPerSecond, burstBytes })
          const near = (value: number | undefined) => expect((value ?? 0) / bitsPerSecond).toBeCloseTo(1, 1)
          const there = train({ there: line, format })
          near(there.forthBitsPerSecond)
          expect(there).not.toHaveProperty('backBitsPerSecond')
          const back = train({ back: line, format })
          near(back.backBitsPerSecond)
          expect(back.forthBitsPerSecond).toBe(1e9)
          const waited = ((together * packetBytes - burstBytes) * 8e9) / bitsPerSecond
          for (const waitNs of [there.forthWaitNs, back.backWaitNs]) {
            expect(waitNs).toBeGreaterThan(waited * 0.9 - ms)
            expect(waitNs).toBeLessThan(waited * 1.1 + ms)
          }
        }
    },
  )

  test('have both rates where the way back is slower than the way there', () => {
    const seen = train({ there: shaper({ bitsPerSecond: 10e6 }), back: shaper({ bitsPerSecond: 2e6 }) })
    expect((seen.forthBitsPerSecond ?? 0) / 10e6).toBeCloseTo(1, 1)
    expect((seen.backBitsPerSecond ?? 0) / 2e6).toBeCloseTo(1, 1)
  })

  test('arrive at what others that take turns leave them', () => {
    const seen = train({ there: shaper({ bitsPerSecond: 10e6, others: 1 }) })
    expect((seen.forthBitsPerSecond ?? 0) / 5e6).toBeCloseTo(1, 1)
  })

  test('have the same rate while the seconds of the reflector begin again, which NTP’s do in 2036', () => {
    const wrapNs = (2n ** 32n - 2_208_988_800n) * 1_000_000_000n
    const seen = train({ there: shaper({ bitsPerSecond: 1e6 }), aheadNs: wrapNs - 100_000_000n })
    expect((seen.forthBitsPerSecond ?? 0) / 1e6).toBeCloseTo(1, 1)
  })

  test('pass too fast to tell where a busy host holds some up and delivers others at once', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = createRandom(seed)
      const busy: Way = (leaving) => {
        const stalls = [random.below(together), random.below(together)]
        let held = 0
        let latestNs = 0
        return leaving.map((atNs, index) => {
          if (stalls.includes(index)) held += random.between(1, 30) * ms
          // As GRO does, four at a time.
          if (index % 4 === 0) latestNs = Math.max(latestNs, (atNs ?? 0) + held) + random.between(1_000, 40_000)
          return Math.max(latestNs, (atNs ?? 0) + held)
        })
      }
      for (const seen of [train({ there: busy }), train({ back: busy })]) {
        expect({ seed, rate: Math.min(seen.forthBitsPerSecond ?? 1e9, seen.backBitsPerSecond ?? 1e9) > 100e6 }).toEqual(
          {
            seed,
            rate: true,
          },
        )
      }
    }
  })

  test('have no rate where each takes another time, which is no queue', () => {
    const random = createRandom(3)
    const jitter: Way = (leaving) => leaving.map((atNs) => (atNs ?? 0) + random.between(0, 40) * ms)
    const { forthBitsPerSecond, backBitsPerSecond } = train({ there: jitter })
    expect({ forthBitsPerSecond, backBitsPerSecond }).toEqual({})
  })

  test('lose their end to what limits a rate, and others at random', () => {
    const policer: Way = (leaving) => leaving.map((atNs, index) => (index < 10 ? atNs : undefined))
    expect(train({ there: policer })).toMatchObject({ lostAtEnd: together - 10 })
    expect(train({ there: shaper({ bitsPerSecond: 1e6, queueBytes: 20_000 }) }).lostAtEnd).toBeGreaterThan(10)
    const some: Way = (leaving) => leaving.map((atNs, index) => (index % 5 === 3 ? undefined : atNs))
    expect(train({ there: some })).toMatchObject({ lostAtEnd: 0 })
  })

  test('say nothing if they are small or few, none arrives, or this host may have lost some', () => {
    const lost: Fate<PacketAnswer> = { kind: 'silent', mayBeOurs: false }
    const all = Array.from({ length: together }, () => lost)
    expect(dispersionIn(all, packetBytes)).toEqual({})
    expect(dispersionIn([...all.slice(1), { kind: 'silent', mayBeOurs: true }], packetBytes)).toEqual({})
    expect(dispersionIn(all.slice(0, 5), packetBytes)).toEqual({})
    expect(dispersionIn(all, 92)).toEqual({})
  })
})
