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
  const rates = trains.flatMap(ratesOf)
  const cut = trains.filter(({ sent, lostAtEnd }) => lostAtEnd >= sent * endRatio)
  const nats = trains.reduce((sum, train) => sum + natsOfEnd(train), 0)
  const isCut = cut.length >= trains.length - 1 && nats > certainNats
  // One fast train shows that the path can pass it, so something else held up the others.
  const rate = Math.max(...rates)
  const isSlow = rates.length > 0 && rate <= slowBitsPerSecond
  const lost = trains.reduce((sum, { sent, returned }) => sum + sent - returned, 0)
  const sent = trains.reduce((sum, train) => sum + train.sent, 0)
  const losses = isCut
    ? `the last ${endOf(cut)} of ${together} are lost`
    : `${lost === 0 ? 'none' : lost} of ${sent} are lost`
  const says =
    rates.length === 0
      ? `of large packets sent together ${losses}`
      : `large packets sent together arrive ${speedText(rate, isSlow ? waitOf(trains) : undefined)}, and ${losses}`
  return { says, ...shownBy({ isCut, isSlow, isLost: lost > 0, isKnown: rates.length > 0 }) }
}

function shownBy({
  isCut,
  isSlow,
  isLost,
  isKnown,
}: Readonly<Record<'isCut' | 'isSlow' | 'isLost' | 'isKnown', boolean>>): Pick<Reading, 'shows'> {
  if (isCut || (isSlow && isLost)) return { shows: 'limited' }
  if (isSlow) return { shows: 'queued' }
  return isKnown ? { shows: 'passes' } : {}
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
