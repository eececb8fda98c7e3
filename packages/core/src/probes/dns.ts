import { once } from 'node:events'
import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import type { ExchangeKind } from '../net/sockets.ts'
import { handshakeOf } from '../net/tcp/tcp-info.ts'
import {
  type DnsAnswer,
  decodeDnsAnswer,
  dnsResponseId,
  encodeDnsQuestion,
  recordTypes,
  responseCodes,
  reverseName,
} from '../wire/dns.ts'
import { ask, nextFlow } from './packet.ts'
import { type Attempt, defineProbe } from './probe.ts'

/** Any ID works, because each connection carries only one query. */
const tcpId = 1

const questions: ExchangeKind = { protocol: 'dns', transport: 'udp', keyOf: dnsResponseId }

const advice: Readonly<Record<string, string>> = {
  NXDOMAIN: 'the name does not exist: check its spelling, namespace and top-level domain',
  SERVFAIL: 'the server failed to resolve it: check its log and its upstream servers',
  REFUSED: 'the server does not serve this client or zone: check its access lists',
}

type DnsAttempt = Attempt<'connect' | 'query', 'name@server'>

export const dns = defineProbe({
  protocol: 'dns',
  summary: 'send one query to one name server and time the answer',
  targetForm: 'name@server',
  needs: 'udp',
  phases: { connect: 'TCP handshake with the server (transport tcp only)', query: 'query sent to answer received' },
  options: z.object({
    type: z.enum(recordTypes).default('A').describe('record type; with PTR the name may be an address'),
    transport: z.enum(['udp', 'tcp']).default('udp').describe('UDP, or a new TCP connection'),
    recursion: z.boolean().default(true).describe('request recursion (flag RD)'),
    ednsBytes: z.int().min(0).max(65_535).default(1232).describe('largest accepted UDP answer (EDNS); 0 disables EDNS'),
    rcode: z.enum(responseCodes).default('NOERROR').describe('response code that counts as success'),
  }),
  async measure(attempt, { type, transport, recursion, ednsBytes, rcode }) {
    const name = type === 'PTR' ? reverseName(attempt.target.name) : attempt.target.name
    const encode = (id: number) => encodeDnsQuestion({ id, name, type, isRecursive: recursion, ednsBytes })
    const bytes = transport === 'udp' ? await askByUdp(attempt, encode) : await askByTcp(attempt, encode)
    const answer = decodeDnsAnswer(bytes)
    const server = attempt.endpoint.address
    if (answer === undefined)
      throw new FailureError('bad-reply', `${server} answered with ${bytes.length} bytes that are not a DNS message`)
    if (!isAbout(answer, name, type)) {
      throw new FailureError(
        'bad-reply',
        `${server} answered a different query than ${type} ${name}: a device on the path rewrites DNS`,
      )
    }
    if (answer.rcode !== rcode) {
      const hint = advice[answer.rcode]
      throw new FailureError(
        'bad-status',
        `${server} answered ${answer.rcode} to ${type} ${name}${hint === undefined ? '' : ` (${hint})`}`,
        {
          code: answer.rcode,
        },
      )
    }
    const { isTruncated, isAuthoritative, records } = answer
    return { rcode: answer.rcode, isTruncated, isAuthoritative, answerBytes: bytes.length, records }
  },
})

async function askByUdp(attempt: DnsAttempt, encode: (id: number) => Uint8Array): Promise<Uint8Array> {
  const exchange = attempt.sockets.exchange(questions, attempt.endpoint.family)
  const id = exchange.nextSequence() & 0xffff
  const flow = await nextFlow(attempt.session, 'dns flow', exchange)
  attempt.stopwatch.enter('query')
  const answer = await ask(attempt, exchange, {
    bytes: encode(id),
    key: id,
    to: attempt.endpoint,
    flow,
    read: (bytes) => bytes.slice(),
  })
  return answer.message
}

/** Sends one query over a new connection. Each message is prefixed with its length in two bytes (RFC 1035 §4.2.2). */
async function askByTcp(
  { endpoint, deadline, sockets, stopwatch }: DnsAttempt,
  encode: (id: number) => Uint8Array,
): Promise<Uint8Array> {
  const { signal } = deadline
  const { address } = endpoint
  stopwatch.enter('connect')
  const socket = sockets.connect(endpoint)
  try {
    await once(socket, 'connect', { signal })
    const time = handshakeOf(socket)?.time
    if (time !== undefined) stopwatch.settle(time.tookNs, time.clocks)
    stopwatch.enter('query')
    const question = encode(tcpId)
    const framed = Buffer.alloc(2 + question.length)
    framed.writeUInt16BE(question.length)
    framed.set(question, 2)
    socket.write(framed)
    let received = Buffer.alloc(0)
    signal.addEventListener('abort', () => socket.destroy(), { once: true })
    const chunks: AsyncIterable<Buffer> = socket
    for await (const chunk of chunks) {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) continue
      const answer = received.subarray(2, 2 + received.readUInt16BE(0))
      if (dnsResponseId(answer) === tcpId) return answer
      throw new FailureError('bad-reply', `${address} sent ${answer.length} bytes that do not answer the query`)
    }
    signal.throwIfAborted()
    throw new FailureError('bad-reply', `${address} closed the connection after ${received.length} bytes of an answer`)
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    socket.destroy()
  }
}

function isAbout(answer: DnsAnswer, name: string, type: string): boolean {
  // A server that cannot parse a query may omit the question from its answer (RFC 1035 §4.1.1, FORMERR).
  if (answer.question === undefined) return answer.rcode !== 'NOERROR'
  return answer.question.type === type && withoutDot(answer.question.name) === withoutDot(name)
}

function withoutDot(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}
