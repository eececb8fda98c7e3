import { fastestBitsPerSecond } from '../model/rate.ts'
import type { Fate } from '../net/packets/fate.ts'
import type { PacketAnswer } from '../net/packets/question.ts'
import { nsBetween } from '../wire/stamp-time.ts'

/*
 * The rate of a path by packet-train dispersion (C. Dovrolis, P. Ramanathan and D. Moore, "Packet-Dispersion Techniques and a Capacity-Estimation
 * Methodology", IEEE/ACM Transactions on Networking 12(6), 2004): packets that leave together arrive spread out to the rate of the narrowest
 * line. The reflector's stamps of arrival give the rate of the way there, our own that of the way back. The clocks need not agree, because
 * only differences of one clock count.
 *
 * - A token bucket lets a burst pass at once, so only the second half counts. A burst of half the volley or more hides the limit.
 * - Interrupt coalescing, GRO and the queues of virtual interfaces deliver several packets at once. So the spacing is measured over several
 *   packets, and the highest rate is a gigabit a second: anything faster looks the same.
 * - A busy CPU holds packets up for a while and then delivers many at once. So the lower quartile of the spacings counts: a line delays all.
 * - A slow way there also spreads the answers. So the way back has a rate only if it is clearly slower than the answers leave.
 * - Linux stamps packets when they leave the queue of their interface. So the rate includes a limit of the sending host, and the wait in its
 *   queue is not measured.
 * - The rate is what the line leaves to this flow: less than its capacity if others use it and take turns (fq).
 * - A reflector may stamp what it likes. Its stamps count only if one offset of its clock puts all of them between departure and return.
 */

/**
 * How a volley of large packets was spread. Empty if its packets are few or small, if none returns, and if this host may have lost some.
 * Without rates and waits if the stamps of the reflector are impossible.
 */
export interface Dispersion {
  /**
   * Rates at which the second half of the volley passed each way, IP headers included, at most a gigabit a second. Absent if fewer than eight
   * packets return or many are out of order; on the way back, also if that is no slower.
   */
  readonly forthBitsPerSecond?: number
  readonly backBitsPerSecond?: number
  /** How much longer the last packet was in flight than the first, each way: the time it waited in queues behind the others. */
  readonly forthWaitNs?: number
  readonly backWaitNs?: number
  /** Unanswered packets at the end of the volley. */
  readonly lostAtEnd?: number
}

const leastPackets = 8
/** Smallest packets that show a rate in bytes; smaller ones show how many packets hosts can handle. */
const leastBytes = 1_000
/** Share of packets out of order above which something other than a queue spreads them. */
const mostDisorder = 1 / 8
/** By how much an honest clock may be off within a volley: a coarse one ticks each 4 ms (CONFIG_HZ=250), and NTP slews by 0.05 %. */
const clockDoubt = { ns: 4e6, ratio: 0.001 }
/** The rate of the way back counts below this share of the rate at which answers leave. */
const clearlySlower = 0.7

/** Returns how a volley was spread. Its fates are in the order of sending. */
export function dispersionIn(fates: readonly Fate<PacketAnswer>[], packetBytes: number): Dispersion {
  if (fates.length < leastPackets || packetBytes < leastBytes) return {}
  const lostAtEnd = fates.length - 1 - fates.findLastIndex(({ kind }) => kind === 'answered')
  if (fates.some(isOurs) || lostAtEnd === fates.length) return {}
  const passed = passagesIn(fates)
  const [first, last] = [passed[0], passed.at(-1)]
  if (first === undefined || last === undefined || !areCredible(passed)) return { lostAtEnd }
  const rateBy = (time: (passage: Passage) => number) => rateOf(passed.map(time), packetBytes * 8)
  const forth = rateBy(({ receivedNs }) => receivedNs)
  const back = rateBy(({ returnedNs }) => returnedNs)
  const answered = rateBy(({ answeredNs }) => answeredNs)
  const isBack = back !== undefined && answered !== undefined && back < answered * clearlySlower
  return {
    ...(forth === undefined ? {} : { forthBitsPerSecond: forth }),
    ...(isBack ? { backBitsPerSecond: back } : {}),
    forthWaitNs: Math.max(0, last.receivedNs - last.sentNs - (first.receivedNs - first.sentNs)),
    backWaitNs: Math.max(0, last.returnedNs - last.answeredNs - (first.returnedNs - first.answeredNs)),
    lostAtEnd,
  }
}

/** When a packet left, arrived and was answered, and when the answer returned. Only times of the same end compare. */
interface Passage {
  readonly sentNs: number
  readonly receivedNs: number
  readonly answeredNs: number
  readonly returnedNs: number
}

function passagesIn(fates: readonly Fate<PacketAnswer>[]): readonly Passage[] {
  const answers = fates.flatMap((fate) => {
    const reflected = fate.kind === 'answered' ? fate.message.reflected : undefined
    return fate.kind !== 'answered' || reflected?.at === undefined ? [] : [{ ...fate, reflected, at: reflected.at }]
  })
  const [start] = answers
  return answers.flatMap(({ atNs, tookNs, reflected: { residenceNs }, at }): readonly Passage[] => {
    if (start === undefined || residenceNs === undefined || at.format !== start.at.format) return []
    const atReflector = (time: typeof at.received) => nsBetween(start.at.received, time, at.format)
    return [
      {
        sentNs: atNs - tookNs - residenceNs - start.atNs,
        receivedNs: atReflector(at.received),
        answeredNs: atReflector(at.sent),
        returnedNs: atNs - start.atNs,
      },
    ]
  })
}

/** Returns whether each packet can have arrived after it left, and been answered before the answer returned, on one clock of the reflector. */
function areCredible(passed: readonly Passage[]): boolean {
  const leastOffsetNs = Math.max(...passed.map(({ answeredNs, returnedNs }) => answeredNs - returnedNs))
  const mostOffsetNs = Math.min(...passed.map(({ receivedNs, sentNs }) => receivedNs - sentNs))
  const spanNs =
    Math.max(...passed.map(({ returnedNs }) => returnedNs)) - Math.min(...passed.map(({ sentNs }) => sentNs))
  return leastOffsetNs <= mostOffsetNs + clockDoubt.ns + spanNs * clockDoubt.ratio
}

/** Returns the rate at which the second half of these packets passed, given the times of all in the order of sending. */
function rateOf(times: readonly number[], packetBits: number): number | undefined {
  if (times.length < leastPackets) return undefined
  const disorder = times.filter((time, index) => time < (times[index - 1] ?? time)).length
  if (disorder > times.length * mostDisorder) return undefined
  const tail = times.slice(times.length >> 1)
  const lag = Math.max(1, tail.length >> 2)
  const spans = tail.flatMap((time, index) => {
    const before = tail[index - lag]
    return before === undefined ? [] : [time - before]
  })
  const spanNs = spans.toSorted((a, b) => a - b)[spans.length >> 2] ?? 0
  return Math.min(fastestBitsPerSecond, Math.round((lag * packetBits * 1e9) / Math.max(1, spanNs)))
}

/** Returns whether this host may have lost a packet. A full queue of its interface (ENOBUFS) does not count: there the path begins. */
function isOurs(fate: Fate<unknown>): boolean {
  return fate.kind === 'unsent' ? fate.code !== 'ENOBUFS' : fate.kind === 'silent' && fate.mayBeOurs
}
