import { z } from 'zod'
import { dnsLabels } from '../model/dns-name.ts'
import { FailureError } from '../model/failure.ts'
import { searchesOn } from '../net/host/name-servers.ts'
import { candidatesFor, readResolvConf } from '../net/host/resolv-conf.ts'
import type { Fate } from '../net/packets/fate.ts'
import { type RecordType, recordTypeNames, responseCodeNames, reverseName } from '../wire/dns.ts'
import type { DnsAnswer } from '../wire/dns-answer.ts'
import { askByTcp } from './dns-over-tcp.ts'
import { askByUdp } from './dns-over-udp.ts'
import { codeOf, type DnsAttempt, type Manner, type Query, type QueryReport, type Received } from './dns-query.ts'
import { type FlowAge, keepOption } from './kept.ts'
import { defineProbe } from './probe.ts'

/** Records that a result lists; a message has room for thousands. */
const mostListed = 100

const advice: Readonly<Record<string, string>> = {
  NXDOMAIN: 'the name does not exist: check its spelling, namespace and top-level domain',
  SERVFAIL: 'the server failed to resolve it: check its log and its upstream servers',
  REFUSED: 'the server does not serve this client or zone: check its access lists',
  FORMERR: 'the server could not parse the query: if it is too old for EDNS, set ednsBytes to 0',
  NOTIMP: 'the server does not support this kind of query',
  NOTAUTH: 'the server is not authoritative for the zone',
  BADVERS: 'the server supports another version of EDNS only: set ednsBytes to 0',
  BADCOOKIE: 'the server requires DNS cookies, which this probe does not send',
}

export const dns = defineProbe({
  protocol: 'dns',
  summary: 'query one name server and time the answer',
  targetForm: 'name@server',
  needs: 'udp',
  phases: {
    query: 'query sent to answer received, the last of several',
    connect: 'TCP handshake with the server',
    retry: 'query repeated over TCP to answer received',
  },
  options: z.object({
    type: z.enum(recordTypeNames).default('A').describe('record type; with PTR the name may be an address'),
    transport: z
      .enum(['udp', 'tcp'])
      .default('udp')
      .describe('UDP, with a retry over TCP if the answer is truncated, or a new TCP connection'),
    requireTcp: z
      .boolean()
      .default(true)
      .describe('fail if the server refuses TCP, also if it has never answered over it'),
    parallel: z
      .boolean()
      .default(false)
      .describe(
        'query A and AAAA together from a new source port, as getaddrinfo does, and fail if one has no answer; replaces the type',
      ),
    search: z
      .boolean()
      .default(false)
      .describe(
        'query the names that the resolver of this host would, by search domains and ndots of /etc/resolv.conf, until one has a record',
      ),
    keep: keepOption('query from one socket in all attempts of a series, over UDP and not in parallel'),
    recursion: z.boolean().default(true).describe('request recursion (flag RD)'),
    ednsBytes: z.int().min(0).max(65_535).default(1232).describe('largest accepted UDP answer (EDNS); 0 disables EDNS'),
    randomCase: z
      .boolean()
      .default(true)
      .describe('write the name in random case over UDP, which a forged answer cannot repeat'),
    rcode: z.enum(responseCodeNames).default('NOERROR').describe('response code that counts as success'),
    requireAnswer: z
      .boolean()
      .default(true)
      .describe('fail if an answer with rcode NOERROR has no record of that type and name (NODATA)'),
    content: z
      .string()
      .refine(isPattern, 'write a regular expression of JavaScript')
      .default('')
      .describe('regular expression that the data of a record must match, such as ^10\\.96\\. (default: any)'),
  }),
  async measure(attempt, options) {
    const { target, endpoint } = attempt
    const { recursion: isRecursive, ednsBytes, randomCase, transport, requireTcp } = options
    const types: readonly RecordType[] = options.parallel ? ['A', 'AAAA'] : [options.type]
    const names = namesFor(target.name, options)
    const queries: QueryReport[] = []
    const fates: Fate<unknown>[] = []
    let age: Partial<FlowAge> = {}
    const onAge = (known: Partial<FlowAge>) => {
      age = known
    }
    const isKept = options.keep && !options.parallel
    const isListed = options.parallel || options.search
    const onReport = (report: QueryReport) => {
      queries.push(report)
      if (isListed) attempt.record({ detail: { queries } })
    }
    const answers = await searched(names, (name) =>
      askTogether(
        attempt,
        types.map((type) => ({ name, type, isRecursive, ednsBytes })),
        { transport, randomCase, requireTcp, isKept, fates, onReport, onAge },
      ),
    )
    const records = answers.flatMap(({ answer }) => answer.records)
    const detail = {
      rcode: rcodeOf(answers),
      isAuthoritative: answers.every(({ answer }) => answer.isAuthoritative),
      retriedOverTcp: answers.some(({ wasRetried }) => wasRetried),
      answerBytes: answers.reduce((sum, { answerBytes }) => sum + answerBytes, 0),
      records: records.slice(0, mostListed),
      ...(records.length > mostListed ? { omittedRecords: records.length - mostListed } : {}),
      ...(isListed ? { queries } : {}),
      ...age,
    }
    attempt.record({ detail })
    judge(answers, endpoint.address, options)
    return detail
  },
})

