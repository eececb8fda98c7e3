import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { z } from 'zod'
import { FailureError, failureErrorOf } from '../model/failure.ts'
import type { Exchange } from '../net/packets/exchange.ts'
import type { ExchangeKind } from '../net/sockets.ts'
import { type Connection, openConnection } from '../net/tcp/connection.ts'
import {
  type DnsQuestion,
  dnsResponseId,
  encodeDnsQuestion,
  recordTypeNames,
  responseCodeNames,
  reverseName,
} from '../wire/dns.ts'
import { type DnsAnswer, type DnsMisfit, readDnsAnswer } from '../wire/dns-answer.ts'
import { FrameReader, framed } from '../wire/dns-frames.ts'
import { ask, nextFlow } from './packet.ts'
import { type Attempt, defineProbe } from './probe.ts'

const questions: ExchangeKind = { protocol: 'dns', transport: 'udp', keyOf: dnsResponseId }

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

type DnsAttempt = Attempt<'connect' | 'query' | 'retry', 'name@server'>

/** A well-formed answer and its size. */
interface Received {
  readonly answer: DnsAnswer
  readonly answerBytes: number
}

export const dns = defineProbe({
  protocol: 'dns',
  summary: 'send one query to one name server and time the answer',
  targetForm: 'name@server',
  needs: 'udp',
  phases: {
    query: 'query sent to answer received',
    connect: 'TCP handshake with the server',
    retry: 'query repeated over TCP to answer received',
  },
  options: z.object({
    type: z.enum(recordTypeNames).default('A').describe('record type; with PTR the name may be an address'),
    transport: z
      .enum(['udp', 'tcp'])
      .default('udp')
      .describe('UDP, with a retry over TCP if the answer is truncated, or a new TCP connection'),
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
    const { type, transport, recursion: isRecursive, ednsBytes, randomCase, rcode } = options
    const name = type === 'PTR' ? reverseName(attempt.target.name) : attempt.target.name
    const about = { name, type, isRecursive, ednsBytes }
    const server = attempt.endpoint.address
    const overUdp = transport === 'udp' ? await askByUdp(attempt, { ...about, hasRandomCase: randomCase }) : undefined
    const why = overUdp === undefined ? undefined : whyRetry(overUdp)
    const { answer, answerBytes } =
      typeof overUdp === 'object' && why === undefined ? overUdp : await askByTcp(attempt, about, why)
    const { isAuthoritative, records } = answer
    const detail = {
      rcode: answer.rcode,
      isAuthoritative,
      retriedOverTcp: why !== undefined,
      answerBytes,
      records: records.slice(0, mostListed),
      ...(records.length > mostListed ? { omittedRecords: records.length - mostListed } : {}),
    }
    attempt.record({ detail })
    if (answer.rcode !== rcode) throw wrongCode(answer, `${server} answered ${answer.rcode} to ${type} ${name}`)
    if (rcode === 'NOERROR' && options.requireAnswer && !answer.hasData) {
      const owner = answer.aliasOf === undefined ? name : `${answer.aliasOf}, which ${name} is an alias of,`
      throw new FailureError(
        'bad-status',
        `${server} answered ${type} ${name} with NODATA: ${owner} has no ${type} record; query another type, or set requireAnswer to false`,
        { code: 'NODATA' },
      )
    }
    const pattern = new RegExp(options.content, 'u')
    if (options.content !== '' && !records.some(({ data }) => pattern.test(data))) {
      throw new FailureError(
        'bad-reply',
        `none of the ${records.length} records that ${server} answered to ${type} ${name} matches ${options.content}`,
      )
    }
    return detail
  },
})

function wrongCode({ rcode, aliasOf }: DnsAnswer, sentence: string): FailureError {
  const hint =
    rcode === 'NXDOMAIN' && aliasOf !== undefined ? `it is an alias of ${aliasOf}, which does not exist` : advice[rcode]
  return new FailureError('bad-status', `${sentence}${hint === undefined ? '' : ` (${hint})`}`, { code: rcode })
}

type About = Omit<DnsQuestion, 'id' | 'hasRandomCase'>

/** Asks over UDP. Returns the misfit of an answer that is right except for the case of its letters, which only TCP can settle. */
async function askByUdp(
  attempt: DnsAttempt,
  about: About & Pick<DnsQuestion, 'hasRandomCase'>,
): Promise<Received | 'other-case'> {
  const exchange = attempt.sockets.exchange(questions, attempt.endpoint.family)
  const flow = await nextFlow(attempt.session, 'dns flow', exchange)
  // Only now, so that no other attempt takes it before it is sent.
  const id = unguessableId(exchange)
  const query = encodeDnsQuestion({ id, ...about })
  let ignored: DnsMisfit | undefined
  const read = (bytes: Uint8Array) => {
    const answer = readDnsAnswer(bytes, query, about.hasRandomCase)
    if (typeof answer === 'object') return { answer, answerBytes: bytes.length }
    if (answer === 'other-case') return answer
    // Anyone may have sent it, and the right answer may still arrive (RFC 5452 §9.1).
    ignored = answer
    return undefined
  }
  attempt.stopwatch.enter('query')
  try {
    const { message } = await ask(attempt, exchange, { bytes: query, key: id, to: attempt.endpoint, flow, read })
    return message
  } catch (error) {
    if (ignored === undefined || !(error instanceof FailureError) || error.reason !== 'timeout') throw error
    throw misfitFailure(ignored, attempt, about)
  }
}

/** Returns a random ID from a secure source (RFC 5452 §9.2). */
function unguessableId(exchange: Exchange): number {
  let id = randomInt(0x1_0000)
  // Most are free: an exchange remembers a few thousand. If it has none left, asking fails with a sentence about that.
  for (let tries = 0; tries < 100 && !exchange.isFree(id); tries++) id = randomInt(0x1_0000)
  return id
}

function misfitFailure(misfit: DnsMisfit, { endpoint }: DnsAttempt, { name, type }: About): FailureError {
  const query = `${type} ${name}`
  return new FailureError(
    'bad-reply',
    misfit === 'malformed'
      ? `${endpoint.address} answered ${query} with bytes that are not a DNS message, and with nothing else`
      : `${endpoint.address} answered a different query than ${query}, and not this one: a device on the path rewrites DNS`,
  )
}

function whyRetry(received: Received | 'other-case'): string | undefined {
  if (received === 'other-case') return 'in another letter case than it was asked in, as a forger would'
  return received.answer.isTruncated ? 'that the answer is too long for UDP (TC)' : undefined
}

/** Asks over a new TCP connection. `retryOf` says why, if an answer over UDP needs it (RFC 7766 §5). */
async function askByTcp(attempt: DnsAttempt, about: About, retryOf: string | undefined): Promise<Received> {
  const { stopwatch, endpoint } = attempt
  const { signal } = attempt.deadline
  stopwatch.enter('connect')
  try {
    const connection = await connected(attempt)
    try {
      stopwatch.enter(retryOf === undefined ? 'query' : 'retry')
      return await askOver(connection.socket(), attempt, about)
    } finally {
      connection.close()
    }
  } catch (thrown) {
    const error: unknown = signal.aborted ? signal.reason : thrown
    if (retryOf === undefined) throw error
    const { reason, message, code } = failureErrorOf(error, 'connecting')
    const sentence = `${endpoint.address} answered ${retryOf}, and the retry over TCP failed: ${message}`
    throw new FailureError(reason, sentence, { cause: error, code })
  }
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

async function askOver(socket: Socket, attempt: DnsAttempt, about: About): Promise<Received> {
  const { signal } = attempt.deadline
  const { address } = attempt.endpoint
  const query = encodeDnsQuestion({ id: randomInt(0x1_0000), ...about, hasRandomCase: false })
  socket.write(framed(query))
  signal.addEventListener('abort', () => socket.destroy(), { once: true })
  const reader = new FrameReader()
  const chunks: AsyncIterable<Buffer> = socket
  for await (const chunk of chunks) {
    const { message } = reader.take(chunk)
    if (message === undefined) continue
    const answer = readDnsAnswer(message, query, false)
    if (typeof answer === 'string') throw misfitFailure(answer, attempt, about)
    if (!answer.isTruncated) return { answer, answerBytes: message.length }
    throw new FailureError('bad-reply', `${address} answered over TCP that the answer is truncated (TC)`)
  }
  signal.throwIfAborted()
  throw new FailureError(
    'bad-reply',
    `${address} closed the connection after ${reader.pendingBytes} bytes of an answer`,
  )
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u').source !== ''
  } catch {
    return false
  }
}
