import { Client, type Dispatcher, errors } from 'undici'
import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import type { ConnectionObserver, LocalEnd } from '../net/tcp/connection-observer.ts'
import { createConnector, type HttpMilestones, tlsFailureOf } from '../net/tcp/http-connection.ts'
import { kernelClocks } from '../time/clock.ts'
import { type Attempt, defineProbe } from './probe.ts'

type HttpPhase = 'connect' | 'tls' | 'write' | 'server' | 'transfer'

const ownHeaders = ['connection', 'content-length', 'expect', 'keep-alive', 'transfer-encoding', 'upgrade']

const headers = z
  .record(z.string(), z.string().meta({ writeOnly: true }))
  .refine(
    (fields) => Object.entries(fields).every(([name, value]) => isFieldName(name) && /^[\t -~\x80-\xff]*$/.test(value)),
    `use letters, digits and - in names and one line per value; the probe itself sets ${ownHeaders.join(', ')}`,
  )

export const http = defineProbe({
  protocol: 'http',
  summary: 'make one HTTP request over a new connection and time each phase',
  targetForm: 'url',
  needs: 'connection',
  runsAlone: true,
  phases: {
    connect: 'SYN sent to SYN-ACK received',
    tls: 'TLS handshake (https only)',
    write: 'connection ready to last byte of the request passed to the kernel',
    server: 'request written to first byte of the response',
    transfer: 'first to last byte of the response',
  } satisfies Record<HttpPhase, string>,
  options: z.object({
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']).default('GET').describe('request method'),
    headers: headers.default({}).describe('request headers'),
    status: z
      .string()
      .regex(/^\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*$/, 'write status codes as 200, 200-399 or 200,404')
      .default('200-399')
      .describe('status codes that count as success; redirects are not followed'),
    sendBytes: z
      .int()
      .min(0)
      .max(64 << 20)
      .default(0)
      .describe('size of the request body'),
    keepBytes: z
      .int()
      .min(0)
      .max(65_536)
      .default(0)
      .describe('number of bytes of the response body to keep in the result'),
    observe: z
      .boolean()
      .default(false)
      .describe('measure the phases with a packet observer (with https: only connect); needs CAP_NET_RAW'),
    verify: z.boolean().default(true).describe('verify the server certificate'),
  }),
  async measure(attempt, options) {
    const { url, host } = attempt.target
    const { deadline } = attempt
    let broken: Error | undefined
    let synRetransmits: number | undefined
    const received: Received = { statusCode: 0, bodyBytes: 0 }
    const detailSoFar = () => ({
      ...(received.statusCode === 0 ? {} : received),
      ...(synRetransmits === undefined ? {} : { synRetransmits }),
    })
    let local: LocalEnd = { localAddress: '', localPort: 0 }
    const observer = options.observe ? attempt.sockets.observer(attempt.endpoint.port ?? 80) : undefined
    const client = new Client(url.origin, {
      connect: createConnector({
        connect: () => attempt.sockets.connect(attempt.endpoint),
        secureHost: url.protocol === 'https:' ? host : undefined,
        verifyCertificate: options.verify,
        signal: deadline.signal,
        milestones: {
          ...milestonesOf(attempt),
          connected: (handshake, end) => {
            local = end
            synRetransmits = handshake?.synRetransmits
            if (handshake?.time !== undefined) attempt.stopwatch.settle(handshake.time.tookNs, handshake.time.clocks)
          },
          unconnected: (handshake) => {
            synRetransmits = handshake?.synRetransmits
          },
          // Keep the first error, which is the cause. undici adds its own, even when it just closes a finished socket.
          broken: (error) => {
            if (!(error instanceof errors.UndiciError)) broken ??= error
          },
        },
      }),
      // Disabled in favour of the attempt's deadline, because undici's timers are accurate only to half a second.
      headersTimeout: 0,
      bodyTimeout: 0,
      pipelining: 1,
    })
    deadline.onOver(() => void client.destroy(new Error('deadline or caller ended the attempt')))
    try {
      const body = await exchange(client, { url, received }, options)
      const { statusCode } = received
      // For a response without a length, undici treats a reset like a regular close.
      if (broken !== undefined) throw broken
      const observed = observer === undefined ? undefined : observedPhases(observer, attempt, local)
      if (observed !== undefined) attempt.stopwatch.revise(observed, kernelClocks)
      const detail = {
        ...received,
        ...(synRetransmits === undefined ? {} : { synRetransmits }),
        ...(observer === undefined ? {} : { isObserved: observed !== undefined }),
        ...(options.keepBytes > 0 ? { body: body.toString('utf8') } : {}),
      }
      if (!isExpected(statusCode, options.status)) {
        throw new FailureError(
          'bad-status',
          `${url.href} answered with status ${statusCode}, expected ${options.status}`,
          {
            code: String(statusCode),
          },
        )
      }
      return detail
    } catch (error) {
      const detail = detailSoFar()
      if (Object.keys(detail).length > 0) attempt.record({ detail })
      throw deadline.reason ?? failureOf(broken ?? error, url)
    } finally {
      if (!client.destroyed) await client.destroy()
    }
  },
})