/** Returns the names to query for a target, in order. */
function namesFor(
  written: string,
  { type, parallel, search }: { readonly type: RecordType; readonly parallel: boolean; readonly search: boolean },
): readonly string[] {
  const name = type === 'PTR' && !parallel ? reverseName(written) : written
  if (!search || name !== written) return [name]
  // A search domain may make a name too long, which glibc skips, too.
  const names = candidatesFor(name, readResolvConf()).filter((candidate) => dnsLabels(candidate) !== undefined)
  return names.length === 0 ? [name] : names
}

/**
 * Asks for one name after the other until one has a record, as glibc does. Returns the answers about that name, or else about the first that
 * exists, or else about the last.
 */
async function searched(
  names: readonly string[],
  askFor: (name: string) => Promise<readonly Received[]>,
): Promise<readonly Received[]> {
  let withoutData: readonly Received[] | undefined
  let last: readonly Received[] = []
  for (const name of names) {
    last = await askFor(name)
    const codes = last.map(({ answer }) => codeOf(answer))
    if (codes.includes('NOERROR')) return last
    if (codes.includes('NODATA')) withoutData ??= last
    if (!codes.every((code) => searchesOn.has(code))) break
  }
  return withoutData ?? last
}

/** Sends queries together, in this order, and returns the answer to each. What UDP cannot settle is asked for again over TCP. */
async function askTogether(
  attempt: DnsAttempt,
  queries: readonly Query[],
  manner: Manner,
): Promise<readonly Received[]> {
  if (manner.transport === 'tcp') return askByTcp(attempt, queries, manner)
  const first = await askByUdp(attempt, queries, manner)
  const why = first.map(whyRetry).find((reason) => reason !== undefined)
  if (why === undefined) return first.flatMap((received) => (typeof received === 'object' ? [received] : []))
  const open = queries.filter((_, index) => whyRetry(first[index]) !== undefined)
  const again = await askByTcp(attempt, open, { retryOf: why })
  return queries.flatMap(
    (query, index) => again.find((received) => received.query === query) ?? completeOf(first[index]),
  )
}

type First = Received | 'other-case' | undefined

function completeOf(first: First): readonly Received[] {
  return typeof first === 'object' ? [first] : []
}

function whyRetry(first: First): string | undefined {
  if (first === 'other-case') return 'in another letter case than it was asked in, as a forger would'
  return first?.answer.isTruncated === true ? 'that the answer is too long for UDP (TC)' : undefined
}

/** Returns the response code that the first answer without success has. */
function rcodeOf(answers: readonly Received[]): string {
  return answers.find(({ answer }) => answer.rcode !== 'NOERROR')?.answer.rcode ?? 'NOERROR'
}

interface Expected {
  readonly rcode: string
  readonly requireAnswer: boolean
  readonly content: string
}

/** @throws {FailureError} if these answers are not what was expected */
function judge(answers: readonly Received[], server: string, { rcode, requireAnswer, content }: Expected): void {
  for (const { answer, query } of answers) {
    if (answer.rcode !== rcode)
      throw wrongCode(answer, `${server} answered ${answer.rcode} to ${query.type} ${query.name}`)
  }
  const [first] = answers
  const name = first?.query.name ?? ''
  const typesOf = (conjunction: string) => answers.map(({ query }) => query.type).join(conjunction)
  if (rcode === 'NOERROR' && requireAnswer && !answers.some(({ answer }) => answer.hasData)) {
    const aliasOf = first?.answer.aliasOf
    const owner = aliasOf === undefined ? name : `${aliasOf}, which ${name} is an alias of,`
    throw new FailureError(
      'bad-status',
      `${server} answered ${typesOf(' and ')} ${name} with NODATA: ${owner} has no ${typesOf(' or ')} record; query another type, or set requireAnswer to false`,
      { code: 'NODATA' },
    )
  }
  const pattern = new RegExp(content, 'u')
  const records = answers.flatMap(({ answer }) => answer.records)
  if (content !== '' && !records.some(({ data }) => pattern.test(data))) {
    throw new FailureError(
      'bad-reply',
      `none of the ${records.length} records that ${server} answered to ${typesOf(' and ')} ${name} matches ${content}`,
    )
  }
}

function wrongCode({ rcode, aliasOf }: DnsAnswer, sentence: string): FailureError {
  const hint =
    rcode === 'NXDOMAIN' && aliasOf !== undefined ? `it is an alias of ${aliasOf}, which does not exist` : advice[rcode]
  return new FailureError('bad-status', `${sentence}${hint === undefined ? '' : ` (${hint})`}`, { code: rcode })
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u').source !== ''
  } catch {
    return false
  }
}
