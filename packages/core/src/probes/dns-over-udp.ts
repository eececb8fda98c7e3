import { randomInt } from 'node:crypto'
import { FailureError } from '../model/failure.ts'
import type { Exchange } from '../net/packets/exchange.ts'
import { type Answered, answerOf, type Fate, packetsOf, type Shot } from '../net/packets/fate.ts'
import type { ExchangeKind } from '../net/sockets.ts'
import { formatDurationNs } from '../time/duration.ts'
import { dnsResponseId, encodeDnsQuestion } from '../wire/dns.ts'
import { type DnsMisfit, readDnsAnswer } from '../wire/dns-answer.ts'
import {
  codeOf,
  type DnsAttempt,
  type Manner,
  misfitFailure,
  type Query,
  type QueryReport,
  type Received,
} from './dns-query.ts'
import { askOverKept } from './kept.ts'
import { nextFlow } from './packet.ts'

const questions: ExchangeKind = { protocol: 'dns', transport: 'udp', keyOf: dnsResponseId }

/**
 * Asks over UDP. Several queries leave from one source port that none used before, as those of getaddrinfo do: connection tracking may lose one
 * of two packets of a flow that it does not know yet. Returns the misfit of an answer that is right except for the case of its letters, which
 * only TCP can settle.
 */
export async function askByUdp(
  attempt: DnsAttempt,
  queries: readonly Query[],
  manner: Manner,
): Promise<readonly (Received | 'other-case')[]> {
  const { sockets, endpoint } = attempt
  if (queries.length > 1) {
    const exchange = sockets.exchangeAlone(questions, endpoint.family)
    try {
      return await askFrom(attempt, { exchange, flow: 0 }, { queries, manner })
    } finally {
      exchange.close()
    }
  }
  if (manner.isKept) {
    const { answer, age } = await askOverKept(attempt, {
      open: () => sockets.exchangeAlone(questions, endpoint.family),
      ask: (exchange, deadline) => askFrom({ ...attempt, deadline }, { exchange, flow: 0 }, { queries, manner }),
    })
    manner.onAge(age)
    return answer
  }
  const exchange = sockets.exchange(questions, endpoint.family)
  const flow = await nextFlow(attempt.session, 'dns flow', exchange)
  return askFrom(attempt, { exchange, flow }, { queries, manner })
}

interface Port {
  readonly exchange: Exchange
  readonly flow: number
}

interface Asked {
  readonly queries: readonly Query[]
  readonly manner: Manner
}

async function askFrom(attempt: DnsAttempt, { exchange, flow }: Port, { queries, manner }: Asked) {
  const { endpoint, deadline, stopwatch } = attempt
  const hasRandomCase = manner.randomCase
  const ignored = new Map<Query, DnsMisfit>()
  // Only now, so that no other attempt takes them before they are sent.
  const ids = unguessableIds(exchange, queries.length)
  const shots = queries.map((query, index): Shot<Received | 'other-case'> => {
    const id = ids[index] ?? 0
    const bytes = encodeDnsQuestion({ id, ...query, hasRandomCase })
    const read = (reply: Uint8Array) => {
      const answer = readDnsAnswer(reply, bytes, hasRandomCase)
      if (typeof answer === 'object') return { query, answer, answerBytes: reply.length, wasRetried: false }
      if (answer === 'other-case') return answer
      // Anyone may have sent it, and the right answer may still arrive (RFC 5452 §9.1).
      ignored.set(query, answer)
      return undefined
    }
    return { bytes, key: id, to: endpoint, flow, read }
  })
  stopwatch.enter('query')
  const fates = await exchange.volley(shots, deadline)
  manner.fates.push(...fates)
  // A name server may answer in any order.
  attempt.record({ packets: { ...packetsOf(manner.fates), reordered: 0 } })
  for (const [index, query] of queries.entries()) manner.onReport(reportOf(query, fates[index]))
  const answered = fates.filter((fate) => fate.kind === 'answered')
  const slowest = answered.toSorted((a, b) => b.tookNs - a.tookNs)[0]
  if (slowest === undefined || answered.length < queries.length) throw lossOf({ attempt, queries, fates, ignored })
  stopwatch.settle(slowest.tookNs, slowest.clocks)
  return answered.map(({ message }) => message)
}

/** Returns different random IDs from a secure source (RFC 5452 §9.2). */
function unguessableIds(exchange: Exchange, count: number): readonly number[] {
  const ids = new Set<number>()
  // Most are free: an exchange remembers a few thousand. If it has none left, asking fails with a sentence about that.
  for (let tries = 0; ids.size < count; tries++) {
    const id = randomInt(0x1_0000)
    if (tries >= 100 || exchange.isFree(id)) ids.add(id)
  }
  return [...ids]
}

function reportOf({ type, name }: Query, fate: Fate<Received | 'other-case'> | undefined): QueryReport {
  if (fate?.kind !== 'answered') return { type, name }
  const { message, tookNs } = fate
  return { type, name, ...(message === 'other-case' ? {} : { rcode: codeOf(message.answer) }), tookNs }
}

interface Volleyed {
  readonly attempt: DnsAttempt
  readonly queries: readonly Query[]
  readonly fates: readonly Fate<Received | 'other-case'>[]
  readonly ignored: ReadonlyMap<Query, DnsMisfit>
}

const ordinals = ['first', 'second']

/** Returns the failure of the first query without an answer. If another one has an answer, it says which is lost. */
function lossOf({ attempt, queries, fates, ignored }: Volleyed): FailureError {
  const { endpoint } = attempt
  const index = fates.findIndex(({ kind }) => kind !== 'answered')
  const lost = queries[index]
  const error = errorOf(() => answerOf(fates[index], endpoint, attempt.deadline))
  const misfit = lost === undefined ? undefined : ignored.get(lost)
  if (lost !== undefined && misfit !== undefined && error.reason === 'timeout') {
    return misfitFailure(misfit, attempt, lost)
  }
  const other = fates.findIndex(({ kind }) => kind === 'answered')
  const fate = fates[other]
  if (lost === undefined || fate?.kind !== 'answered' || error.reason === 'cancelled') return error
  const { reason, message, code, icmp } = error
  return new FailureError(
    reason,
    `${endpoint.address} answered ${queries[other]?.type} ${lost.name} after ${formatDurationNs(fate.tookNs)}, but not ${lost.type}, sent ${ordinals[index]} from the same port: ${message}`,
    { cause: error, code: code ?? `LOST_${lost.type}`, ...(icmp === undefined ? {} : { icmp }) },
  )
}

function errorOf(act: () => Answered<unknown>): FailureError {
  try {
    act()
  } catch (error) {
    if (error instanceof FailureError) return error
    throw error
  }
  throw new TypeError('a query without an answer has a failure')
}
