import { z } from 'zod'
import type { Endpoint } from '../model/endpoint.ts'
import { FailureError } from '../model/failure.ts'
import { type Bytes, type BytesListener, bytesOver } from '../net/tcp/bytes.ts'
import { type Connected, type ExchangeTimes, openConnection } from '../net/tcp/connection.ts'
import type { ConnectionName, LocalEnd } from '../net/tcp/connection-observer.ts'
import { exchangeHttp, type HttpRequest, type HttpResponse, partOf } from '../net/tcp/http-exchange.ts'
import { type HttpPhase, observedPhases, timedPhases } from '../net/tcp/http-phases.ts'
import { rehearseHttp } from '../net/tcp/http-rehearsal.ts'
import { type Handshake, handshakeClocks } from '../net/tcp/tcp-info.ts'
import { loadTls, type Secure, type Secured, systemStore } from '../net/tcp/tls.ts'
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
    server: 'request sent to first byte of the response that is not 1xx',
    transfer: 'first to last byte of that response',
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
    expectBytes: z
      .int()
      .min(0)
      .max(1 << 30)
      .optional()
      .describe('size that the response body must have'),
    expectFiller: z.boolean().default(false).describe("require the bytes of a responder's /bytes as the response body"),
    maxBytes: z
      .int()
      .min(1)
      .max(1 << 30)
      .default(4 << 20)
      .describe('limit of the response as transferred; a longer one fails as bad-reply'),
    observe: z
      .boolean()
      .default(false)
      .describe('measure the phases with a packet observer (with https: only connect); needs CAP_NET_RAW'),
    ca: z
      .string()
      .default('')
      .describe(
        `file with the certificates (PEM) of the authorities to trust, or "${systemStore}" for the store of this host (default: those that Node was built with, and those in the file that NODE_EXTRA_CA_CERTS named when the process started)`,
      ),
    serverName: z
      .string()
      .regex(/^[\w.:-]{0,253}$/, 'write a name or an address')
      .default('')
      .describe('name that the TLS handshake asks for and the certificate must match (default: the host of the URL)'),
    insecure: z.boolean().default(false).describe('accept any server certificate'),
  }),
  async measure(attempt, options) {
    const { target, endpoint, sockets, stopwatch } = attempt
    const observer = options.observe ? sockets.observer(endpoint.port ?? 80) : undefined
    const secure = target.url.protocol === 'https:' ? await loadTls(options) : undefined
    await rehearseHttp()
    const { response, handshake, local, secured, times } = await exchanged(attempt, options, secure)
    const timed = timedPhases(handshake, times)
    if (timed !== undefined) stopwatch.revise(timed, handshakeClocks)
    const segments = observer?.take({ ...local, ...remoteEndOf(endpoint) })
    const observed = observedPhases(segments, { isSecure: secure !== undefined })
    if (observed !== undefined) stopwatch.revise(observed, kernelClocks)
    const { statusCode, bodyBytes, body } = response
    const facts = { statusCode, bodyBytes, ...secured, ...retransmitsOf(handshake) }
    if (!isExpected(statusCode, options.status)) {
      attempt.record({ detail: facts })
      // Only of a responder is it known to be what it says.
      if (response.isBusy === true && options.expectFiller)
        throw new FailureError(
          'busy',
          `${target.url.href} is at its own limit on requests at once (status 503): find the clients that load it`,
        )
      throw new FailureError(
        'bad-status',
        `${target.url.href} answered with status ${statusCode}, expected ${options.status}`,
        {
          code: String(statusCode),
        },
      )
    }
    const fault = faultOf(response, options)
    if (fault !== undefined) {
      attempt.record({ detail: facts })
      throw new FailureError('bad-reply', `${target.url.href} answered with status ${statusCode} and ${fault}`)
    }
    return {
      ...facts,
      ...(observer === undefined ? {} : { isObserved: observed !== undefined }),
      ...(options.keepBytes > 0 ? { body: body.toString('utf8') } : {}),
    }
  },
})

type HttpAttempt = Attempt<HttpPhase, 'url'>
type HttpOptions = Omit<HttpRequest, 'url'> & {
  readonly serverName: string
  readonly insecure: boolean
  readonly observe: boolean
}

interface Exchanged {
  readonly response: HttpResponse
  readonly handshake: Handshake | undefined
  /** The kernel's times; undefined where they are unknown or the server answered before the request was complete. */
  readonly times: ExchangeTimes | undefined
  readonly local: LocalEnd
  /** The outcome of the TLS handshake, with https. */
  readonly secured: Secured | undefined
}

