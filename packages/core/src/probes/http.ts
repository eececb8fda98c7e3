import type { Socket } from 'node:net'
import { z } from 'zod'
import { FailureError } from '../model/failure.ts'
import type { ConnectionObserver, LocalEnd } from '../net/tcp/connection-observer.ts'
import { exchangeHttp, type HttpRequest, type HttpResponse } from '../net/tcp/http-exchange.ts'
import { type Handshake, handshakeOf } from '../net/tcp/tcp-info.ts'
import { loadTls, type Secure } from '../net/tcp/tls.ts'
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
    const { target, endpoint, sockets, stopwatch } = attempt
    const observer = options.observe ? sockets.observer(endpoint.port ?? 80) : undefined
    const secure = target.url.protocol === 'https:' ? await loadTls() : undefined
    stopwatch.enter('connect')
    const connection = sockets.connect(endpoint)
    try {
      const { response, handshake, local } = await exchanged(attempt, { options, connection, secure })
      const { statusCode, bodyBytes, body } = response
      const observed = observer === undefined ? undefined : observedPhases(observer, attempt, local)
      if (observed !== undefined) stopwatch.revise(observed, kernelClocks)
      if (!isExpected(statusCode, options.status)) {
        attempt.record({ detail: { statusCode, bodyBytes, ...handshake } })
        throw new FailureError(
          'bad-status',
          `${target.url.href} answered with status ${statusCode}, expected ${options.status}`,
          {
            code: String(statusCode),
          },
        )
      }
      return {
        statusCode,
        bodyBytes,
        ...handshake,
        ...(observer === undefined ? {} : { isObserved: observed !== undefined }),
        ...(options.keepBytes > 0 ? { body: body.toString('utf8') } : {}),
      }
    } finally {
      connection.destroy()
    }
  },
})

type HttpAttempt = Attempt<HttpPhase, 'url'>

interface Means {
  readonly options: Omit<HttpRequest, 'url'> & { readonly verify: boolean; readonly observe: boolean }
  readonly connection: Socket
  /** Absent for plain HTTP. */
  readonly secure: Secure | undefined
}

interface Exchanged {
  readonly response: HttpResponse
  readonly handshake: { readonly synRetransmits?: number }
  /** Known if it is observed. */
  readonly local: LocalEnd | undefined
}

/** Makes the request as soon as the connection is ready. Enters the phases. */
function exchanged(attempt: HttpAttempt, { options, connection, secure }: Means): Promise<Exchanged> {
  const { deadline, stopwatch } = attempt
  const { url, host } = attempt.target
  return new Promise((resolve, reject) => {
    let stream = connection
    let response: HttpResponse | undefined
    let handshake: Exchanged['handshake'] = {}
    let local: LocalEnd | undefined
    let isAnswered = false

    const fail = (error: unknown) => {
      const { statusCode = 0, bodyBytes = 0 } = response ?? {}
      const detail = { ...(statusCode === 0 ? {} : { statusCode, bodyBytes }), ...handshake }
      if (Object.keys(detail).length > 0) attempt.record({ detail })
      stream.destroy()
      reject(error)
    }

    const request = () => {
      stopwatch.enter('write')
      const received = exchangeHttp(stream, { ...options, url, headers: lowerCased(options.headers) }, {
        // A server may answer before the request is complete, for example to reject a large body early. Phases must not go back.
        onSent: () => void (isAnswered || stopwatch.enter('server')),
        onAnswered() {
          isAnswered = true
          stopwatch.enter('transfer')
        },
        onEnd: () => resolve({ response: received, handshake, local }),
        onError: fail,
      })
      response = received
    }

    deadline.onOver((reason) => {
      // Closing the socket closes its descriptor, so read the handshake first.
      if (connection.connecting) handshake = retransmitsOf(handshakeOf(connection))
      fail(reason)
    })
    connection.on('error', fail)
    connection.once('connect', () => {
      const kernels = handshakeOf(connection)
      handshake = retransmitsOf(kernels)
      if (kernels?.time !== undefined) stopwatch.settle(kernels.time.tookNs, kernels.time.clocks)
      if (options.observe) local = localEndOf(connection)
      if (secure === undefined) return request()
      stopwatch.enter('tls')
      stream = secure(connection, { host, verifiesCertificate: options.verify }, { onSecure: request, onError: fail })
    })
    // Small segments would wait for the acknowledgement of the ones before (RFC 896).
    if (secure !== undefined || options.sendBytes > 0) connection.setNoDelay(true)
  })
}

function retransmitsOf({ synRetransmits }: Handshake = {}): Exchanged['handshake'] {
  return synRetransmits === undefined ? {} : { synRetransmits }
}

function localEndOf({ localAddress = '', localPort = 0 }: Socket): LocalEnd {
  return { localAddress, localPort }
}

/**
 * Returns the phases as seen on the wire. Undefined if packets are missing or out of order: the observer dropped some, or the answer came
 * before the request was complete. With TLS, only the TCP handshake can be observed, because a session ticket looks like the first byte
 * of an answer (RFC 8446 §4.6.1).
 */
function observedPhases(
  observer: ConnectionObserver,
  { endpoint: { address, port = 80 }, target }: HttpAttempt,
  local: LocalEnd | undefined,
): Readonly<Partial<Record<HttpPhase, number>>> | undefined {
  if (local === undefined) return undefined
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
