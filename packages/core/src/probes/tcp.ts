import { z } from 'zod'
import { type Connected, type Connection, openConnection } from '../net/tcp/connection.ts'
import { type Handshake, handshakeClocks } from '../net/tcp/tcp-info.ts'
import { bytesToSend, expectOption, mostExpectedBytes, sendOption } from './expectation.ts'
import { flowsOption, type SeenFlows } from './flows.ts'
import { type FlowAge, keepOption } from './kept.ts'
import { defineProbe } from './probe.ts'
import {
  answerListener,
  endedBefore,
  isResetAfterHandshake,
  type Received,
  type TcpAttempt,
  type TcpOptions,
  type TcpPhase,
} from './tcp-answer.ts'
import { openFlows } from './tcp-flows.ts'
import { askKept } from './tcp-kept.ts'

interface Outcome extends Connected {
  /** Whether the other side reset the connection before anything was exchanged. */
  readonly isResetAtOnce: boolean
  /** Size of the answer when it had what is expected. */
  readonly answerBytes?: number
}

export interface TcpDetail extends Partial<FlowAge>, SeenFlows, Omit<Handshake, 'time'> {
  readonly sourcePort?: number
  readonly isResetAtOnce: boolean
  readonly answerBytes?: number
}

export const tcp = defineProbe({
  protocol: 'tcp',
  summary: 'time a TCP handshake, and the answer of a service',
  targetForm: 'host:port',
  needs: 'handshake',
  phases: {
    connect: 'SYN sent to SYN-ACK received',
    answer: 'last byte sent (or connection ready) to expected answer received',
  } satisfies Record<TcpPhase, string>,
  options: z.object({
    send: sendOption.describe(
      String.raw`what to send once connected: text with \r, \n, \t, \0, \\ and \xHH, or hex:0d0a; an answer is then awaited`,
    ),
    expect: expectOption.describe(
      `what the first ${mostExpectedBytes} bytes of the answer must contain: as send, or a regular expression (/^220 /i)`,
    ),
    flows: flowsOption.describe(
      'connections to open at once, each from another source port, which the kernel chooses: an attempt succeeds if all open, and names the ports of those that do not; not used with send or expect',
    ),
    keep: keepOption('send over one connection in all attempts of a series, and only with send'),
  }),
  async measure(attempt, options): Promise<TcpDetail> {
    if (options.keep && options.send !== '') return askKept(attempt, options)
    if (options.flows > 1 && !isExchange(options)) return openFlows(attempt, options.flows)
    attempt.stopwatch.enter('connect')
    const { handshake = {}, sourcePort, isResetAtOnce, answerBytes } = await connected(attempt, options)
    const { time, ...facts } = handshake
    return {
      ...(sourcePort === undefined ? {} : { sourcePort }),
      isResetAtOnce,
      ...(answerBytes === undefined ? {} : { answerBytes }),
      ...facts,
    }
  },
})

function isExchange({ send, expect }: TcpOptions): boolean {
  return send !== '' || expect !== ''
}

/** Resolves when the handshake is complete, or the service has answered as expected. */
function connected(attempt: TcpAttempt, options: TcpOptions): Promise<Outcome> {
  const { sockets, endpoint, deadline, record, stopwatch } = attempt
  const exchanges = isExchange(options)
  const received: Received = { bytes: Buffer.alloc(0) }
  return new Promise((resolve, reject) => {
    let synRetransmits: number | undefined
    const fail = (error: unknown, handshake: Handshake = {}) => {
      synRetransmits ??= handshake.synRetransmits
      if (synRetransmits !== undefined) record({ detail: { synRetransmits } })
      connection.close()
      reject(error)
    }
    const succeed = (outcome: Outcome) => {
      connection.close()
      resolve(outcome)
    }
    const settle = ({ handshake }: Connected) => {
      if (handshake?.time !== undefined) stopwatch.settle(handshake.time.tookNs, handshake.time.clocks)
    }
    const connection = openConnection(
      { sockets, endpoint },
      { isStamped: exchanges, isUndelayed: exchanges },
      {
        onConnected(outcome) {
          settle(outcome)
          if (!exchanges) return succeed({ ...outcome, isResetAtOnce: false })
          synRetransmits = outcome.handshake?.synRetransmits
          stopwatch.enter('answer')
          answered(attempt, { connection, received }, options).then((answerBytes) => {
            timeAnswer(attempt, connection, outcome)
            succeed({ ...outcome, isResetAtOnce: false, answerBytes })
          }, fail)
        },
        onError(error, outcome = { handshake: undefined, sourcePort: undefined, sourceAddress: undefined }) {
          if (exchanges || !isResetAfterHandshake(error)) return fail(error, outcome.handshake)
          settle(outcome)
          succeed({ ...outcome, isResetAtOnce: true })
        },
      },
    )
    deadline.onOver((reason) => fail(endedBefore(reason, received, options.expect), connection.handshake()))
  })
}

/** Sends, and resolves to the size of the answer when it has what is expected. */
function answered(
  attempt: TcpAttempt,
  { connection, received }: { readonly connection: Connection; readonly received: Received },
  options: TcpOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const bytes = connection.exchange(answerListener(attempt, { ...options, received }, { resolve, reject }))
    // Also starts the reading, if there is nothing to send.
    bytes.write(bytesToSend(options.send), (error) => {
      if (error) reject(error)
      else if (options.send !== '') attempt.stopwatch.enter('answer')
    })
  })
}

/** Replaces the times of this process with those of the kernel, where they are known. */
function timeAnswer({ stopwatch }: TcpAttempt, connection: Connection, { handshake }: Connected): void {
  const { sentNs, receivedNs } = connection.times() ?? {}
  if (sentNs === undefined || receivedNs === undefined || receivedNs <= sentNs || handshake?.time === undefined) return
  stopwatch.revise({ connect: handshake.time.tookNs, answer: receivedNs - sentNs }, handshakeClocks)
}
