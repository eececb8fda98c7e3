import { type Family, familyNames } from '../../model/endpoint.ts'
import { FailureError, failureErrorOf } from '../../model/failure.ts'
import { nowNs } from '../../time/clock.ts'
import type { EngineRecord } from '../native/engine-record.ts'
import { acquireEngine, type EngineThread, releaseEngine } from '../native/engine-thread.ts'
import { type Native, nativePart } from '../native/native.ts'
import { tcpReplyFilter } from '../native/socket-filter.ts'
import type { Stray } from './exchange.ts'
import { doubts, type Fate, icmpErrorOf, unsentCodes } from './fate.ts'
import { bufferBytes, nativeKinds, openPermitted, packetBytes } from './native-packet-socket.ts'
import { transports, udpPorts } from './providers.ts'
import type { Asked, Asker, PacketAnswer, Question, Timing } from './question.ts'

export interface NativeAskerOptions {
  /** Runs a function in the network namespace of the sockets. */
  readonly inside: <T>(open: () => T) => T
  readonly onStray: (format: Question['format'], stray: Stray) => void
}

interface Lane {
  readonly thread: EngineThread
  readonly number: number
  readonly flows: number
  close(): void
}

/** Bytes before the payload that an answer of this format arrives with. */
const headerBytes = { echo: 8, datagram: 0, syn: 20 } as const

const protocolNames = { echo: 'ICMP echo', datagram: 'UDP', syn: 'half-open TCP handshakes' } as const

/** Number of source ports of half-open handshakes: enough that everything sent from a port is answered before the port is reused. */
const reservedPorts = 64

/** Asks by the native packet engine. Opens sockets on first use. */
export function createNativeAsker({ inside, onStray }: NativeAskerOptions): Asker {
  const lanes = new Map<string, Lane>()
  /** Give up questions whose answers someone waits for. */
  const waiting = new Set<() => void>()
  let isClosed = false

  const laneFor = ({ format, to: { family } }: Question): Lane => {
    // A lane opened now would stay open.
    if (isClosed) throw new FailureError('cancelled', 'the prober was closed during this attempt')
    const id = `${format} ${family}`
    const known = lanes.get(id)
    if (known !== undefined && known.thread.ended === undefined) return known
    known?.close()
    lanes.delete(id)
    const part = nativePart()
    if (!part.isPresent) throw new TypeError('the native asker needs the native part')
    try {
      const lane = openLane(part.native, { format, family, inside, onStray })
      lanes.set(id, lane)
      return lane
    } catch (error) {
      // A shortage of descriptors, for example, may also affect the thread or the reserved ports.
      throw failureErrorOf(error, `opening sockets for ${protocolNames[format]} over ${familyNames[family]}`)
    }
  }

  const begin = (question: Question, { timeoutMs, flow, rounds }: Timing, onAsked: (asked: Asked) => void) => {
    const { thread, number } = laneFor(question)
    const { to, payloadBytes, key = '', send } = question
    const request = {
      lane: number,
      address: to.address,
      port: to.port ?? 0,
      payloadBytes,
      timeoutMs,
      flow,
      key: key === '' ? undefined : Buffer.from(key),
      send,
      rounds,
    }
    return thread.ask(request, {
      onRecord(record) {
        const { startedNs, endedNs, startedAtMs } = record
        onAsked({ fate: fateOf(record, question), startedNs, endedNs, startedAtMs })
      },
      onEnded() {
        const now = nowNs()
        onAsked({ fate: { kind: 'unsent', code: 'EIO' }, startedNs: now, endedNs: now, startedAtMs: Date.now() })
      },
    })
  }

  return {
    flows: (question) => laneFor(question).flows,
    begin,
    ask(question, { flow, deadline }) {
      if (deadline.reason !== undefined) return Promise.resolve({ kind: 'unsent', code: unsentCodes.isOver })
      const timeoutMs = Math.max(0, deadline.remainingNs() / 1e6)
      return new Promise((resolve) => {
        const stop = begin(question, { timeoutMs, flow }, ({ fate }) => {
          off()
          waiting.delete(giveUp)
          // A question that stayed unanswered has run into its deadline, whether or not the deadline's timer has fired.
          if (fate.kind === 'silent') deadline.end(deadline.timedOut())
          resolve(fate)
        })
        const giveUp = () => {
          stop()
          waiting.delete(giveUp)
          resolve({ kind: 'silent', mayBeOurs: false })
        }
        waiting.add(giveUp)
        // The engine decides a timeout, since an answer may have arrived and not been read.
        const off = deadline.onOver(({ reason }) => {
          if (reason !== 'timeout') giveUp()
        })
      })
    },
    close() {
      isClosed = true
      for (const giveUp of waiting) giveUp()
      for (const lane of lanes.values()) lane.close()
      lanes.clear()
    },
  }
}

