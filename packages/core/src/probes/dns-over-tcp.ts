import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { FailureError, failureErrorOf } from '../model/failure.ts'
import { type Connection, openConnection } from '../net/tcp/connection.ts'
import { nowNs } from '../time/clock.ts'
import { dnsResponseId, encodeDnsQuestion } from '../wire/dns.ts'
import { readDnsAnswer } from '../wire/dns-answer.ts'
import { FrameReader, framed } from '../wire/dns-frames.ts'
import { codeOf, type DnsAttempt, type Manner, misfitFailure, type Query, type Received } from './dns-query.ts'

/** A retry says why an answer over UDP needs it (RFC 7766 §5). */
type Occasion = Pick<Manner, 'onReport' | 'requireTcp'> | { readonly retryOf: string }

/** Asks over a new TCP connection. */
export async function askByTcp(
  attempt: DnsAttempt,
  queries: readonly Query[],
  occasion: Occasion,
): Promise<readonly Received[]> {
  const { stopwatch, endpoint, session } = attempt
  const { signal } = attempt.deadline
  const retryOf = 'retryOf' in occasion ? occasion.retryOf : undefined
  const { value: server } = await session.hold('dns over tcp', () => ({ hasAnswered: false, close() {} }))
  stopwatch.enter('connect')
  try {
    const connection = await connected(attempt)
    try {
      stopwatch.enter(retryOf === undefined ? 'query' : 'retry')
      const received = await askOver(connection.socket(), attempt, { queries, occasion })
      server.hasAnswered = true
      return received
    } finally {
      connection.close()
    }
  } catch (thrown) {
    const error: unknown = signal.aborted ? signal.reason : thrown
    const isOptional = 'requireTcp' in occasion && !occasion.requireTcp && !server.hasAnswered
    if (isOptional && failureErrorOf(error, 'connecting').reason === 'refused') throw lacksTcp(attempt, error)
    if (retryOf === undefined) throw error
    const { reason, message, code } = failureErrorOf(error, 'connecting')
    const sentence = `${endpoint.address} answered ${retryOf}, and the retry over TCP failed: ${message}`
    throw new FailureError(reason, sentence, { cause: error, code })
  }
}

function lacksTcp({ endpoint }: DnsAttempt, cause: unknown): FailureError {
  return new FailureError(
    'not-supported',
    `${endpoint.address} refuses DNS over TCP, and has not answered over it before: truncated answers cannot be completed (RFC 7766 requires TCP)`,
    { cause },
  )
}

/** Resolves when the handshake is complete. */
function connected({ sockets, endpoint, deadline, stopwatch }: DnsAttempt): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      connection.close()
      reject(error)
    }
    const connection = openConnection(
      { sockets, endpoint },
      { isStamped: false, isUndelayed: true },
      {
        onConnected({ handshake }) {
          if (handshake?.time !== undefined) stopwatch.settle(handshake.time.tookNs, handshake.time.clocks)
          resolve(connection)
        },
        onError: fail,
      },
    )
    deadline.onOver(fail)
  })
}

interface Pending {
  readonly query: Query
  readonly bytes: Uint8Array
}

async function askOver(
  socket: Socket,
  attempt: DnsAttempt,
  { queries, occasion }: { readonly queries: readonly Query[]; readonly occasion: Occasion },
): Promise<readonly Received[]> {
  const { signal } = attempt.deadline
  const { address } = attempt.endpoint
  const pending = new Map<number, Pending>()
  for (const query of queries) {
    let id = randomInt(0x1_0000)
    while (pending.has(id)) id = randomInt(0x1_0000)
    pending.set(id, { query, bytes: encodeDnsQuestion({ id, ...query, hasRandomCase: false }) })
  }
  const sentNs = nowNs()
  socket.write(Buffer.concat([...pending.values()].map(({ bytes }) => framed(bytes))))
  signal.addEventListener('abort', () => socket.destroy(), { once: true })
  const received: Received[] = []
  const reader = new FrameReader()
  const chunks: AsyncIterable<Buffer> = socket
  for await (const chunk of chunks) {
    for (const message of messagesIn(chunk, reader)) {
      const id = dnsResponseId(message) ?? -1
      const [first] = pending.values()
      const asked = pending.get(id) ?? first
      if (asked === undefined) break
      const { query, bytes } = asked
      const answer = readDnsAnswer(message, bytes, false)
      if (typeof answer === 'string') throw misfitFailure(answer, attempt, query)
      if (answer.isTruncated) {
        throw new FailureError('bad-reply', `${address} answered over TCP that the answer is truncated (TC)`)
      }
      pending.delete(id)
      received.push({ query, answer, answerBytes: message.length, wasRetried: 'retryOf' in occasion })
      if ('onReport' in occasion) {
        occasion.onReport({ type: query.type, name: query.name, rcode: codeOf(answer), tookNs: nowNs() - sentNs })
      }
    }
    if (pending.size === 0) return received
  }
  signal.throwIfAborted()
  throw new FailureError(
    'bad-reply',
    `${address} closed the connection after ${reader.pendingBytes} bytes of an answer`,
  )
}

function* messagesIn(chunk: Uint8Array, reader: FrameReader): Generator<Uint8Array> {
  for (let unread = chunk; unread.length > 0; ) {
    const { taken, message } = reader.take(unread)
    unread = unread.subarray(taken)
    if (message !== undefined) yield message
  }
}
