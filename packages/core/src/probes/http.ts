import type { Duplex } from 'node:stream'
import { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import { FailureError } from '../model/failure.ts'
import { type ConnectionListener, connectionOver, type ExchangeTimes, openConnection } from '../net/tcp/connection.ts'
import type { ConnectionName, LocalEnd } from '../net/tcp/connection-observer.ts'
import { exchangeHttp, type HttpRequest, type HttpResponse } from '../net/tcp/http-exchange.ts'
import { type HttpPhase, observedPhases, timedPhases } from '../net/tcp/http-phases.ts'
import { type Handshake, handshakeClocks } from '../net/tcp/tcp-info.ts'
import { loadTls, type Secure } from '../net/tcp/tls.ts'
import { kernelClocks } from '../time/clock.ts'
import { type Attempt, defineProbe } from './probe.ts'

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
    write: 'connection ready to last byte of the request sent',
    server: 'request sent to first byte of the response',
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
    const { response, handshake, local, times } = await exchanged(attempt, options, secure)
    const timed = timedPhases(handshake, times)
    if (timed !== undefined) stopwatch.revise(timed, handshakeClocks)
    const segments = local === undefined ? undefined : observer?.take({ ...local, ...remoteEndOf(endpoint) })
    const observed = observedPhases(segments, { isSecure: secure !== undefined })
    if (observed !== undefined) stopwatch.revise(observed, kernelClocks)
    const { statusCode, bodyBytes, body } = response
    const facts = { statusCode, bodyBytes, ...retransmitsOf(handshake) }
    if (!isExpected(statusCode, options.status)) {
      attempt.record({ detail: facts })
      throw new FailureError(
        'bad-status',
        `${target.url.href} answered with status ${statusCode}, expected ${options.status}`,
        {
          code: String(statusCode),
        },
      )
    }
    return {
      ...facts,
      ...(observer === undefined ? {} : { isObserved: observed !== undefined }),
      ...(options.keepBytes > 0 ? { body: body.toString('utf8') } : {}),
    }
  },
})

type HttpAttempt = Attempt<HttpPhase, 'url'>
type HttpOptions = Omit<HttpRequest, 'url'> & { readonly verify: boolean; readonly observe: boolean }

interface Exchanged {
  readonly response: HttpResponse
  readonly handshake: Handshake | undefined
  /** The kernel's times; undefined where they are unknown or the server answered before the request was complete. */
  readonly times: ExchangeTimes | undefined
  /** Known if the attempt is observed. */
  readonly local: LocalEnd | undefined
}

/** Connects and makes the request. Enters the phases. Leaves nothing open. */
function exchanged(attempt: HttpAttempt, options: HttpOptions, secure: Secure | undefined): Promise<Exchanged> {
  const { deadline, stopwatch, sockets, endpoint } = attempt
  const { url, host } = attempt.target
  return new Promise((resolve, reject) => {
    let handshake: Handshake | undefined
    let local: LocalEnd | undefined
    let response: HttpResponse | undefined

    const fail = (error: unknown) => {
      const { statusCode = 0, bodyBytes = 0 } = response ?? {}
      const detail = { ...(statusCode === 0 ? {} : { statusCode, bodyBytes }), ...retransmitsOf(handshake) }
      if (Object.keys(detail).length > 0) attempt.record({ detail })
      connection.close()
      reject(error)
    }

    const request = (stream: Duplex) => {
      let progress: 'writing' | 'sent' | 'answered' | 'answered early' = 'writing'
      stopwatch.enter('write')
      const received = exchangeHttp(
        stream,
        { ...options, url, headers: lowerCased(options.headers) },
        {
          // A server may answer before the request is complete, for example to reject a large body early. Phases must not go back.
          onSent() {
            if (progress !== 'writing') return
            progress = 'sent'
            stopwatch.enter('server')
          },
          onAnswered() {
            progress = progress === 'sent' ? 'answered' : 'answered early'
            stopwatch.enter('transfer')
          },
          onEnd() {
            const times = progress === 'answered' ? connection.times() : undefined
            connection.close()
            resolve({ response: received, handshake, times, local })
          },
          onError: fail,
        },
      )
      response = received
    }

    stopwatch.enter('connect')
    const isUndelayed = secure !== undefined || options.sendBytes > 0
    // TLS and the observer need a socket of Node: one wraps it, the other asks it for the local address.
    const socket = secure === undefined && !options.observe ? undefined : sockets.connect(endpoint)
    socket?.setNoDelay(isUndelayed)
    const listener: ConnectionListener = {
      onConnected(connected) {
        handshake = connected.handshake
        if (handshake?.time !== undefined) stopwatch.settle(handshake.time.tookNs, handshake.time.clocks)
        if (options.observe) local = localEndOf(socket)
        if (socket === undefined || secure === undefined) return request(connection.stream())
        stopwatch.enter('tls')
        const security = { host, verifiesCertificate: options.verify }
        const secured = secure(socket, security, { onSecure: () => request(secured), onError: fail })
      },
      onError: fail,
    }
    const connection =
      socket === undefined
        ? openConnection({ sockets, endpoint }, { isStamped: true, isUndelayed }, listener)
        : connectionOver(socket, listener)
    deadline.onOver((reason) => {
      handshake ??= connection.handshake()
      fail(reason)
    })
  })
}

function retransmitsOf({ synRetransmits }: Handshake = {}): { readonly synRetransmits?: number } {
  return synRetransmits === undefined ? {} : { synRetransmits }
}

function remoteEndOf({ address, port = 80 }: Endpoint): Pick<ConnectionName, 'remoteAddress' | 'remotePort'> {
  return { remoteAddress: address, remotePort: port }
}

function localEndOf({ localAddress = '', localPort = 0 }: Partial<LocalEnd> = {}): LocalEnd {
  return { localAddress, localPort }
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
