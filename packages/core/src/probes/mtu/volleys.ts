import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoint } from '../../model/endpoint.ts'
import { FailureError } from '../../model/failure.ts'
import type { Packets } from '../../model/packets.ts'
import { answerOf, type Fate, packetsOf } from '../../net/packets/fate.ts'
import { createDeadlines, type Deadline } from '../../time/deadline.ts'
import type { SizeFate, SizeFates } from './search.ts'
import { type Answer, discovery, isPortUnreachable, isTooBig, largestPacket, type Way } from './ways.ts'

/** A size that passes every path, and has room for every kind of packet. */
export const smallBytes = 160

/** Time to wait for answers: a multiple of the round trip, but enough for a busy host. */
const waitsRoundTrips = 4
const leastWaitMs = 250
const mostWaitMs = 2_000

/** Packets of one size in a volley. */
const copies = 2

/** Pairs of a large packet and a small one, sent one after another, which confirm that a size vanishes. */
const pairs = 5
const pairPauseMs = 40

/** How often small packets are sent until one is answered, and how long each waits. */
const tries = 3
const tryMs = 1_000

export interface VolleysOptions {
  readonly endpoint: Endpoint
  readonly deadline: Deadline
}

/** What the first small packets show. */
export interface Reached {
  /** Ways that are answered. */
  readonly ways: readonly Way[]
  /** The largest packets, if their fate is known already. */
  readonly known: SizeFates
}

/** Sends packets of several sizes together, with small ones beside them, so that loss is not taken for a limit on size. */
export interface Volleys {
  readonly packets: Packets
  /** Returns the largest packet that this host sends, and the largest that it assumes to pass. Nothing is sent if that is less than 64 KiB. */
  limits(way: Way): Promise<{ readonly interfaceMtu: number; readonly knownMtu: number }>
  /** Sends small packets until one is answered, and the largest beside them. Throws `FailureError` if none is answered. */
  reach(ways: readonly Way[], limit: number, spare: () => Way | undefined): Promise<Reached>
  /** Asks with several sizes at once. Undefined if the time is over. */
  ask(ways: readonly Way[], sizes: readonly number[]): Promise<SizeFates | undefined>
  /** Asks with one size again and again, each time followed by a small one. Undefined if the time is over. */
  confirm(ways: readonly Way[], sizes: readonly number[]): Promise<SizeFates | undefined>
}

interface Asked {
  readonly size: number
  readonly way: Way
  readonly fate: Fate<Answer>
}

