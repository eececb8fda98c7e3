import type { Endpoint } from '../../model/endpoint.ts'
import { isSystemError } from '../../model/failure.ts'
import { type Clocks, clocksOf, nowNs } from '../../time/clock.ts'
import type { Deadline } from '../../time/deadline.ts'
import type { Channel } from './channel.ts'
import type { Reply, TracePacket, TraceTransport } from './packet.ts'
import { type Bottleneck, createSchedule, type End, type TraceExtent } from './schedule.ts'

/** A packet to a hop, and its answer. */
export interface HopPacket {
  readonly flow: number
  /** Hop that it asked, from 1. */
  readonly hop: number
  readonly answer?: { readonly reply: Reply; readonly tookNs: number; readonly clocks: Clocks }
}

/** What a trace has learned. */
export interface Traced {
  readonly transport: TraceTransport
  /** Packets that asked a hop up to the end of their flow. */
  readonly packets: readonly HopPacket[]
  /** Each flow with its local port, which ICMP lacks, and with what ended its packets, if anything did. */
  readonly flows: readonly { readonly sourcePort: number | undefined; readonly end: End | undefined }[]
  readonly bottlenecks: readonly Bottleneck[]
  readonly sent: number
  readonly returned: number
}

export interface TraceRequest {
  readonly to: Endpoint
  readonly extent: TraceExtent
  readonly deadline: Deadline
  readonly open: (onReply: (packet: TracePacket, reply: Reply) => void) => Channel
}

/** When to try again after a full queue, as that of an interface that has just lost its link (ip(7), ENOBUFS). */
const retryMs = 50

/**
 * Traces the way to an endpoint until all is known, or until the deadline. Rejects with the reason of a deadline that was cancelled, and
 * with the system's error if the kernel refuses to send. Throws as `open` does.
 */
export function trace({ to, extent, deadline, open }: TraceRequest): Promise<Traced> {
  const schedule = createSchedule(extent, to)
  const packets: TracePacket[] = []
  let timer: NodeJS.Timeout | undefined
  let wake: NodeJS.Immediate | undefined
  let pump = () => {}
  let off = () => {}
  let full: Error | undefined
  const channel = open((packet, reply) => {
    schedule.replied(packet, reply, nowNs())
    // Once for all replies of a wake-up.
    wake ??= setImmediate(() => pump())
  })

  /** Sends what is due. Returns the error of a full queue of this host, which dropped a packet instead of sending it. */
  const sendDue = (): Error | undefined => {
    for (const shape of schedule.due(nowNs())) {
      try {
        const packet = channel.send(shape)
        packets.push(packet)
        schedule.sent(packet, nowNs())
      } catch (error) {
        if (isSystemError(error) && error.code === 'ENOBUFS') return error
        throw error
      }
    }
    return undefined
  }

  const known = (): Traced => {
    // The kernel's stamps of the packets that were sent last may still be unread.
    channel.drain()
    const now = nowNs()
    const settled = packets.filter((packet) => !schedule.isPending(packet, now))
    return {
      transport: channel.transport,
      packets: settled.flatMap((packet) => hopPacketOf(packet, schedule)),
      flows: Array.from({ length: extent.flows }, (_, flow) => ({
        sourcePort: channel.sourcePort(flow),
        end: schedule.endOf(flow),
      })),
      bottlenecks: schedule.bottlenecks,
      sent: packets.length,
      returned: packets.filter(({ reply }) => reply !== undefined).length,
    }
  }

  return new Promise<Traced>((resolve, reject) => {
    pump = () => {
      clearTimeout(timer)
      wake = undefined
      try {
        // Timers run before sockets are read: an answer that has arrived is not late.
        channel.drain()
        full = sendDue()
        const now = nowNs()
        if (full !== undefined) timer = setTimeout(pump, retryMs)
        else if (schedule.isOver(now)) resolve(known())
        else timer = setTimeout(pump, Math.ceil((schedule.nextNs(now) - now) / 1e6))
      } catch (error) {
        reject(error)
      }
    }
    off = deadline.onOver((reason) => {
      if (reason.reason === 'timeout' && packets.length === 0 && full !== undefined) reject(full)
      else if (reason.reason === 'timeout') resolve(known())
      else reject(reason)
    })
    pump()
  }).finally(() => {
    clearTimeout(timer)
    clearImmediate(wake)
    off()
    pump = () => {}
    channel.close()
  })
}

function hopPacketOf(packet: TracePacket, { hopOf, endOf }: ReturnType<typeof createSchedule>): readonly HopPacket[] {
  const { flow, reply, socket, ticket } = packet
  const hop = hopOf(packet)
  if (hop === undefined || hop > (endOf(flow)?.ttl ?? hop)) return []
  const departure = reply === undefined ? undefined : socket.departure(ticket)
  if (reply === undefined || departure === undefined) return [{ flow, hop }]
  const answer = { reply, tookNs: reply.atNs - departure.atNs, clocks: clocksOf(departure.clock, reply.clock) }
  return [{ flow, hop, answer }]
}