/** Connects and makes the request. Enters the phases. Leaves nothing open. */
function exchanged(attempt: HttpAttempt, options: HttpOptions, secure: Secure | undefined): Promise<Exchanged> {
  const { deadline, stopwatch, sockets, endpoint } = attempt
  const { url, host } = attempt.target
  return new Promise((resolve, reject) => {
    let connected: Connected | undefined
    let secured: Secured | undefined
    let response: HttpResponse | undefined

    const fail = (error: unknown, handshake: Handshake | undefined = connected?.handshake) => {
      const { statusCode = 0, bodyBytes = 0 } = response ?? {}
      const answer = statusCode === 0 ? {} : { statusCode, bodyBytes }
      const detail = { ...answer, ...secured, ...retransmitsOf(handshake) }
      if (Object.keys(detail).length > 0) attempt.record({ detail })
      connection.close()
      reject(error)
    }

    const request = (open: (listener: BytesListener) => Bytes) => {
      let progress: 'writing' | 'sent' | 'answered' | 'answered early' = 'writing'
      stopwatch.enter('write')
      const received = exchangeHttp(
        open,
        { ...options, url, headers: lowerCased(options.headers) },
        {
          // A server may answer before the request is complete, for example to reject a large body early. Phases must not go back.
          onSent() {
            if (progress !== 'writing') return
            progress = 'sent'
            stopwatch.enter('server')
          },
          onAnswered(atNs) {
            progress = progress === 'sent' ? 'answered' : 'answered early'
            stopwatch.enter('transfer', atNs)
          },
          onEnd() {
            const times = progress === 'answered' ? connection.times() : undefined
            connection.close()
            resolve({
              response: received,
              handshake: connected?.handshake,
              local: localEndOf(connected),
              secured,
              times,
            })
          },
          onError: fail,
        },
      )
      response = received
    }

    // An error that is thrown in a callback would end the process.
    const guarded = (step: () => void) => {
      try {
        step()
      } catch (error) {
        fail(error)
      }
    }

    stopwatch.enter('connect')
    const isUndelayed = secure !== undefined || options.sendBytes > 0
    const connection = openConnection(
      { sockets, endpoint },
      { isStamped: secure === undefined, isUndelayed },
      {
        onConnected: (outcome) =>
          guarded(() => {
            connected = outcome
            const { handshake } = outcome
            if (handshake?.time !== undefined) stopwatch.settle(handshake.time.tookNs, handshake.time.clocks)
            if (secure === undefined) return request((listener) => connection.exchange(listener))
            stopwatch.enter('tls')
            const { serverName, insecure } = options
            const socket = secure(
              connection.socket(),
              { name: serverName === '' ? host : serverName, insecure },
              {
                onSecure: (facts) =>
                  guarded(() => {
                    secured = facts
                    request((listener) => bytesOver(socket, listener))
                  }),
                onError: fail,
              },
            )
          }),
        onError: (error, outcome) => fail(error, outcome?.handshake),
      },
    )
    deadline.onOver((reason) =>
      fail(endedBefore(reason, response, url), connected?.handshake ?? connection.handshake()),
    )
  })
}

/** Returns the failure of a request that its deadline ended: a server that sent a part of its response was not silent. */
function endedBefore(reason: FailureError, response: HttpResponse | undefined, { host }: URL): FailureError {
  const part = response === undefined ? undefined : partOf(response)
  if (reason.reason !== 'timeout' || part === undefined) return reason
  return new FailureError('timeout', `${reason.message} that is complete: ${host} sent ${part}`)
}

/** Returns what is wrong with a complete response; undefined if it is as expected. */
function faultOf(
  { bodyBytes, alteredAt }: HttpResponse,
  { expectBytes }: Pick<HttpOptions, 'expectBytes'>,
): string | undefined {
  if (expectBytes !== undefined && bodyBytes !== expectBytes)
    return `a body of ${bodyBytes} bytes, expected ${expectBytes}`
  return alteredAt === undefined ? undefined : `a body whose byte ${alteredAt} is not that of a responder`
}

function retransmitsOf({ synRetransmits }: Handshake = {}): { readonly synRetransmits?: number } {
  return synRetransmits === undefined ? {} : { synRetransmits }
}

function remoteEndOf({ address, port = 80 }: Endpoint): Pick<ConnectionName, 'remoteAddress' | 'remotePort'> {
  return { remoteAddress: address, remotePort: port }
}

function localEndOf({ sourceAddress = '', sourcePort = 0 }: Partial<Connected> = {}): LocalEnd {
  return { localAddress: sourceAddress, localPort: sourcePort }
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
