import type { Endpoint } from '../model/endpoint.ts'
import { FailureError } from '../model/failure.ts'
import { type Connection, openConnection } from '../net/tcp/connection.ts'
import { handshakeClocks } from '../net/tcp/tcp-info.ts'
import { kernelClocks } from '../time/clock.ts'
import type { Deadline } from '../time/deadline.ts'
import { ageOf, droppedFailure, type FlowAge, patienceMsOf } from './kept.ts'
import { endedBefore, type Received, type TcpAttempt, type TcpOptions } from './tcp-answer.ts'
import { Line, type Reply } from './tcp-line.ts'

interface KeptDetail extends Partial<FlowAge> {
  readonly sourcePort?: number
  readonly isResetAtOnce: boolean
  readonly answerBytes: number
}

/** Asks over the connection of the series, or over a new one if it has none. */
export async function askKept(attempt: TcpAttempt, options: TcpOptions): Promise<KeptDetail> {
  const { value: kept } = await attempt.session.hold('kept connection', () => new Kept())
  const turn = kept.turn()
  try {
    await Promise.race([turn.begins, endOf(attempt, { ...options, received: { bytes: Buffer.alloc(0) } })])
    const line = kept.to(attempt.endpoint)
    const context = { kept, options }
    return await (line === undefined ? askOverNew(attempt, context) : askOver(line, attempt, context))
  } catch (error) {
    // What is yet to come over it would be taken for the next answer. A flow that was dropped has been replaced.
    if (!(error instanceof FailureError && error.reason === 'flow-dropped')) kept.replace(undefined)
    throw error
  } finally {
    turn.end()
  }
}

/** The connection of a series, if it has one. */
class Kept {
  #line: Line | undefined
  #lastTurn: Promise<void> = Promise.resolve()
  #isClosed = false

