import { splitZone } from '../../model/address.ts'
import type { Endpoint, Family } from '../../model/endpoint.ts'
import { leastTracePayloadBytes } from '../../wire/trace-packet.ts'
import type { Reply, TracePacket } from './packet.ts'
import type { Shape } from './senders.ts'

/** How much a trace asks. */
export interface TraceExtent {
  readonly flows: number
  /** Packets of each flow to each hop. */
  readonly count: number
  readonly maxHops: number
  /** Time between two packets of a flow to a hop. */
  readonly intervalMs: number
  /** How long an answer is waited for. */
  readonly waitMs: number
  /** Undefined for packets as small as can be. */
  readonly payloadBytes?: number | undefined
}

/** Where packets of a flow come no further: at the target, or where something rejects them. */
export interface End {
  readonly ttl: number
  readonly reply: Reply
  readonly isTarget: boolean
}

/** A router that reported a smaller MTU of its next hop, and the TTL of the packet that did not fit. */
export interface Bottleneck {
  readonly from: string
  readonly mtu: number
  readonly ttl: number
}

/** Decides which packet of a trace is sent when, and when it is over. All times are of one monotonic clock. */
export interface Schedule {
  /** Returns the packets to send now. */
  due(now: number): readonly Shape[]
  sent(packet: TracePacket, now: number): void
  replied(packet: TracePacket, reply: Reply, now: number): void
  isOver(now: number): boolean
  /** Returns when to look again, if no reply comes before. */
  nextNs(now: number): number
  /** Returns whether the answer to a packet is still waited for. */
  isPending(packet: TracePacket, now: number): boolean
  /** Returns the TTL of the hop a packet asked; undefined if it asked none, as a pilot without an answer and a packet that was too big. */
  hopOf(packet: TracePacket): number | undefined
  endOf(flow: number): End | undefined
  readonly bottlenecks: readonly Bottleneck[]
}

/*
 * The first packet, the pilot, has the largest TTL and finds out how far the target is: by the TTL of its answer, or of the packet that
 * is quoted in it. Then all hops up to there are asked at once. Where the distance is unknown or turns out to be wrong, hops are asked
 * up to `lookahead` beyond the last one that answered, which also ends a trace behind which nothing answers. An answered pilot counts
 * as one of the packets to the last hop; if the answer quotes the TTL it arrived with, that hop is known.
 */
const lookahead = 5
const pilotWaitNs = 250e6
const mostInFlight = 64
/** Once the target has answered, an answer is waited for this many times as long as the slowest took, and no less than a moment. */
const patience = { factor: 10, leastNs: 100e6 } as const
/** Linux asks three times, a second apart, for the link-layer address of a host before it reports it unreachable (arp(7)). */
const unreachableNs = 3_200e6

interface Hop {
  sent: number
  lastNs: number
}

/** An address that answers at so many TTLs is in a loop. Two it may have where a router changes TTLs, or ways of other lengths alternate. */
const loopTurns = 3

interface Flow {
  readonly hops: Map<number, Hop>
  /** TTLs at which an address answered. */
  readonly places: Map<string, Set<number>>
  isLooping: boolean
  /** Largest TTL that a router answered. */
  answeredTtl: number
  end: End | undefined
}

