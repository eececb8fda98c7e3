import type { Family } from '../../model/endpoint.ts'
import { whereAltered } from '../../wire/filler.ts'
import { type AskSizes, type Found, largestPassing, type SizeFate, smallestIpv6Mtu } from './search.ts'
import { type Direction, type TransferPlace, type Transferred, transfer } from './transfer.ts'
import type { Volleys } from './volleys.ts'
import type { Way } from './ways.ts'

/** What passes in one direction, in bytes of IP packets. */
export interface Limit {
  /** The largest size that is known to pass. */
  readonly passes: number
  /** The smallest size that is known not to pass; absent if nothing larger was lost for certain. */
  readonly fails?: number
}

/** Transfers with TCP's own largest segments. */
export interface TcpFacts {
  readonly forward: Transferred['kind']
  readonly back: Transferred['kind']
  /** Largest segment sent, and received: payload alone. */
  readonly sentSegmentBytes?: number
  readonly receivedSegmentBytes?: number
}

/** The smallest packets that hosts must accept, which are the least that TCP assumes (RFC 9293 §3.7.1). */
const safeSize: Readonly<Record<Family, number>> = { ipv4: 576, ipv6: smallestIpv6Mtu }

/** Sizes in one round of connections: fewer than a responder serves one client at once. */
const tcpWidth = 5

/** Enough for some full segments, and for both sides to send them before any is acknowledged. */
function bodyBytesFor(packetBytes: number): number {
  return Math.max(32_768, 4 * packetBytes)
}

/** Returns whether a Scout responder answers HTTP there. Nothing is uploaded to any other service. */
export async function isResponder(place: TransferPlace): Promise<boolean> {
  const { kind, status, body } = await transfer(place, { direction: 'back', bodyBytes: 60 })
  return kind === 'passes' && status === 200 && body.length === 60 && whereAltered(body, 0) === undefined
}

/** Transfers in both directions, as large as the kernels of both sides agree. */
export async function transferBothWays(place: TransferPlace, limit: number): Promise<TcpFacts> {
  const bodyBytes = bodyBytesFor(limit)
  const [forward, back] = await Promise.all([
    transfer(place, { direction: 'forward', bodyBytes }),
    transfer(place, { direction: 'back', bodyBytes }),
  ])
  return {
    forward: forward.kind,
    back: back.kind,
    ...(forward.segmentBytes === undefined ? {} : { sentSegmentBytes: forward.segmentBytes }),
    ...(back.kind === 'passes' && back.segmentBytes !== undefined ? { receivedSegmentBytes: back.segmentBytes } : {}),
  }
}

/** Asks with TCP connections whose segments fill packets of these sizes, beside one whose packets are known to pass. */
function tcpSizes(place: TransferPlace, direction: Direction, floor: number): AskSizes {
  return async (sizes) => {
    if (place.deadline.reason !== undefined) return undefined
    const transferOf = (packetBytes: number) =>
      transfer(place, { direction, packetBytes, bodyBytes: bodyBytesFor(packetBytes) })
    const [control, ...each] = await Promise.all([floor, ...sizes].map(transferOf))
    const known = new Map<number, SizeFate>()
    for (const [index, { kind, packetBytes = 0 }] of each.entries()) {
      const size = sizes[index] ?? 0
      if (kind === 'passes' && packetBytes >= size) known.set(size, { kind: 'passes' })
      else if (kind === 'stalls' && control?.kind === 'passes') known.set(size, { kind: 'vanishes' })
    }
    return known
  }
}

/** Finds by TCP what passes in one direction. Undefined if TCP shows nothing. */
async function limitByTcp(
  place: TransferPlace,
  direction: Direction,
  { floor, limit }: { readonly floor: number; readonly limit: number },
): Promise<Limit | undefined> {
  const ask = tcpSizes(place, direction, floor)
  const known = await ask([floor + 1, limit])
  if (known === undefined || known.size === 0) return undefined
  // A connection that stalls has sent each segment several times already.
  const confirm: AskSizes = async (sizes) => new Map(sizes.map((size) => [size, { kind: 'vanishes' }]))
  return limitOf(await largestPassing({ floor, limit, known, width: tcpWidth, ask, confirm }))
}