/**
 * Returns the phases as seen on the wire. Undefined if packets are missing or out of order: the observer dropped some, or the answer came
 * before the request was complete. With TLS, only the TCP handshake can be observed, because a session ticket looks like the first byte
 * of an answer (RFC 8446 §4.6.1).
 */
function observedPhases(
  observer: ConnectionObserver,
  { endpoint: { address, port = 80 }, target }: Attempt<HttpPhase, 'url'>,
  local: LocalEnd,
): Readonly<Partial<Record<HttpPhase, number>>> | undefined {
  const times = observer.take({ ...local, remoteAddress: address, remotePort: port })
  if (times?.synAtNs === undefined || times.synAckAtNs === undefined) return undefined
  const { synAtNs, synAckAtNs, sentAtNs, answeredAtNs, receivedAtNs } = times
  const connect = { connect: synAckAtNs - synAtNs }
  if (target.url.protocol === 'https:') return connect
  if (sentAtNs === undefined || answeredAtNs === undefined || receivedAtNs === undefined) return undefined
  return {
    ...connect,
    write: sentAtNs - synAckAtNs,
    server: answeredAtNs - sentAtNs,
    transfer: receivedAtNs - answeredAtNs,
  }
}

function milestonesOf({ stopwatch }: Attempt<HttpPhase>): Omit<HttpMilestones, 'broken' | 'connected' | 'unconnected'> {
  // A server may answer before the request is complete, for example to reject a large body early. Phases must not go back.
  let isAnswered = false
  return {
    connecting: () => stopwatch.enter('connect'),
    securing: () => stopwatch.enter('tls'),
    writing: () => stopwatch.enter('write'),
    waiting: () => {
      if (!isAnswered) stopwatch.enter('server')
    },
    transferring: () => {
      isAnswered = true
      stopwatch.enter('transfer')
    },
  }
}

/** The response so far, which a failure reports, too. `statusCode` is 0 until the response head arrives. */
interface Received {
  statusCode: number
  bodyBytes: number
}

interface ExchangeOptions {
  readonly method: Dispatcher.HttpMethod
  readonly headers: Readonly<Record<string, string>>
  readonly sendBytes: number
  readonly keepBytes: number
}

/** Makes the request and resolves to the first `keepBytes` of the response body. */
function exchange(
  client: Client,
  { url, received }: { readonly url: URL; readonly received: Received },
  { method, headers, sendBytes, keepBytes }: ExchangeOptions,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let body = Buffer.alloc(0)
    client.dispatch(
      {
        method,
        path: `${url.pathname}${url.search}`,
        headers: { 'user-agent': 'scout', ...lowerCased(headers) },
        body: sendBytes > 0 ? Buffer.alloc(sendBytes, 'scout ') : null,
        reset: true,
      },
      {
        onRequestStart() {},
        onResponseStart(_controller, status) {
          received.statusCode = status
        },
        onResponseData(_controller, chunk) {
          received.bodyBytes += chunk.length
          if (body.length < keepBytes) body = Buffer.concat([body, chunk]).subarray(0, keepBytes)
        },
        onResponseEnd() {
          resolve(body)
        },
        onResponseError(_controller, error) {
          reject(error)
        },
      },
    )
  })
}

/** Converts header names to lower case, so that each is sent once: names are case-insensitive (RFC 9110 §5.1). */
function lowerCased(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function isExpected(statusCode: number, ranges: string): boolean {
  return ranges.split(',').some((range) => {
    const [low = '', high = low] = range.split('-')
    return statusCode >= Number(low) && statusCode <= Number(high)
  })
}

// RFC 9110 §5.1 and §5.6.2.
function isFieldName(name: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) && !ownHeaders.includes(name.toLowerCase())
}

const endedEarly: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'])

/** Maps undici's own errors to failures: a peer that closes early, and answers that are not HTTP. */
function failureOf(error: unknown, url: URL): unknown {
  if (!(error instanceof Error) || error instanceof FailureError) return error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  // A server that requires a client certificate may reject the connection only after the handshake (RFC 8446 §4.4.2.4).
  if (code?.startsWith('ERR_SSL_')) return tlsFailureOf(error, url.hostname)
  const badReply = (what: string) => new FailureError('bad-reply', `${url.host} ${what}`, { cause: error, code })
  if (code !== undefined && endedEarly.has(code))
    return badReply('closed the connection before the response was complete')
  // The parser's errors have no code.
  if (error instanceof errors.HTTPParserError || error instanceof errors.UndiciError)
    return badReply(`sent a response that is not valid HTTP/1.1: ${error.message}`)
  return error
}
