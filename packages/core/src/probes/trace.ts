import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import { icmpFailure } from '../model/icmp.ts'
import { openChannel } from '../net/trace/channel.ts'
import { type TraceTransport, traceTransports } from '../net/trace/packet.ts'
import { type Traced, trace as traceWay } from '../net/trace/trace.ts'
import { type Clocks, userClocks } from '../time/clock.ts'
import { leastTracePayloadBytes } from '../wire/trace-packet.ts'
import { flowsOf, lastAnswered, loopIn, type TraceFlow } from './hops.ts'
import { type Attempt, defineProbe } from './probe.ts'

export interface TraceDetail {
  /** What its packets were. */
  readonly transport: TraceTransport
  /** Whether a packet of any flow arrived at the target. */
  readonly isReached: boolean
  readonly flows: readonly TraceFlow[]
}

/** Most packets of all flows to a hop, so that a trace stays small. */
const mostFlows = 64
const mostPayloadBytes = 8_952

export const trace = defineProbe({
  protocol: 'trace',
  summary: 'find the routers on the way to a target, with the loss, times and MTU of each',
  targetForm: 'host[:port]',
  needs: 'udp',
  yields: 'facts',
  phases: { trace: 'first packet sent to the last answer received or given up' },
  options: z.object({
    transport: z
      .enum(['any', ...traceTransports])
      .default('any')
      .describe(
        'packets to send; any is SYNs of TCP to a target with a port and ICMP echo requests to one without, or UDP if this process may send neither',
      ),
    flows: z
      .int()
      .min(1)
      .max(mostFlows)
      .default(1)
      .describe(
        'flows to trace side by side; each keeps its ports and checksum, so routers send all of its packets the same way',
      ),
    count: z.int().min(1).max(100).default(3).describe('packets of each flow to each hop'),
    intervalMs: z.number().min(1).max(60_000).default(100).describe('time between two packets of a flow to a hop'),
    maxHops: z.int().min(1).max(255).default(30).describe('largest TTL or hop limit'),
    waitMs: z.number().min(1).max(60_000).default(1_000).describe('time to wait for the answer of a hop'),
    payloadBytes: z
      .int()
      .min(leastTracePayloadBytes)
      .max(mostPayloadBytes)
      .optional()
      .describe(
        'bytes after the header of ICMP or UDP, not to be fragmented; where they do not fit, the MTU is reported and the trace goes on with as many as fit (default: as few as possible)',
      ),
  }),
  async measure(attempt, { transport, ...extent }): Promise<TraceDetail> {
    const { endpoint, deadline, sockets, stopwatch, record } = attempt
    const { flows } = extent
    stopwatch.enter('trace')
    const traced = await traceWay({
      to: endpoint,
      extent,
      deadline,
      open: (onReply) => sockets.inside(() => openChannel({ transport, to: endpoint, flows, onReply })),
    })
    const detail: TraceDetail = {
      transport: traced.transport,
      isReached: traced.flows.some(({ end }) => end?.isTarget === true),
      flows: flowsOf(traced, endpoint),
    }
    const { sent, returned } = traced
    record({ detail, packets: { sent, returned, duplicated: 0, reordered: 0, late: 0 } })
    if (!detail.isReached) throw failureOf(attempt, traced, detail)
    stopwatch.settle(Math.min(deadline.elapsedNs(), deadline.timeoutNs), clocksOfAll(traced))
    return detail
  },
})

function failureOf({ endpoint }: Attempt<'trace'>, { flows, sent }: Traced, detail: TraceDetail): FailureError {
  const { address } = endpoint
  const icmp = flows.map(({ end }) => end?.reply).find((reply) => reply?.icmp !== undefined)
  if (icmp?.icmp !== undefined) return icmpFailure({ ...icmp.icmp, from: icmp.from }, endpoint)
  const loop = loopIn(detail.flows)
  if (loop !== undefined) {
    return new FailureError(
      'expired',
      `packets for ${address} come back to ${loop.address}, which answers as hops ${loop.hops.join(' and ')}: look for a routing loop`,
    )
  }
  const last = lastAnswered(detail.flows)
  const where =
    last === undefined
      ? 'no router on the way answered either'
      : `the last hop that answered is ${last.hop}, ${last.address}`
  const advice =
    detail.transport === 'udp'
      ? '; a service may receive datagrams without an answer, so trace with another transport or to a port where nothing listens'
      : ''
  return new FailureError(
    'timeout',
    `no answer from ${address} to ${sent} packets over ${detail.transport}; ${where}${advice}`,
  )
}

/** Returns the least exact clock of all answers. */
function clocksOfAll({ packets }: Traced): Clocks {
  const all = packets.flatMap(({ answer }) => (answer === undefined ? [] : [answer.clocks]))
  return all.find(({ tx, rx }) => tx === 'user' || rx === 'user') ?? all[0] ?? userClocks
}
