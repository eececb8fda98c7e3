import { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import { FailureError, type IcmpError } from '../model/failure.ts'
import {
  type Directions,
  directionsOf,
  isResponder,
  type Limit,
  stalledDirections,
  type TcpFacts,
  transferBothWays,
} from './mtu/directions.ts'
import { type Found, largestPassing, reportsOf, stuckAt } from './mtu/search.ts'
import type { TransferPlace } from './mtu/transfer.ts'
import { isHole, type MtuVerdict, sentenceOf, unknownOf } from './mtu/verdict.ts'
import { createVolleys, type Reached, smallBytes, type Volleys } from './mtu/volleys.ts'
import { closedPortWay, datagramWay, echoWay, type NoWay, type Way } from './mtu/ways.ts'
import { type Attempt, defineProbe } from './probe.ts'

type MtuPhase = 'reach' | 'search' | 'directions'
type MtuAttempt = Attempt<MtuPhase, 'host[:port]'>

/** Result of a search. All sizes are those of whole IP packets, in bytes. */
export interface MtuDetail {
  readonly verdict: MtuVerdict
  /** Largest packet that passes: both ways, unless only the way to the target could be tested. */
  readonly pathMtu: number
  /** Largest packet that this host's interface sends. */
  readonly interfaceMtu: number
  /** Largest packet that this host assumes to pass: by a route, or because a router has reported it before. */
  readonly knownMtu: number
  readonly forward: Limit
  /** Absent if no answer has the size of its request. */
  readonly back?: Limit
  /** ICMP errors "fragmentation needed" and "packet too big" that arrived here. */
  readonly reports: readonly IcmpError[]
  /** Absent without the port of a Scout responder. */
  readonly tcp?: TcpFacts
  /** Kinds of packets that were answered. */
  readonly askedBy: readonly string[]
  /** What could not be known, and why. */
  readonly unknown: readonly string[]
  /** The verdict in one sentence. */
  readonly says: string
}

export const mtu = defineProbe({
  protocol: 'mtu',
  summary: 'find the path MTU in both directions, and tell a black hole from a reported limit',
  targetForm: 'host[:port]',
  needs: 'sizes',
  yields: 'facts',
  timeoutMs: 15_000,
  phases: {
    reach: 'first small packet sent to an answer received',
    search: 'answer received to largest passing size known',
    directions: 'largest passing size known to limits of both directions known',
  } satisfies Record<MtuPhase, string>,
  options: z.object({
    key: z.string().default('').meta({ writeOnly: true }).describe('secret shared by prober and responder'),
  }),
  async measure(attempt, { key }): Promise<MtuDetail> {
    const { endpoint, deadline, stopwatch, record, sockets } = attempt
    const ways: Way[] = []
    const missing: NoWay[] = []
    const open = (way: Way | NoWay): Way | undefined => {
      if ('failure' in way) missing.push(way)
      else ways.push(way)
      return 'failure' in way ? undefined : way
    }
    const closedPort = () => ways.find(({ isRoundTrip }) => !isRoundTrip) ?? open(closedPortWay(sockets, endpoint))
    const volleys = createVolleys({ endpoint, deadline })
    try {
      stopwatch.enter('reach')
      open(echoWay(sockets, endpoint))
      if (endpoint.port !== undefined) open(datagramWay(sockets, endpoint, key))
      if (ways.length === 0) closedPort()
      const reached = await reach([...ways], { missing, closedPort, volleys })
      stopwatch.enter('search')
      const found = await searched(reached, { attempt, volleys })
      if (found.stuck !== undefined || endpoint.port !== undefined) stopwatch.enter('directions')
      const known = await directed(found, { attempt, volleys, closedPort })
      if (deadline.reason?.reason === 'cancelled') throw deadline.reason
      const detail = detailOf({ ...reached, ...found, ...known, missing }, endpoint)
      if (detail.verdict !== 'black-hole') return detail
      record({ detail })
      throw new FailureError('black-hole', detail.says)
    } finally {
      record({ packets: volleys.packets })
      for (const way of ways) way.close()
    }
  },
})

interface Means {
  readonly missing: readonly NoWay[]
  readonly volleys: Volleys
  /** Returns the way of datagrams to a closed port; undefined if this process cannot have it. */
  readonly closedPort: () => Way | undefined
}

interface ReachedPath extends Reached {
  readonly interfaceMtu: number
  readonly knownMtu: number
  readonly isRoundTrip: boolean
}

async function reach(ways: readonly Way[], { missing, closedPort, volleys }: Means): Promise<ReachedPath> {
  const [first] = ways
  if (first === undefined) throw missing[0]?.failure ?? new TypeError('a way that is missing has a reason')
  const limits = await volleys.limits(first)
  const reached = await volleys.reach(ways, limits.interfaceMtu, closedPort)
  return { ...reached, ...limits, isRoundTrip: reached.ways.some((way) => way.isRoundTrip) }
}

interface Searching {
  readonly attempt: MtuAttempt
  readonly volleys: Volleys
}

interface SearchedPath extends Found {
  readonly interfaceMtu: number
  readonly isRoundTrip: boolean
  /** Size at which a sender is stuck; absent if it finds one that passes. */
  readonly stuck?: number
}

async function searched(
  { ways, known, interfaceMtu, isRoundTrip }: ReachedPath,
  { attempt: { endpoint, deadline }, volleys }: Searching,
): Promise<SearchedPath> {
  const found = await largestPassing({
    floor: smallBytes,
    limit: interfaceMtu,
    known,
    width: Math.min(...ways.map((way) => way.width)),
    ask: (sizes) => volleys.ask(ways, sizes),
    confirm: (sizes) => volleys.confirm(ways, sizes),
  })
  if (found.passes < interfaceMtu && found.fails === undefined) throw deadline.reason ?? deadline.timedOut()
  const stuck = stuckAt(found, interfaceMtu, endpoint.family)
  return { ...found, interfaceMtu, isRoundTrip, ...(stuck === undefined ? {} : { stuck }) }
}

interface DirectedPath {
  readonly directions: Directions
  readonly tcp?: TcpFacts
}

/** Finds out what passes in each direction, and by TCP. */
async function directed(
  { passes, fails, stuck, interfaceMtu: limit, isRoundTrip }: SearchedPath,
  { attempt, volleys, closedPort }: Searching & Pick<Means, 'closedPort'>,
): Promise<DirectedPath> {
  const { sockets, endpoint, deadline } = attempt
  const candidate: TransferPlace = { sockets, endpoint, deadline }
  const place = endpoint.port !== undefined && (await isResponder(candidate)) ? candidate : undefined
  const transfers = place === undefined ? undefined : transferBothWays(place, limit)
  const both = { forward: { passes }, back: { passes } }
  if (!isRoundTrip) {
    const forward = stuck === undefined || fails === undefined ? { passes } : { passes, fails }
    return { directions: { forward }, ...withTcp(await transfers) }
  }
  if (stuck !== undefined) {
    const hole = { floor: passes, limit, volleys, closedPort: closedPort(), place }
    const [directions, tcp] = await Promise.all([directionsOf(hole), transfers])
    return { directions, ...withTcp(tcp) }
  }
  const tcp = await transfers
  const isStalled = tcp?.forward === 'stalls' || tcp?.back === 'stalls'
  const directions =
    place !== undefined && isStalled && passes === limit ? await stalledDirections(place, tcp, limit) : both
  return { directions, ...withTcp(tcp) }
}

function withTcp(tcp: TcpFacts | undefined): { readonly tcp?: TcpFacts } {
  return tcp === undefined ? {} : { tcp }
}

type Path = ReachedPath & SearchedPath & DirectedPath & Pick<Means, 'missing'>

function detailOf(path: Path, { address, family, port }: Endpoint): MtuDetail {
  const { passes, fails, stuck, fates, interfaceMtu, isRoundTrip, directions, tcp, ways } = path
  const { forward, back } = directions
  const isHoled = stuck !== undefined || isHole(forward) || (back !== undefined && isHole(back))
  const verdict = isHoled ? 'black-hole' : passes < interfaceMtu ? 'reported' : 'full'
  const facts = {
    pathMtu: Math.min(passes, forward.passes, back?.passes ?? passes),
    interfaceMtu,
    knownMtu: Math.min(path.knownMtu, interfaceMtu),
    forward: verdict === 'reported' && fails !== undefined ? { passes, fails } : forward,
    ...(back === undefined ? {} : { back }),
    reports: reportsOf(fates),
    ...withTcp(tcp),
  }
  return {
    verdict,
    ...facts,
    askedBy: ways.map(({ name }) => name),
    unknown: unknownOf({ verdict, isRoundTrip, missing: path.missing, port, ...facts }),
    says: sentenceOf(verdict, { ...facts, target: address, family, isRoundTrip }),
  }
}
