import { splitZone } from '../model/address.ts'
import type { Endpoint, Family } from '../model/endpoint.ts'
import type { FailureReason } from '../model/failure.ts'
import { groupBy } from '../model/group-by.ts'
import { icmpMeaningOf } from '../model/icmp.ts'
import type { Bottleneck } from '../net/trace/schedule.ts'
import type { HopPacket, Traced } from '../net/trace/trace.ts'
import type { MplsLabel } from '../wire/icmp-error.ts'

/** The way that packets with the same ports, or with the same checksum of ICMP, take. */
export interface TraceFlow {
  /** From 1. */
  readonly flow: number
  /** Absent for ICMP. */
  readonly sourcePort?: number
  readonly isReached: boolean
  readonly hops: readonly TraceHop[]
}

export interface TraceHop {
  /** TTL or hop limit, from 1. */
  readonly hop: number
  readonly sent: number
  readonly returned: number
  readonly lossRatio: number
  /**
   * Whether a later hop lost less: then this one forwards packets, and only withholds or limits its own answers. Present if it lost
   * any.
   */
  readonly forwards?: boolean
  /** Who answered; several if the way changed, none if it is silent. */
  readonly from: readonly HopAnswers[]
}

/** Answers of one address to the packets of a flow to a hop. */
export interface HopAnswers {
  readonly address: string
  readonly isTarget: boolean
  readonly returned: number
  /** Round trips, in the order the packets were sent. */
  readonly timesNs: readonly number[]
  /** The ICMP error it answers with, and what that says if it is not that the TTL was exceeded; absent for an answer of the target. */
  readonly icmp?: {
    readonly type: number
    readonly code: number
    readonly reason?: FailureReason
    readonly says?: string
  }
  /** Next-hop MTU in bytes, if a packet was too big for it. */
  readonly mtu?: number
  /** MPLS labels with which packets arrive there, outermost first. */
  readonly labels?: readonly MplsLabel[]
}

/** Returns the hops of each flow up to its end, or up to the last that was asked. */
export function flowsOf({ packets, flows, bottlenecks }: Traced, endpoint: Endpoint): readonly TraceFlow[] {
  return flows.map(({ sourcePort, end }, flow) => {
    const own = packets.filter((packet) => packet.flow === flow)
    const hops = groupBy(own, ({ hop }) => String(hop))
      .map((asked) => hopOf(asked, endpoint))
      .toSorted((one, other) => one.hop - other.hop)
    return {
      flow: flow + 1,
      ...(sourcePort === undefined ? {} : { sourcePort }),
      isReached: end?.isTarget === true,
      hops: hops.map((hop, index) => withVerdict(withMtu(hop, bottlenecks), hops.slice(index + 1))),
    }
  })
}

type Answer = NonNullable<HopPacket['answer']>

function hopOf(packets: readonly HopPacket[], endpoint: Endpoint): TraceHop {
  const answers = packets.flatMap(({ answer }) => (answer === undefined ? [] : [answer]))
  return {
    hop: packets[0]?.hop ?? 0,
    sent: packets.length,
    returned: answers.length,
    lossRatio: 1 - answers.length / packets.length,
    from: groupBy(answers, ({ reply }) => reply.from).map((all) => answersOf(all, endpoint)),
  }
}

function answersOf(answers: readonly Answer[], endpoint: Endpoint): HopAnswers {
  const address = answers[0]?.reply.from ?? ''
  const reply = answers.find(({ reply: { labels = [] } }) => labels.length > 0)?.reply ?? answers[0]?.reply
  return {
    address,
    isTarget: splitZone(address).bare === splitZone(endpoint.address).bare,
    returned: answers.length,
    timesNs: answers.map(({ tookNs }) => tookNs),
    ...(reply?.icmp === undefined ? {} : { icmp: icmpOf(endpoint.family, reply.icmp) }),
    ...(reply?.labels === undefined || reply.labels.length === 0 ? {} : { labels: reply.labels }),
  }
}

function icmpOf(family: Family, { type, code }: { readonly type: number; readonly code: number }) {
  const meaning = icmpMeaningOf(family, { type, code })
  return { type, code, ...(meaning === undefined || meaning.reason === 'expired' ? {} : meaning) }
}

/** A router that answers as a hop forwards the packet of the next TTL, and reports that this one does not fit. */
function withMtu(hop: TraceHop, bottlenecks: readonly Bottleneck[]): TraceHop {
  const mtuOf = (address: string) => bottlenecks.find((each) => each.from === address && each.ttl > hop.hop)?.mtu
  const from = hop.from.map((answers) => {
    const mtu = mtuOf(answers.address)
    return mtu === undefined ? answers : { ...answers, mtu }
  })
  return { ...hop, from }
}

function withVerdict({ from, ...hop }: TraceHop, later: readonly TraceHop[]): TraceHop {
  if (hop.returned === hop.sent) return { ...hop, from }
  return { ...hop, forwards: later.some(({ lossRatio }) => lossRatio < hop.lossRatio), from }
}

/** Returns the last hop of any flow that answered. */
export function lastAnswered(
  flows: readonly TraceFlow[],
): { readonly hop: number; readonly address: string } | undefined {
  return flows
    .flatMap(({ hops }) => hops.flatMap(({ hop, from }) => from.map(({ address }) => ({ hop, address }))))
    .toSorted((one, other) => other.hop - one.hop)[0]
}

/** Returns an address that answers as several hops of a flow, with another one between them. */
export function loopIn(
  flows: readonly TraceFlow[],
): { readonly address: string; readonly hops: readonly number[] } | undefined {
  const answered = flows.flatMap(({ flow, hops }) =>
    hops.flatMap(({ hop, from }) => from.map(({ address }) => ({ flow, hop, address }))),
  )
  for (const places of groupBy(answered, ({ flow, address }) => `${flow} ${address}`)) {
    const [first] = places
    const again = places.find(({ hop }) => first !== undefined && hop > first.hop + 1)
    if (first !== undefined && again !== undefined) return { address: first.address, hops: [first.hop, again.hop] }
  }
  return undefined
}
