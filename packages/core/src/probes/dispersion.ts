import { fastestBitsPerSecond } from '../model/rate.ts'
import type { Fate } from '../net/packets/fate.ts'
import type { PacketAnswer } from '../net/packets/question.ts'
import { nsBetween } from '../wire/stamp-time.ts'

/*
 * The rate of a path by packet-train dispersion (C. Dovrolis, P. Ramanathan and D. Moore, "Packet-Dispersion Techniques and a Capacity-Estimation
 * Methodology", IEEE/ACM Transactions on Networking 12(6), 2004): packets that leave together arrive spread out to the rate of the narrowest
 * line. The reflector's stamp of each arrival tells that for the way there, our own for the way back, and no clocks need to agree, because
 * only differences of one clock count.
 *
 * - A token bucket lets a burst pass at once, so only the second half counts. A burst longer than the volley hides its limit.
 * - Interrupt coalescing, GRO and the queues of virtual interfaces deliver several packets at once. So times are compared over several packets, and
 *   what is faster than a gigabit a second is only known to be that fast.
 * - A busy CPU holds packets up for a while and then delivers many at once. So the lower quartile of these times counts: a line delays all.
 * - The way back has a rate only if it is slower than answers leave, which a slow way there spreads, too. Linux stamps packets when they leave the
 *   queue of their interface, so that the rate includes what the own host limits, and the wait does not.
 * - It is the rate that the line leaves to this flow: less than its capacity, if others use it and take turns (fq).
 */

/** How a volley of large packets was spread. Absent for others, and where too few arrive or the reflector's clock is wrong. */
export interface Dispersion {
  /**
   * Rates at which the second half of the volley passed each way, IP headers included, or a gigabit if that is faster; absent where fewer than
   * eight packets return, or out of order, and on the way back if that is no slower.
   */
  readonly forthBitsPerSecond?: number
  readonly backBitsPerSecond?: number
  /** How much longer the last packet was under way than the first, each way: the time that it waited in queues behind the others. */
  readonly forthWaitNs?: number
  readonly backWaitNs?: number
  /** Packets at the end of the volley that had no answer. */
  readonly lostAtEnd?: number
}

const leastPackets = 8
/** Smaller packets show how many packets can be handled, not how many bytes. */
const leastBytes = 1_000
/** Packets in the wrong order, beyond which something else than a queue spreads them. */
const mostDisorder = 1 / 8
/** The way back must be slower than answers leave by this. */
const clearlySlower = 0.7

/** Returns how a volley was spread, whose fates are in the order of sending. */
export function dispersionIn(fates: readonly Fate<PacketAnswer>[], packetBytes: number): Dispersion {
  if (fates.length < leastPackets || packetBytes < leastBytes) return {}
  const lostAtEnd = fates.length - 1 - fates.findLastIndex(({ kind }) => kind === 'answered')
  if (fates.some(isOurs) || lostAtEnd === fates.length) return {}
  const passed = passagesIn(fates)
  const [first, last] = [passed[0], passed.at(-1)]
  if (first === undefined || last === undefined) return { lostAtEnd }
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

/** When a packet left, arrived and was answered, and when the answer returned. Times at both ends are from different moments. */
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

/** Returns the rate at which the second half of these packets passed, by the times of all in the order of sending. */
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

/** Whether a packet may have been lost in this host, other than in a queue of limited length, which is the beginning of the path. */
function isOurs(fate: Fate<unknown>): boolean {
  return fate.kind === 'unsent' ? fate.code !== 'ENOBUFS' : fate.kind === 'silent' && fate.mayBeOurs
}
