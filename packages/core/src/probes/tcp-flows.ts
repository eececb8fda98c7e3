import { failureErrorOf } from '../model/failure.ts'
import { type Connected, type Connection, openConnection } from '../net/tcp/connection.ts'
import type { Handshake } from '../net/tcp/tcp-info.ts'
import { type Clocks, nowNs, userClocks } from '../time/clock.ts'
import { type Flow, flowsFailure, type SeenFlows } from './flows.ts'
import { isResetAfterHandshake, type TcpAttempt } from './tcp-answer.ts'

interface FlowsDetail extends SeenFlows, Omit<Handshake, 'time'> {
  readonly sourcePort?: number
  readonly isResetAtOnce: boolean
}

/** What became of one connection. */
type Outcome = (Opened | Failed) & {
  readonly flow: Flow
  readonly synRetransmits: number
}

interface Opened {
  readonly isOpened: true
  readonly tookNs: number
  readonly clocks: Clocks
  readonly segmentBytes: number | undefined
  readonly isResetAtOnce: boolean
}

interface Failed {
  readonly isOpened: false
  readonly error: unknown
}

/**
 * Opens so many connections at once, and closes each when its handshake is over. Returns the detail of the median one.
 * @throws {FailureError} if one fails; of several it names the source ports of those that do, and how many fail for which reason
 */
export async function openFlows(attempt: TcpAttempt, count: number): Promise<FlowsDetail> {
  const { record, stopwatch, target } = attempt
  stopwatch.enter('connect')
  const outcomes = await Promise.all(Array.from({ length: count }, () => openOne(attempt)))
  const synRetransmits = outcomes.reduce((sum, outcome) => sum + outcome.synRetransmits, 0)
  const seen = { flows: outcomes.map(({ flow }) => flow), ...(synRetransmits === 0 ? {} : { synRetransmits }) }
  record({ detail: seen })
  const failing = outcomes.filter((outcome) => !outcome.isOpened)
  if (failing.length > 0) {
    const tried = `connecting to ${target.text}`
    throw flowsFailure(
      failing.map(({ flow, error }) => ({ flow, failure: failureErrorOf(error, tried) })),
      count,
    )
  }
  const opened = outcomes.filter((outcome) => outcome.isOpened).toSorted((a, b) => a.tookNs - b.tookNs)
  const median = opened[opened.length >> 1]
  if (median === undefined) throw new TypeError('an attempt has a connection for each flow')
  const { flow, segmentBytes, tookNs, clocks } = median
  stopwatch.settle(tookNs, clocks)
  return {
    ...(flow.sourcePort === undefined ? {} : { sourcePort: flow.sourcePort }),
    isResetAtOnce: opened.some(({ isResetAtOnce }) => isResetAtOnce),
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
    ...seen,
  }
}

function openOne({ sockets, endpoint, deadline }: TcpAttempt): Promise<Outcome> {
  const startedNs = nowNs()
  return new Promise((resolve) => {
    let connection: Connection | undefined
    let off = () => {}
    const end = (outcome: Outcome) => {
      off()
      connection?.close()
      resolve(outcome)
    }
    const fail = (error: unknown, sourcePort?: number, { synRetransmits = 0 }: Handshake = {}) =>
      end({ isOpened: false, error, flow: flowOf(sourcePort), synRetransmits })
    const succeed = ({ handshake, sourcePort }: Partial<Connected>, isResetAtOnce: boolean) => {
      const { synRetransmits = 0, segmentBytes, time } = handshake ?? {}
      const { tookNs, clocks } = time ?? { tookNs: nowNs() - startedNs, clocks: userClocks }
      const flow = { ...flowOf(sourcePort), rttNs: tookNs }
      end({ isOpened: true, flow, synRetransmits, tookNs, clocks, segmentBytes, isResetAtOnce })
    }
    try {
      connection = openConnection(
        { sockets, endpoint },
        { isStamped: false, isUndelayed: false },
        {
          onConnected: (connected) => succeed(connected, false),
          onError(error, connected = { handshake: undefined, sourcePort: undefined, sourceAddress: undefined }) {
            if (isResetAfterHandshake(error)) succeed(connected, true)
            else fail(error, connected.sourcePort, connected.handshake)
          },
        },
      )
    } catch (error) {
      return fail(error)
    }
    off = deadline.onOver((reason) => fail(reason, connection?.sourcePort(), connection?.handshake()))
  })
}

function flowOf(sourcePort: number | undefined): Flow {
  return sourcePort === undefined ? {} : { sourcePort }
}
