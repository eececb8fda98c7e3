import { ClientRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { FailureError, isSystemError } from '../../model/failure.ts'
import { tlsFailureOf } from './tls.ts'

export interface HttpRequest {
  readonly url: URL
  readonly method: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly sendBytes: number
  /** Number of bytes of the response body to keep. */
  readonly keepBytes: number
}

/** The response so far. */
export interface HttpResponse {
  /** 0 until the final response head arrives. */
  statusCode: number
  bodyBytes: number
  /** The kept part of the body. */
  body: Buffer
}

export interface HttpListener {
  /** The kernel has accepted the whole request. */
  onSent(): void
  /** The first byte of the response has arrived, possibly before the whole request was sent. */
  onAnswered(): void
  onEnd(): void
  /** The first error; later ones are consequences. */
  onError(error: unknown): void
}

/**
 * Makes one request over a connected stream, which it closes when the response is complete. Node's own client writes the request and
 * parses the response; without an agent it has no timers and keeps nothing.
 */
export function exchangeHttp(stream: Duplex, request: HttpRequest, listener: HttpListener): HttpResponse {
  const { url, method, sendBytes, keepBytes } = request
  const response: HttpResponse = { statusCode: 0, bodyBytes: 0, body: Buffer.alloc(0) }
  let head: IncomingMessage | undefined
  const failed = (error: Error) => {
    // A response is complete even if its end is yet to be delivered; whatever follows it does not matter.
    if (head?.complete !== true) listener.onError(failureOf(error, url))
  }
  // Prepended because Node's own listener ends some responses regularly when their connection is reset.
  stream.prependListener('error', failed)
  stream.prependOnceListener('data', () => listener.onAnswered())
  const client = new ClientRequest({
    method,
    path: `${url.pathname}${url.search}`,
    headers: fieldsOf(request),
    createConnection: () => stream,
  })
  client.on('error', failed)
  client.on('finish', () => listener.onSent())
  client.on('upgrade', () =>
    listener.onError(new FailureError('bad-reply', `${url.host} switched protocols, which was not requested`)),
  )
  client.on('response', (message) => {
    head = message
    response.statusCode = message.statusCode ?? 0
    message.on('error', failed)
    message.on('data', (chunk: Buffer) => {
      response.bodyBytes += chunk.length
      if (response.body.length < keepBytes) response.body = Buffer.concat([response.body, chunk]).subarray(0, keepBytes)
    })
    // Prepended because Node's own listener would first shut down the sending side, which takes another system call.
    message.prependListener('end', () => {
      listener.onEnd()
      stream.destroy()
    })
  })
  client.end(sendBytes > 0 ? Buffer.alloc(sendBytes, 'scout ') : undefined)
  return response
}

/**
 * Returns names and values in turn. An array is sent as it is; otherwise Node would store and check each field first.
 *
 * The request does not ask for a close, although nothing follows it: a server that closes sends its FIN right behind the response. The
 * kernel merges both if they are read together, with the arrival of the FIN (net/ipv4/tcp_input.c, tcp_try_coalesce).
 */
function fieldsOf({ url, method, headers, sendBytes }: HttpRequest): readonly string[] {
  const fields = { host: url.host, connection: 'keep-alive', 'user-agent': 'scout', ...headers }
  const hasLength = sendBytes > 0 || expectsBody.has(method)
  return [...Object.entries(fields).flat(), ...(hasLength ? ['content-length', String(sendBytes)] : [])]
}

/** Methods whose requests state their length even if there is no body (RFC 9110 §8.6). */
const expectsBody: ReadonlySet<string> = new Set(['POST', 'PUT'])

/** Turns Node's own errors into failures: a peer that closes early, and responses that are not HTTP. */
function failureOf(error: Error, { host, hostname }: URL): Error {
  const { code, reason } = { code: '', reason: error.message, ...error }
  const badReply = (what: string) => new FailureError('bad-reply', `${host} ${what}`, { cause: error })
  // A real reset names its system call. Node's client uses the same code without one if the connection ends too early.
  if (isSystemError(error) && error.code === 'ECONNRESET' && error.syscall === undefined)
    return badReply('closed the connection before the response was complete')
  // A server that requires a client certificate may reject the connection only after the handshake (RFC 8446 §4.4.2.4).
  if (code.startsWith('ERR_SSL_')) return tlsFailureOf(error, hostname)
  // The parser's errors: https://github.com/nodejs/llhttp, errno.
  if (code.startsWith('HPE_')) return badReply(`sent a response that is not valid HTTP/1.1: ${reason}`)
  return error
}