export function createSchedule(extent: TraceExtent, { address, family }: Endpoint): Schedule {
  const { count, maxHops } = extent
  const [intervalNs, waitNs] = [extent.intervalMs * 1e6, extent.waitMs * 1e6]
  const target = splitZone(address).bare
  const flows = Array.from(
    { length: extent.flows },
    (): Flow => ({
      hops: new Map(),
      places: new Map(),
      isLooping: false,
      answeredTtl: 0,
      end: undefined,
    }),
  )
  const inFlight = new Map<TracePacket, number>()
  const tooBig = new Set<TracePacket>()
  const bottlenecks: Bottleneck[] = []
  let { payloadBytes } = extent
  let pilot: { readonly packet: TracePacket; readonly sentNs: number; isTarget: boolean } | undefined
  let startedNs: number | undefined
  let distance: number | undefined
  let slowestNs = 0

  const isReached = () => pilot?.isTarget === true || flows.some(({ end }) => end?.isTarget === true)

  const expiryNs = (sentNs: number) =>
    sentNs + (isReached() ? Math.min(waitNs, Math.max(patience.leastNs, patience.factor * slowestNs)) : waitNs)

  /** Whether a flow was asked at this TTL in vain. */
  const isSpent = (flow: Flow, ttl: number, now: number) => {
    const hop = flow.hops.get(ttl)
    return hop !== undefined && now >= expiryNs(hop.lastNs)
  }

  /** Returns the TTL up to which a flow is asked. */
  const horizonOf = (flow: Flow, now: number): number => {
    if (flow.end !== undefined) return flow.end.ttl
    if (flow.isLooping) return flow.answeredTtl
    if (distance !== undefined && flow.answeredTtl < distance && !isSpent(flow, distance, now)) return distance
    const isPilotPending = pilot === undefined || (inFlight.has(pilot.packet) && now < pilot.sentNs + pilotWaitNs)
    if (distance === undefined && isPilotPending && flow.answeredTtl === 0) return 0
    return Math.min(maxHops, Math.max(distance ?? 0, flow.answeredTtl + lookahead))
  }

  const wantedOf = (flow: Flow, ttl: number) =>
    flow === flows[0] && pilot?.isTarget === true && flow.end?.ttl === ttl ? count - 1 : count

  /** Returns what is still to be asked up to the horizon of each flow. */
  const missing = (now: number) =>
    flows.flatMap((flow, index) =>
      Array.from({ length: horizonOf(flow, now) }, (_, hop) => hop + 1).flatMap((ttl) => {
        const { sent, lastNs } = flow.hops.get(ttl) ?? { sent: 0, lastNs: Number.NEGATIVE_INFINITY }
        return sent < wantedOf(flow, ttl) ? [{ flow: index, ttl, dueNs: lastNs + intervalNs }] : []
      }),
    )

  const isBeyondEnd = ({ flow, ttl }: TracePacket) => ttl > (flows[flow]?.end?.ttl ?? ttl)

  /** Returns when each answer ceases to be waited for. The pilot is waited for until `unreachableNs` or an end. */
  const expiries = () =>
    [...inFlight].flatMap(([packet, sentNs]) =>
      packet === pilot?.packet || isBeyondEnd(packet) ? [] : [expiryNs(sentNs)],
    )

  /** Returns until when to wait for an error that may come late. */
  const lastNs = () =>
    flows.some(({ end, isLooping }) => end !== undefined || isLooping) ? 0 : (startedNs ?? 0) + unreachableNs

  const passed = (flow: Flow, ttl: number, { from }: Reply) => {
    flow.answeredTtl = Math.max(flow.answeredTtl, ttl)
    const places = flow.places.get(from) ?? new Set()
    flow.places.set(from, places.add(ttl))
    if (places.size >= loopTurns) flow.isLooping = true
  }

  const shrink = (packet: TracePacket, { from, icmp }: Reply): boolean => {
    const mtu = icmp?.mtu
    const fitting = mtu === undefined ? 0 : mtu - overheadBytes[family]
    if (mtu === undefined || payloadBytes === undefined || fitting < leastTracePayloadBytes) return false
    // An MTU that the packet does not exceed is no reason to send it again, perhaps for ever.
    if (packet.image.length - headerBytes <= fitting) return false
    const known = bottlenecks.findIndex((each) => each.from === from && each.mtu === mtu)
    if (known < 0 && bottlenecks.length >= mostBottlenecks) return false
    payloadBytes = Math.min(payloadBytes, fitting)
    tooBig.add(packet)
    const ttl = Math.min(packet.ttl, bottlenecks[known]?.ttl ?? packet.ttl)
    bottlenecks.splice(known < 0 ? bottlenecks.length : known, 1, { from, mtu, ttl })
    return true
  }

  const repliedToPilot = (reply: Reply) => {
    if (pilot === undefined) return
    pilot.isTarget = isFrom(reply, target) && !isTimeExceeded(family, reply)
    if (!pilot.isTarget) return
    distance = distanceOf(reply, maxHops)
    // The TTL of an answer depends on the way back, and the one that it quotes does not.
    if (distance !== undefined && reply.quotedTtl !== undefined && flows[0] !== undefined)
      flows[0].end = { ttl: distance, reply, isTarget: true }
  }

  return {
    bottlenecks,
    due(now) {
      const room = mostInFlight - expiries().filter((expiry) => now < expiry).length
      const first = pilot === undefined ? [{ flow: 0, ttl: maxHops }] : []
      const others = missing(now).filter(({ dueNs }) => dueNs <= now)
      return [...first, ...others].slice(0, Math.max(0, room)).map(({ flow, ttl }) => ({ flow, ttl, payloadBytes }))
    },
    sent(packet, now) {
      startedNs ??= now
      inFlight.set(packet, now)
      if (pilot === undefined) {
        pilot = { packet, sentNs: now, isTarget: false }
        return
      }
      const hops = flows[packet.flow]?.hops
      hops?.set(packet.ttl, { sent: (hops.get(packet.ttl)?.sent ?? 0) + 1, lastNs: now })
    },
    replied(packet, reply, now) {
      slowestNs = Math.max(slowestNs, now - (inFlight.get(packet) ?? now))
      inFlight.delete(packet)
      const flow = flows[packet.flow]
      if (flow === undefined) return
      const isPilot = packet === pilot?.packet
      if (shrink(packet, reply)) {
        const hop = flow.hops.get(packet.ttl)
        if (isPilot) pilot = undefined
        else if (hop !== undefined) flow.hops.set(packet.ttl, { sent: hop.sent - 1, lastNs: Number.NEGATIVE_INFINITY })
        return
      }
      if (isPilot) return repliedToPilot(reply)
      if (isTimeExceeded(family, reply)) passed(flow, packet.ttl, reply)
      else if (packet.ttl < (flow.end?.ttl ?? Number.POSITIVE_INFINITY))
        flow.end = { ttl: packet.ttl, reply, isTarget: isFrom(reply, target) }
    },
    isOver: (now) =>
      pilot !== undefined &&
      now >= lastNs() &&
      missing(now).length === 0 &&
      expiries().every((expiry) => now >= expiry),
    nextNs(now) {
      const pilotNs = pilot === undefined ? now : pilot.sentNs + pilotWaitNs
      const times = [pilotNs, lastNs(), ...missing(now).map(({ dueNs }) => dueNs), ...expiries()]
      return Math.min(now + waitNs, ...times.filter((time) => time > now))
    },
    isPending(packet, now) {
      const sentNs = inFlight.get(packet)
      return sentNs !== undefined && now < expiryNs(sentNs)
    },
    hopOf(packet) {
      if (tooBig.has(packet)) return undefined
      if (packet !== pilot?.packet) return packet.ttl
      return pilot.isTarget ? flows[0]?.end?.ttl : undefined
    },
    endOf: (flow) => flows[flow]?.end,
  }
}