/** Returns what passes to the target, by packets that get short answers. Undefined if it does not answer them. */
async function limitByClosedPort(
  volleys: Volleys,
  way: Way,
  { floor, limit }: { readonly floor: number; readonly limit: number },
): Promise<Limit | undefined> {
  const known = await volleys.ask([way], [...new Set([floor + 1, limit])])
  if (known === undefined || known.size === 0) return undefined
  if (known.get(floor + 1)?.kind !== 'vanishes') return limitOf(boundsOf(known, floor))
  const again = await volleys.confirm([way], [floor + 1])
  return again === undefined ? undefined : limitOf(boundsOf(new Map([...known, ...again]), floor))
}

function boundsOf(fates: ReadonlyMap<number, SizeFate>, floor: number): Omit<Found, 'fates'> {
  const sizes = [...fates.keys()].toSorted((a, b) => a - b)
  const passes = sizes.findLast((size) => fates.get(size)?.kind === 'passes') ?? floor
  const fails = sizes.find((size) => size > passes)
  return fails === undefined ? { passes } : { passes, fails }
}

function limitOf({ passes, fails }: Omit<Found, 'fates'>): Limit {
  return fails === undefined ? { passes } : { passes, fails }
}

export interface Hole {
  /** The largest size that passes both ways. */
  readonly floor: number
  readonly limit: number
  readonly volleys: Volleys
  /** Way of datagrams to a closed port, if this process has it. */
  readonly closedPort: Way | undefined
  /** Where a Scout responder answers HTTP. */
  readonly place: TransferPlace | undefined
}

export interface Directions {
  readonly forward: Limit
  /** Absent if no answer has the size of its request. */
  readonly back?: Limit
}

/** Tells apart which direction loses packets larger than `floor`: requests and answers of that size together are lost. */
export async function directionsOf({ floor, limit, volleys, closedPort, place }: Hole): Promise<Directions> {
  const [there, thereByTcp, backByTcp] = await Promise.all([
    closedPort === undefined ? undefined : limitByClosedPort(volleys, closedPort, { floor, limit }),
    place === undefined ? undefined : limitByTcp(place, 'forward', { floor, limit }),
    place === undefined ? undefined : limitByTcp(place, 'back', { floor, limit }),
  ])
  const isExact = ({ passes, fails }: Limit) => passes === limit || fails === passes + 1
  const forward = [there, thereByTcp].find((one) => one !== undefined && isExact(one)) ?? there ?? thereByTcp
  // What is lost on the way there has no answer, and an answer that is lost has a request that was not.
  const lost = { passes: floor, fails: floor + 1 }
  const isLostThere = backByTcp !== undefined && backByTcp.passes > floor
  const isLostBack = forward !== undefined && forward.passes > floor
  return {
    forward: forward ?? (isLostThere ? lost : { passes: floor }),
    back: isLostBack ? lost : (backByTcp ?? { passes: floor }),
  }
}

/** Finds what stalls TCP although single packets of every size pass. */
export async function stalledDirections(
  place: TransferPlace,
  { forward, back }: TcpFacts,
  limit: number,
): Promise<Directions> {
  const floor = Math.min(safeSize[place.endpoint.family], limit - 1)
  const limitIn = (direction: Direction, isStalled: boolean) =>
    isStalled ? limitByTcp(place, direction, { floor, limit }) : undefined
  const [there, returned] = await Promise.all([
    limitIn('forward', forward === 'stalls'),
    limitIn('back', back === 'stalls'),
  ])
  return { forward: there ?? { passes: limit }, back: returned ?? { passes: limit } }
}
