import { ClientRequest, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { FailureError, isSystemError } from '../../model/failure.ts'
import { nowNs } from '../../time/clock.ts'
import { fillerOf, whereAltered } from '../../wire/filler.ts'
import type { Bytes, BytesListener } from './bytes.ts'
import { mostHeadBytes, readHeads } from './http-heads.ts'
import { tlsFailureOf } from './tls-failure.ts'

/** Header with which a responder says that status 503 is only due to its own limit on requests at once. */
export const busyHeader = 'scout-busy'

export interface HttpRequest {
  readonly url: URL
  readonly method: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly sendBytes: number
  /** Number of bytes of the response body to keep. */
  readonly keepBytes: number
  /** Limit of the response in bytes, as transferred. */
  readonly maxBytes: number
  /** Size of the response body; undefined if any will do. */
  readonly expectBytes?: number | undefined
  /** Whether the response body must be the filler of a responder. */
  readonly expectFiller: boolean
}

/**
 * Pieces that a body may have, and one more for each so many bytes: each costs more time than a kilobyte, and some servers send chunks of
 * a few bytes.
 */
const mostPieces = 16_384
const bytesOfPiece = 256

/** The response so far. */
export interface HttpResponse {
  /** 0 until the final response head arrives. */
  statusCode: number
  /** Bytes that arrived, as transferred. */
  arrivedBytes: number
  bodyBytes: number
  /** Size of the body according to the head; undefined if that does not say. */
  lengthBytes?: number
  /** The kept part of the body. */
  body: Buffer
  /** Whether a responder rejected the request only because it is at its own limit. */
  isBusy?: boolean
  /** Offset of the first byte that is not that of the filler, if that is expected. */
  alteredAt?: number
}

export interface HttpListener {
  /** The kernel has accepted the whole request. */
  onSent(): void
  /**
   * The first byte of the final response arrived at this time, by the clock of `nowNs` and possibly before the whole request was sent.
   */
  onAnswered(atNs: number): void
  onEnd(): void
  /** The first error; later ones are consequences. */
  onError(error: unknown): void
}

/**
 * Makes one request over a connection. Node's own client writes the request and parses the response; without an agent it has no timers
 * and keeps nothing. It is as lenient as other clients (`insecureHTTPParser`), because there is no second response on the connection for
 * a wrong length to hide in. The caller closes the connection in the end.
 */
export function exchangeHttp(
  open: (listener: BytesListener) => Bytes,
  request: HttpRequest,
  listener: HttpListener,
): HttpResponse {
  const { url, method, sendBytes, maxBytes } = request
  const response: HttpResponse = { statusCode: 0, arrivedBytes: 0, bodyBytes: 0, body: Buffer.alloc(0) }
  let head: IncomingMessage | undefined
  let pieces = 0
  let firstByteNs = 0
  const badReply = (what: string) => new FailureError('bad-reply', `${url.host} ${what}`)
  let isGivenUp = false
  const giveUp = (error: unknown) => {
    isGivenUp = true
    listener.onError(error)
    stream.destroy()
  }
  const failed = (error: Error) => {
    // A response is complete even if its end is yet to be delivered; whatever follows it does not matter.
    if (head?.complete !== true) listener.onError(failureOf(error, url, response))
  }
  const heads = readHeads(url.host, {
    onFirstByte() {
      firstByteNs = nowNs()
      bytes.markAnswer()
    },
    onFinal: () => listener.onAnswered(firstByteNs),
  })
  const bytes = open({
    onBytes(arrived) {
      response.arrivedBytes += arrived.length
      try {
        if (response.arrivedBytes > maxBytes) throw badReply(`sent more than ${maxBytes} bytes, the limit of maxBytes`)
        stream.deliver(heads.read(arrived))
      } catch (error) {
        giveUp(error)
      }
    },
    onEnd() {
      stream.deliver(heads.rest())
      stream.deliver(null)
    },
    onError: (error) => void stream.destroy(error),
  })
  const stream = new HttpStream(bytes)
  // Prepended because Node's own listener ends some responses regularly when their connection is reset.
  stream.prependListener('error', failed)
  const client = new ClientRequest({
    method,
    path: `${url.pathname}${url.search}`,
    headers: fieldsOf(request),
    createConnection: () => stream,
    insecureHTTPParser: true,
    maxHeaderSize: mostHeadBytes,
  })
  client.on('error', failed)
  client.on('finish', () => {
    // Node's client finishes even if the last write has failed.
    if (stream.errored === null) listener.onSent()
  })
  client.on('upgrade', () => listener.onError(badReply('switched protocols, which was not requested')))
  client.on('response', (message) => {
    head = message
    response.statusCode = message.statusCode ?? 0
    const { 'content-length': length, 'transfer-encoding': coding } = message.headers
    if (length !== undefined && coding === undefined) response.lengthBytes = Number(length)
    if (message.headers[busyHeader] !== undefined) response.isBusy = response.statusCode === 503
    message.on('error', failed)
    message.on('data', (chunk: Buffer) => {
      // The parser goes on with what was read.
      if (isGivenUp) return
      addTo(response, chunk, request)
      pieces++
      const { expectBytes = response.bodyBytes } = request
      if (response.bodyBytes > expectBytes)
        giveUp(badReply(`sent more than the expected ${expectBytes} bytes of a body`))
      else if (pieces > mostPieces + response.bodyBytes / bytesOfPiece)
        giveUp(badReply(`sent ${response.bodyBytes} bytes of a body in ${pieces} pieces, which is too many`))
    })
    // Prepended because Node's own listener would first shut down the sending side, which takes another system call.
    message.prependListener('end', () => {
      listener.onEnd()
      stream.destroy()
    })
  })
  client.end(sendBytes > 0 ? fillerOf(sendBytes) : undefined)
  return response
}

/** Returns what has arrived of a response and what has not, to follow "sent"; undefined if nothing has. */
export function partOf({ statusCode, arrivedBytes, bodyBytes, lengthBytes }: HttpResponse): string | undefined {
  if (arrivedBytes === 0) return undefined
  if (statusCode === 0) return `${arrivedBytes} bytes, which do not complete the response headers`
  const body =
    lengthBytes === undefined
      ? `${bodyBytes} bytes of a body without its end`
      : `${bodyBytes} of ${lengthBytes} bytes of a body`
  return `status ${statusCode} and ${body}`
}

function addTo(response: HttpResponse, chunk: Buffer, { keepBytes, expectFiller }: HttpRequest): void {
  if (expectFiller && response.alteredAt === undefined) {
    const alteredAt = whereAltered(chunk, response.bodyBytes)
    if (alteredAt !== undefined) response.alteredAt = alteredAt
  }
  response.bodyBytes += chunk.length
  if (response.body.length < keepBytes) response.body = Buffer.concat([response.body, chunk]).subarray(0, keepBytes)
}

/** The bytes of a connection as Node's client of HTTP expects them. */
class HttpStream extends Duplex {
  readonly #bytes: Bytes
  #isEnded = false

  constructor(bytes: Bytes) {
    super()
    this.#bytes = bytes
  }

  /** Adds bytes for the client; null at their end. */
  deliver(bytes: Buffer | null): void {
    if (this.destroyed || this.#isEnded || bytes?.length === 0) return
    this.#isEnded = bytes === null
    this.push(bytes)
  }

  // Bytes are delivered as they come: their reader takes them at once.
  override _read(): void {}

  override _write(bytes: Uint8Array, _encoding: string, written: (error?: Error | null) => void): void {
    this.#bytes.write(bytes, written)
  }

  override _destroy(error: Error | null, closed: (error?: Error | null) => void): void {
    this.#bytes.close()
    closed(error)
  }
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
function failureOf(error: Error, { host, hostname }: URL, response: HttpResponse): Error {
  const { code, reason } = { code: '', reason: error.message, ...error }
  const badReply = (what: string) => new FailureError('bad-reply', `${host} ${what}`, { cause: error })
  // A real reset names its system call. Node's client uses the same code without one if the connection ends too early.
  if (isSystemError(error) && error.code === 'ECONNRESET' && error.syscall === undefined) {
    const part = partOf(response)
    const after = part === undefined ? '' : `: it sent ${part}`
    return badReply(`closed the connection before the response was complete${after}`)
  }
  // A server that requires a client certificate may reject the connection only after the handshake (RFC 8446 §4.4.2.4).
  if (code.startsWith('ERR_SSL_')) return tlsFailureOf(error, hostname)
  // The parser's errors: https://github.com/nodejs/llhttp, errno.
  if (code.startsWith('HPE_')) return badReply(`sent a response that is not valid HTTP/1.1: ${reason}`)
  return error
}
