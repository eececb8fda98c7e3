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
}

/** Returns what happens to packets that leave 2 µs apart. */
function train({ there = free, back = free, format = 'ntp', aheadNs = 1_800_000_000_000_000_000n }: Train) {
  const left = Array.from({ length: together }, (_, index) => index * 2_000)
  const received = there(left)
  const answered = received.map((atNs) => (atNs === undefined ? undefined : atNs + 30_000))
  const returned = back(answered)
  const fates = left.map((leftNs, index): Fate<PacketAnswer> => {
    const [receivedNs, answeredNs, atNs] = [received[index], answered[index], returned[index]]
    if (receivedNs === undefined || answeredNs === undefined || atNs === undefined)
      return { kind: 'silent', mayBeOurs: false }
    const stamp = (ns: number) => timestampOf(aheadNs + BigInt(Math.round(ns)), format)
    const at = { received: stamp(receivedNs), sent: stamp(answeredNs), format }
    const residenceNs = answeredNs - receivedNs
    return {
      kind: 'answered',
      message: { sequence: index, payloadBytes: 1_400, isReset: false, reflected: { residenceNs, at } },
      tookNs: atNs - leftNs - residenceNs,
      clocks: { tx: 'kernel', rx: 'kernel' },
      atNs,
      sourcePort: 40_000,
      copies: 1,
    }
  })
  return dispersionIn(fates, packetBytes)
}

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
