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
import type { SendingOptions } from './packet-socket.ts'
import { transports, udpPorts } from './providers.ts'
import type { Asked, Asker, PacketAnswer, Question, Reflected, Timing } from './question.ts'
import { createStampSession, type StampSession } from './stamp-session.ts'

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
const headerBytes = { echo: 8, stamp: 0, syn: 20 } as const

const protocolNames = { echo: 'ICMP echo', stamp: 'UDP', syn: 'half-open TCP handshakes' } as const

/** Number of source ports of half-open handshakes: enough that everything sent from a port is answered before the port is reused. */
const reservedPorts = 64

/** Asks by the native packet engine. Opens sockets on first use. */
export function createNativeAsker({ inside, onStray }: NativeAskerOptions): Asker {
  const lanes = new Map<string, Lane>()
  /** Give up questions whose answers someone waits for. */
  const waiting = new Set<() => void>()
  let isClosed = false

  const laneFor = ({ format, to: { family }, send = {} }: Question): Lane => {
    // A lane opened now would stay open.
    if (isClosed) throw new FailureError('cancelled', 'the prober was closed during this attempt')
    // DF is an option of the socket (IP_MTU_DISCOVER), so packets with another one need sockets of their own.
    const { mtuDiscovery } = send
    const id = `${format} ${family} ${mtuDiscovery ?? ''}`
    const known = lanes.get(id)
    if (known !== undefined && known.thread.ended === undefined) return known
    known?.close()
    lanes.delete(id)
    const part = nativePart()
    if (!part.isPresent) throw new TypeError('the native asker needs the native part')
    try {
      const lane = openLane(part.native, { format, family, mtuDiscovery, inside, onStray })
      lanes.set(id, lane)
      return lane
    } catch (error) {
      // A shortage of descriptors, for example, may also affect the thread or the reserved ports.
      throw failureErrorOf(error, `opening sockets for ${protocolNames[format]} over ${familyNames[family]}`)
    }
  }

  const begin = (
    question: Question,
    { timeoutMs, flow, rounds, ...timing }: Timing,
    onAsked: (asked: Asked) => void,
  ) => {
    const { thread, number } = laneFor(question)
    const { format, to, payloadBytes, key = '', send, isLight = false } = question
    const session = format === 'stamp' ? (timing.session ?? createStampSession()) : undefined
    const begun = session === undefined ? undefined : { ssid: session.ssid, sequence: session.nextSequence(), isLight }
    const request = {
      lane: number,
      address: to.address,
      port: to.port ?? 0,
      payloadBytes,
      timeoutMs,
      flow,
      key: key === '' ? undefined : Buffer.from(key),
      send,
      session: begun,
      rounds,
    }
    return thread.ask(request, {
      onRecord(record) {
        const { startedNs, endedNs, startedAtMs, answers, spanNs } = record
        const condensed = answers > 1 ? { attempts: answers, spanMs: spanNs / 1e6 } : undefined
        if (begun !== undefined && rounds === undefined && record.kind === 'unsent') session?.unsent(begun.sequence)
        onAsked({ fate: fateOf(record, question, session), startedNs, endedNs, startedAtMs, condensed })
      },
      // A session that ends with this question has no use for them.
      onCopy:
        rounds === undefined && timing.session === undefined
          ? undefined
          : ({ copy }) => copy !== undefined && session?.copied(copy.numbers),
      onLost: () => session?.interrupted(),
      onEnded() {
        const now = nowNs()
        onAsked({ fate: { kind: 'unsent', code: 'EIO' }, startedNs: now, endedNs: now, startedAtMs: Date.now() })
      },
    })
  }

  return {
    flows: (question) => laneFor(question).flows,
    begin,
    ask(question, { deadline, ...asking }) {
      if (deadline.reason !== undefined) return Promise.resolve({ kind: 'unsent', code: unsentCodes.isOver })
      const timeoutMs = Math.max(0, deadline.remainingNs() / 1e6)
      return new Promise((resolve) => {
        const stop = begin(question, { timeoutMs, ...asking }, ({ fate }) => {
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

interface LaneKind {
  readonly format: Question['format']
  readonly family: Family
  readonly mtuDiscovery: SendingOptions['mtuDiscovery']
}

function openLane(
  native: Native,
  { format, family, mtuDiscovery, inside, onStray }: NativeAskerOptions & LaneKind,
): Lane {
  const thread = acquireEngine(native)
  const opened: { release?: () => void } = {}
  try {
    const sockets = format === 'stamp' ? udpPorts : 1
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
            sockets,
            packetBytes,
            bufferBytes,
            ...(mtuDiscovery === undefined ? {} : { mtuDiscovery }),
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
      flows: format === 'syn' ? reservedPorts : sockets,
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

function fateOf(
  record: EngineRecord,
  { format, to: { family } }: Question,
  session: StampSession | undefined,
): Fate<PacketAnswer> {
  switch (record.kind) {
    case 'answered': {
      const isFlawed = record.has('otherLength') || record.has('altered')
      const { tookNs = 0, clocks, startedNs, sourcePort, ttl, trafficClass } = record
      return {
        kind: 'answered',
        message: {
          sequence: record.sequence,
          payloadBytes: record.length - headerBytes[format],
          isReset: record.has('reset'),
          ...(record.has('otherLength') ? { flaw: 'length' } : record.has('altered') ? { flaw: 'bytes' } : {}),
          ...(session === undefined || isFlawed ? {} : { reflected: reflectedOf(record, session) }),
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
      const { icmp, info, address, tookNs = 0, clocks, sourcePort } = record
      return { kind: 'icmp', error: icmpErrorOf(family, { ...icmp, from: address, info }), tookNs, clocks, sourcePort }
    }
    case 'unsent':
      return { kind: 'unsent', code: record.code, ...(record.info > 0 ? { mtu: record.info } : {}) }
    default: {
      const { tookNs, sourcePort } = record
      const doubt = doubts.find((one) => record.has(one))
      return {
        kind: 'silent',
        mayBeOurs: record.has('mayBeOurs'),
        ...(tookNs === undefined ? {} : { lateNs: tookNs }),
        ...(doubt === undefined ? {} : { doubt }),
        sourcePort,
      }
    }
  }
}

function reflectedOf(record: EngineRecord, session: StampSession): Reflected {
  const { stamp, answers, tookNs = 0, residenceNs, senderTtl, forthNs, utcErrorNs: errorNs } = record
  const seen = session.answered(stamp.sequence, stamp.reflected, answers)
  return {
    ...seen,
    ...(residenceNs === undefined ? {} : { residenceNs }),
    ...(senderTtl === undefined ? {} : { senderTtl }),
    ...(forthNs === undefined || errorNs === undefined
      ? {}
      : { oneWay: { forthNs, backNs: tookNs - forthNs, errorNs } }),
  }
}

function strayOf(record: EngineRecord, family: Family): Stray {
  const { strayKind: kind, address, port, tookNs } = record
  return { kind, from: { address, family, port }, ...(tookNs === undefined ? {} : { afterNs: tookNs }) }
}