export function createVolleys({ endpoint, deadline }: VolleysOptions): Volleys {
  const deadlines = createDeadlines()
  const fates: Fate<Answer>[] = []
  const { family } = endpoint
  let roundTripNs = 0

  /** Runs with a deadline that ends with that of the attempt, or after so many milliseconds. */
  const within = async <T>(ms: number, run: (own: Deadline) => Promise<T>): Promise<T> => {
    const own = deadlines.start(Math.max(1, Math.min(ms, deadline.remainingNs() / 1e6)))
    const off = deadline.onOver((reason) => own.end(reason))
    try {
      const outcome = await run(own)
      if (deadline.reason?.reason === 'cancelled') throw deadline.reason
      return outcome
    } finally {
      off()
      deadlines.clear(own)
    }
  }

  const isOver = () => deadline.reason !== undefined || deadline.remainingNs() <= 0

  const waitMs = () => Math.min(mostWaitMs, Math.max(leastWaitMs, (waitsRoundTrips * roundTripNs) / 1e6))

  const send = async (way: Way, size: number, own: Deadline): Promise<Asked> => {
    const fate = await way.ask({ bytes: size, deadline: own })
    fates.push(fate)
    if (size === smallBytes && hasArrived(way, fate)) roundTripNs = Math.max(roundTripNs, tookNs(fate))
    return { size, way, fate }
  }

  const hasArrived = (way: Way, fate: Fate<Answer>) =>
    fate.kind === 'answered' || (!way.isRoundTrip && fate.kind === 'icmp' && isPortUnreachable(family, fate.error))

  /** Returns the fates of sizes. Without an answer to a small packet nothing is certain, except what is answered. */
  const fatesOf = (asked: readonly Asked[]): SizeFates => {
    const isSure = asked.some(({ size, way, fate }) => size === smallBytes && hasArrived(way, fate))
    const known = new Map<number, SizeFate>()
    for (const size of new Set(asked.map((one) => one.size))) {
      if (size === smallBytes) continue
      const these = asked.filter((one) => one.size === size)
      const report = these.flatMap(({ fate }) =>
        fate.kind === 'icmp' && isTooBig(family, fate.error) ? [fate.error] : [],
      )[0]
      const isOurs = these.some(({ fate }) => fate.kind === 'unsent' || (fate.kind === 'silent' && fate.mayBeOurs))
      if (these.some(({ way, fate }) => hasArrived(way, fate))) known.set(size, { kind: 'passes' })
      else if (report !== undefined) known.set(size, { kind: 'reported', error: report })
      else if (isSure && !isOurs) known.set(size, { kind: 'vanishes' })
    }
    return known
  }

  const reachOnce = async (ways: readonly Way[], limit: number): Promise<readonly Asked[]> =>
    within(tryMs, async (own) => {
      // Once a small packet is answered, the others have a few round trips more.
      const small = ways.map(async (way) => {
        const asked = await send(way, smallBytes, own)
        if (hasArrived(way, asked.fate)) deadlineAfter(own, waitMs())
        return asked
      })
      const large = ways.flatMap((way) => (limit > smallBytes ? [send(way, limit, own), send(way, limit, own)] : []))
      return Promise.all([...small, ...large])
    })

  return {
    get packets() {
      return packetsOf(fates)
    },
    async limits(way) {
      const limitBy = async (mtuDiscovery: 2 | 3) => {
        const fate = await within(leastWaitMs, (own) => way.ask({ bytes: largestPacket, deadline: own, mtuDiscovery }))
        return fate.kind === 'unsent' && fate.code === 'EMSGSIZE'
          ? Math.min(fate.mtu ?? largestPacket, largestPacket)
          : largestPacket
      }
      return { interfaceMtu: await limitBy(discovery.probe), knownMtu: await limitBy(discovery.obey) }
    },
    async reach(ways, limit, spare) {
      let asking = ways
      let last: Fate<Answer> | undefined
      for (let round = 0; round < tries && !isOver(); round++) {
        const asked = await reachOnce(asking, limit)
        const usable = asking.filter((way) => asked.some((one) => one.way === way && isSmallAnswer(one)))
        const whole = usable.filter((way) => way.isRoundTrip && !asked.some((one) => one.way === way && isCutOff(one)))
        const chosen = whole.length > 0 ? whole : usable
        if (chosen.length > 0) {
          const known = fatesOf(asked.filter(({ way }) => chosen.includes(way)))
          return { ways: whole.length > 0 ? whole : usable.map((way) => ({ ...way, isRoundTrip: false })), known }
        }
        last = asked.find(({ fate }) => fate.kind === 'icmp' || fate.kind === 'unsent')?.fate ?? asked[0]?.fate
        const more = round === 0 ? spare() : undefined
        if (more !== undefined) asking = [...asking, more]
        else if (last?.kind === 'icmp' || last?.kind === 'unsent') break
      }
      if (deadline.reason !== undefined) throw deadline.reason
      if (last !== undefined && last.kind !== 'silent' && last.kind !== 'answered') answerOf(last, endpoint, deadline)
      throw isOver() ? deadline.timedOut() : noAnswer(endpoint, asking)
    },
    async ask(ways, sizes) {
      if (isOver()) return undefined
      const asked = await within(waitMs(), (own) => {
        const each = ways.flatMap((way) =>
          sizes.flatMap((size) => Array.from({ length: ways.length > 1 ? 1 : copies }, () => send(way, size, own))),
        )
        // Last, so that what fills a queue shows on them, too.
        return Promise.all([...each, ...ways.map((way) => send(way, smallBytes, own))])
      })
      return isOver() ? undefined : fatesOf(asked)
    },
    async confirm(ways, sizes) {
      if (isOver()) return undefined
      const asked = await within(pairs * pairPauseMs + waitMs(), async (own) => {
        const sent: Promise<Asked>[] = []
        for (let pair = 0; pair < pairs; pair++) {
          for (const way of ways) sent.push(...sizes.map((size) => send(way, size, own)), send(way, smallBytes, own))
          await sleep(pairPauseMs)
        }
        return Promise.all(sent)
      })
      return isOver() ? undefined : fatesOf(asked)
    },
  }

  function isSmallAnswer({ size, way, fate }: Asked): boolean {
    return size === smallBytes && hasArrived(way, fate)
  }
}

/** Whether the target returns only the beginning of what it is sent. So its answers do not test the way back. */
function isCutOff({ size, fate }: Asked): boolean {
  return size === smallBytes && fate.kind === 'answered' && fate.message.flaw === 'length'
}

/** Ends a deadline after so many milliseconds, as a cancellation, which no socket waits beyond. */
function deadlineAfter(own: Deadline, ms: number): void {
  const timer = setTimeout(() => own.cancel(), ms)
  own.onOver(() => clearTimeout(timer))
  timer.unref()
}

function tookNs(fate: Fate<Answer>): number {
  return fate.kind === 'answered' || fate.kind === 'icmp' ? fate.tookNs : 0
}

function noAnswer({ address }: Endpoint, ways: readonly Way[]): FailureError {
  return new FailureError(
    'timeout',
    `${address} answered none of ${tries * ways.length} small packets (${ways.map(({ name }) => name).join(', ')}) within ${(tries * tryMs) / 1000} s`,
  )
}