/** Header of UDP or ICMP. */
const headerBytes = 8
/** The same with that of IP. */
const overheadBytes: Readonly<Record<Family, number>> = { ipv4: 20 + headerBytes, ipv6: 40 + headerBytes }
/** A way with more of them is none. */
const mostBottlenecks = 8

/** RFC 792, RFC 4443 §3.3: the TTL or hop limit was exceeded in transit. */
function isTimeExceeded(family: Family, { icmp }: Reply): boolean {
  return icmp?.type === (family === 'ipv4' ? 11 : 3) && icmp.code === 0
}

function isFrom({ from, icmp }: Reply, target: string): boolean {
  return icmp === undefined || splitZone(from).bare === target
}

/** TTLs that systems begin with. */
const initialTtls = [64, 128, 255] as const

/** Returns how far the sender of an answer to the pilot is, exactly or as far as its answer came; undefined if neither is likely. */
function distanceOf({ quotedTtl, ttl }: Reply, maxHops: number): number | undefined {
  const initial = initialTtls.find((each) => each >= (ttl ?? Number.POSITIVE_INFINITY))
  const back = ttl === undefined || initial === undefined ? undefined : initial - ttl + 1
  const distance = quotedTtl === undefined ? back : maxHops - quotedTtl + 1
  return distance === undefined || distance < 1 || distance > maxHops ? undefined : distance
}
