import { FailureError } from '../model/failure.ts'
import type { Fate } from '../net/packets/fate.ts'
import type { DnsQuestion } from '../wire/dns.ts'
import type { DnsAnswer, DnsMisfit } from '../wire/dns-answer.ts'
import type { FlowAge } from './kept.ts'
import type { Attempt } from './probe.ts'

export type DnsAttempt = Attempt<'connect' | 'query' | 'retry', 'name@server'>

export type Query = Omit<DnsQuestion, 'id' | 'hasRandomCase'>

/** A well-formed answer to a query. */
export interface Received {
  readonly query: Query
  readonly answer: DnsAnswer
  readonly answerBytes: number
  readonly wasRetried: boolean
}

/** What became of one query. One without a response code has no answer. */
export interface QueryReport {
  readonly type: string
  readonly name: string
  readonly rcode?: string
  /** Time to its answer over the transport that it was first sent over. */
  readonly tookNs?: number
}

/** How to ask. */
export interface Manner {
  readonly transport: 'udp' | 'tcp'
  readonly randomCase: boolean
  readonly requireTcp: boolean
  /** Whether the attempts of the series share a socket, for a query over UDP that no other accompanies. */
  readonly isKept: boolean
  /** Receives the age of that socket. */
  readonly onAge: (age: Partial<FlowAge>) => void
  /** Fates of all packets of the attempt so far. */
  readonly fates: Fate<unknown>[]
  /** Receives what became of each query. */
  readonly onReport: (report: QueryReport) => void
}

/** Returns the response code of an answer, and NODATA for one that has neither an error nor a record of the type asked for. */
export function codeOf({ rcode, hasData, isTruncated }: DnsAnswer): string {
  return rcode === 'NOERROR' && !hasData && !isTruncated ? 'NODATA' : rcode
}

export function misfitFailure(misfit: DnsMisfit, { endpoint }: DnsAttempt, { name, type }: Query): FailureError {
  const query = `${type} ${name}`
  return new FailureError(
    'bad-reply',
    misfit === 'malformed'
      ? `${endpoint.address} answered ${query} with bytes that are not a DNS message, and with nothing else`
      : `${endpoint.address} answered a different query than ${query}, and not this one: a device on the path rewrites DNS`,
  )
}
