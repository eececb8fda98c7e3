import { fastestBitsPerSecond, formatRate } from '../../model/rate.ts'
import type { ResultOf } from '../../probes/index.ts'
import { formatDurationNs } from '../../time/duration.ts'
import { quantileOf } from '../detect/baseline.ts'
import { failureIn, type Proof, type Reading } from './proof.ts'

/*
 * What a path does to large packets that are sent together (probes/dispersion.ts): a healthy path passes them at once, a slow line spreads them
 * to its rate, and a policer drops the end of the train. Each collector sends 230 kB and receives as much. A limit that first lets a burst
 * of more than 23 kB pass is not seen: that is half a train, and the bandwidth plugin without a configured burst is such a limit.
 */

const rounds = 5
const together = 32
const payloadBytes = 1_400

export const train: Proof = {
  subject: 'large packets sent together',
  summary: `send ${together} large packets together, ${rounds} times: a slow line spreads them to its rate or drops the last ones`,
  rounds,
  attempts: () => [{ protocol: 'udp', options: { volley: together, payloadBytes, timeoutMs: 1_500 } }],
  read(results) {
    const trains = results.flatMap((result) => (result.protocol === 'udp' ? trainOf(result) : []))
    const packets = trains.reduce((sum, { sent }) => sum + sent, 0)
    if (trains.length < leastTrains) return { says: failureIn(results), packets, values: {} }
    return { ...readingOf(trains), packets, values: { trains } }
  },
}

/** Trains with an answer from which the proof decides anything. */
const leastTrains = 3
/** Highest rate of a slow line. Above it, a busy host may have spread the train. */
const slowBitsPerSecond = 50e6
/** Share of a train that must be lost at its end. */
const endRatio = 0.25
/** Nats above which the lost ends are no chance. Five trains exceed it by chance once in five thousand times (Fisher's method, chi-squared). */
const certainNats = 17

interface Train {
  readonly sent: number
  readonly returned: number
  readonly lostAtEnd: number
  /** Absent if unknown; on the way back, also if that is no slower. */
  readonly forthBitsPerSecond?: number | undefined
  readonly backBitsPerSecond?: number | undefined
  readonly forthWaitNs: number
  readonly backWaitNs: number
}

function trainOf({ detail = {}, packets }: ResultOf<'udp'>): readonly Train[] {
  const { lostAtEnd, forthBitsPerSecond, backBitsPerSecond, forthWaitNs = 0, backWaitNs = 0 } = detail
  if (packets === undefined || lostAtEnd === undefined) return []
  // Packets that the queue of this host's interface refuses were never sent. They count as lost all the same: the path begins there.
  return [
    {
      sent: together,
      returned: packets.returned,
      lostAtEnd,
      forthBitsPerSecond,
      backBitsPerSecond,
      forthWaitNs,
      backWaitNs,
    },
  ]
}

function readingOf(trains: readonly Train[]): Pick<Reading, 'says' | 'shows'> {
  const passage = passageOf(trains)
  const loss = lossOf(trains)
  return { says: saysOf(passage, loss), ...shownBy(passage, loss) }
}

/** How fast trains pass. */
interface Passage {
  /** Absent if unknown. */
  readonly bitsPerSecond?: number
  readonly isSlow: boolean
  /** Median of how long the last packet of a train waits behind the others. */
  readonly waitNs: number
}

function passageOf(trains: readonly Train[]): Passage {
  const rates = trains.flatMap(ratesOf)
  if (rates.length === 0) return { isSlow: false, waitNs: 0 }
  // One fast train shows that the path can pass it, so something else held up the others.
  const bitsPerSecond = Math.max(...rates)
  return { bitsPerSecond, isSlow: bitsPerSecond <= slowBitsPerSecond, waitNs: waitOf(trains) }
}

/** What is lost of all trains, and how many packets at the end of each, if nearly all lose theirs. */
interface Loss {
  readonly sent: number
  readonly lost: number
  readonly cutOff?: number
}

function lossOf(trains: readonly Train[]): Loss {
  const sent = trains.reduce((sum, train) => sum + train.sent, 0)
  const lost = trains.reduce((sum, train) => sum + train.sent - train.returned, 0)
  const cut = trains.filter((train) => train.lostAtEnd >= train.sent * endRatio)
  const nats = trains.reduce((sum, train) => sum + natsOfEnd(train), 0)
  const isCut = cut.length >= trains.length - 1 && nats > certainNats
  return { sent, lost, ...(isCut ? { cutOff: endOf(cut) } : {}) }
}

function saysOf({ bitsPerSecond, isSlow, waitNs }: Passage, { sent, lost, cutOff }: Loss): string {
  const losses =
    cutOff === undefined
      ? `${lost === 0 ? 'none' : lost} of ${sent} are lost`
      : `the last ${cutOff} of ${together} are lost`
  return bitsPerSecond === undefined
    ? `of large packets sent together ${losses}`
    : `large packets sent together arrive ${speedText(bitsPerSecond, isSlow ? waitNs : undefined)}, and ${losses}`
}

function shownBy({ bitsPerSecond, isSlow }: Passage, { lost, cutOff }: Loss): Pick<Reading, 'shows'> {
  if (cutOff !== undefined || (isSlow && lost > 0)) return { shows: 'limited' }
  if (isSlow) return { shows: 'queued' }
  return bitsPerSecond === undefined ? {} : { shows: 'passes' }
}

function speedText(rate: number, waitNs: number | undefined): string {
  const speed = rate < fastestBitsPerSecond ? `at ${formatRate(rate)}` : 'too fast to tell the rate'
  return waitNs === undefined || waitNs < 1e6
    ? speed
    : `${speed}, the last ${formatDurationNs(Math.round(waitNs / 1e6) * 1e6)} after the first`
}

function waitOf(trains: readonly Train[]): number {
  return quantileOf(
    trains.map(({ forthWaitNs, backWaitNs }) => Math.max(forthWaitNs, backWaitNs)),
    0.5,
  )
}

/** Returns, in nats, how unlikely it is by chance that no packet of the lost end returns, given how many of the train do. */
function natsOfEnd({ sent, returned, lostAtEnd }: Train): number {
  let nats = 0
  for (let index = 0; index < returned; index++) nats -= Math.log((sent - lostAtEnd - index) / (sent - index))
  return nats
}

/** Returns the median of the packets that are lost at the end of a train. */
function endOf(cut: readonly Train[]): number {
  return quantileOf(
    cut.map(({ lostAtEnd }) => lostAtEnd),
    0.5,
  )
}

/** Returns the rate of the slower way, in bits per second; none if unknown. */
function ratesOf({ forthBitsPerSecond, backBitsPerSecond }: Train): readonly number[] {
  return forthBitsPerSecond === undefined ? [] : [Math.min(forthBitsPerSecond, backBitsPerSecond ?? forthBitsPerSecond)]
}