  /** Takes a turn: attempts that overlap ask one after the other. */
  turn(): { readonly begins: Promise<void>; readonly end: () => void } {
    const begins = this.#lastTurn
    let end = () => {}
    this.#lastTurn = new Promise((resolve) => {
      end = resolve
    })
    return { begins, end }
  }

  /** Returns the connection to an endpoint, unless there is none or the other side has closed it. */
  to({ address }: Endpoint): Line | undefined {
    const line = this.#line
    return line?.isEnded === false && line.address === address ? line : undefined
  }

  replace(line: Line | undefined): void {
    if (this.#line !== line) this.#line?.close()
    this.#line = line
    if (this.#isClosed) line?.close()
  }

  close(): void {
    this.#isClosed = true
    this.#line?.close()
  }
}

interface Context {
  readonly kept: Kept
  readonly options: TcpOptions
}

/** Asks over a new connection, which becomes that of the series. */
async function askOverNew(attempt: TcpAttempt, { kept, options }: Context): Promise<KeptDetail> {
  const fresh = openLine(attempt, options)
  try {
    const answered = await fresh.answered
    kept.replace(answered.line)
    return detailOf(attempt, answered)
  } catch (error) {
    fresh.drop()
    throw error
  }
}

/** Asks over the connection of the series, and over a new one if that does not answer. */
async function askOver(line: Line, attempt: TcpAttempt, context: Context): Promise<KeptDetail> {
  const { kept, options } = context
  const { deadline, record, stopwatch } = attempt
  const age = ageOf(line)
  record({ detail: age })
  stopwatch.enter('answer')
  const received: Received = { bytes: Buffer.alloc(0) }
  const reply = line.ask(attempt, options, received)
  const ended = endOf(attempt, { ...options, received })
  const first = await Promise.race([reply, patience(deadline), ended])
  if (first?.kind === 'closed') return askOverNew(attempt, context)
  if (first?.kind === 'answered') return detailOf(attempt, { line, reply: first, age })
  const fresh = openLine(attempt, options)
  let isReplaced = false
  try {
    const late = first === undefined ? answeredOnly(reply) : fresh.answered
    const sooner = await Promise.race([fresh.answered, late, ended])
    if (!('line' in sooner)) return detailOf(attempt, { line, reply: sooner, age })
    const last = first ?? (await lastReply(line, { reply, deadline, ended }))
    if (last?.kind === 'answered') return detailOf(attempt, { line, reply: last, age })
    kept.replace(sooner.line)
    isReplaced = true
    if (last?.kind === 'closed') return detailOf(attempt, sooner)
    throw droppedFailure(age, {
      flow: `the connection to ${attempt.target.text}`,
      what: last === undefined ? 'no longer passes packets' : 'was reset when it was used again',
      code: last?.error.code,
    })
  } finally {
    if (!isReplaced) fresh.drop()
  }
}

/**
 * Returns the reply of an old connection while a new one works; undefined if it stays silent although the kernel sends to it again. Only the
 * native part tells.
 */
async function lastReply(
  line: Line,
  {
    reply,
    deadline,
    ended,
  }: { readonly reply: Promise<Reply>; readonly deadline: Deadline; readonly ended: Promise<never> },
): Promise<Reply | undefined> {
  const before = line.retransmits()
  try {
    return await Promise.race([reply, ended])
  } catch (error) {
    const after = line.retransmits()
    // Otherwise the other side has received it, and it is no matter of the path.
    const isTried = before !== undefined && after !== undefined && after > before
    if (isTried && deadline.reason?.reason === 'timeout') return undefined
    throw error
  }
}

interface Answered {
  readonly line: Line
  readonly reply: Extract<Reply, { readonly kind: 'answered' }>
  /** Absent if the attempt opened the connection. */
  readonly age?: FlowAge
}

/** Opens a connection and asks over it. `drop` closes it. */
function openLine(
  attempt: TcpAttempt,
  options: TcpOptions,
): { readonly answered: Promise<Answered>; readonly drop: () => void } {
  const { sockets, endpoint, stopwatch, target } = attempt
  const received: Received = { bytes: Buffer.alloc(0) }
  stopwatch.enter('connect')
  let connection: Connection | undefined
  const connected = new Promise<Line>((resolve, reject) => {
    const opened = openConnection(
      { sockets, endpoint },
      { isStamped: true, isUndelayed: true },
      {
        onConnected(outcome) {
          const { time } = outcome.handshake ?? {}
          if (time !== undefined) stopwatch.settle(time.tookNs, time.clocks)
          stopwatch.enter('answer')
          resolve(new Line(endpoint, { connection: opened, connected: outcome }))
        },
        onError: reject,
      },
    )
    connection = opened
  })
  const answered = connected.then(async (line) => {
    const reply = await line.ask(attempt, options, received)
    if (reply.kind === 'answered') return { line, reply }
    if (reply.kind === 'reset') throw reply.error
    throw new FailureError('bad-reply', `${target.text} closed the connection without an answer`)
  })
  return {
    answered: Promise.race([answered, endOf(attempt, { ...options, received })]),
    drop: () => connection?.close(),
  }
}

/** Settles only with an answer, or an error. */
function answeredOnly(reply: Promise<Reply>): Promise<Answered['reply']> {
  return new Promise((resolve, reject) => {
    reply.then((one) => {
      if (one.kind === 'answered') resolve(one)
    }, reject)
  })
}

/** Rejects when the attempt is over. */
function endOf(
  { deadline }: TcpAttempt,
  { received, expect }: { readonly received: Received; readonly expect: string },
): Promise<never> {
  return handled(
    new Promise<never>((_, reject) => {
      deadline.onOver((reason) => reject(endedBefore(reason, received, expect)))
    }),
  )
}

/** Resolves when an old connection has had its share of the time. */
function patience(deadline: Deadline): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, patienceMsOf(deadline), undefined).unref()
  })
}

/** Returns a promise that may reject after nobody waits for it any longer. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

/** Returns the detail, and replaces the times of this process with those of the kernel, where they are known. */
function detailOf({ stopwatch }: TcpAttempt, { line, reply, age }: Answered): KeptDetail {
  const { handshake = {}, sourcePort } = line.connected
  const { time, ...facts } = handshake
  const { sentNs, receivedNs } = reply.times ?? {}
  if (sentNs !== undefined && receivedNs !== undefined && receivedNs > sentNs) {
    const answer = receivedNs - sentNs
    if (age !== undefined) stopwatch.revise({ answer }, kernelClocks)
    else if (time !== undefined) stopwatch.revise({ connect: time.tookNs, answer }, handshakeClocks)
  }
  return {
    ...(sourcePort === undefined ? {} : { sourcePort }),
    isResetAtOnce: false,
    answerBytes: reply.answerBytes,
    ...(age ?? facts),
  }
}