function openLane(
  native: Native,
  { format, family, inside, onStray }: NativeAskerOptions & { readonly format: Question['format']; family: Family },
): Lane {
  const thread = acquireEngine(native)
  const opened: { release?: () => void } = {}
  try {
    const flows = format === 'datagram' ? udpPorts : 1
    const number = inside(() => {
      const reservation =
        format === 'syn' ? native.reservePorts(family, family === 'ipv4' ? '0.0.0.0' : '::', reservedPorts) : undefined
      if (reservation !== undefined) opened.release = reservation.release
      const ports = reservation?.ports
      const { kind: _, opened: lane } = openPermitted(nativeKinds[transports[format]][family], (kind) =>
        thread.openLane(
          {
            kind,
            format,
            sockets: flows,
            packetBytes,
            bufferBytes,
            ...(ports === undefined ? {} : { ports: bytesOf(ports), filter: tcpReplyFilter(family, ports) }),
          },
          (record) => onStray(format, strayOf(record, family)),
        ),
      )
      return lane
    })
    return {
      thread,
      number,
      flows,
      close() {
        thread.closeLane(number)
        opened.release?.()
        releaseEngine(thread)
      },
    }
  } catch (error) {
    opened.release?.()
    releaseEngine(thread)
    throw error
  }
}

function bytesOf(ports: readonly number[]): Uint8Array {
  return new Uint8Array(Uint16Array.from(ports).buffer)
}

function fateOf(record: EngineRecord, { format, to: { family } }: Question): Fate<PacketAnswer> {
  switch (record.kind) {
    case 'answered': {
      const { tookNs = 0, clocks, startedNs, sourcePort, ttl, trafficClass } = record
      return {
        kind: 'answered',
        message: {
          sequence: record.sequence,
          payloadBytes: record.length - headerBytes[format],
          isReset: record.has('reset'),
          ...(record.has('otherLength') ? { flaw: 'length' } : record.has('altered') ? { flaw: 'bytes' } : {}),
        },
        tookNs,
        clocks,
        atNs: startedNs + tookNs,
        sourcePort,
        ...(ttl === undefined ? {} : { ttl }),
        ...(trafficClass === undefined ? {} : { trafficClass }),
        copies: 1,
      }
    }
    case 'icmp': {
      const { icmp, info, address, tookNs = 0, clocks } = record
      return { kind: 'icmp', error: icmpErrorOf(family, { ...icmp, from: address, info }), tookNs, clocks }
    }
    case 'unsent':
      return { kind: 'unsent', code: record.code, ...(record.info > 0 ? { mtu: record.info } : {}) }
    default: {
      const { tookNs } = record
      const doubt = doubts.find((one) => record.has(one))
      return {
        kind: 'silent',
        mayBeOurs: record.has('mayBeOurs'),
        ...(tookNs === undefined ? {} : { lateNs: tookNs }),
        ...(doubt === undefined ? {} : { doubt }),
      }
    }
  }
}

function strayOf(record: EngineRecord, family: Family): Stray {
  const { strayKind: kind, address, port, tookNs } = record
  return { kind, from: { address, family, port }, ...(tookNs === undefined ? {} : { afterNs: tookNs }) }
}
