import { once } from 'node:events'
import { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { busyHeader } from '../net/tcp/http-exchange.ts'
import { cut } from './clients.ts'
import { discard, hasBody, type Pass, readText } from './http-body.ts'
import { type HttpCounters, startHttpServer } from './http-server.ts'
import type { Exchange } from './incoming-request.ts'
import { createPace } from './pace.ts'
import type { Listen, Responder } from './responder.ts'
import type { SimpleRequest, SimpleResponse } from './simple-request.ts'
import { createTurns } from './turns.ts'

/** The part of a request that a route receives. It is plain data, so that another thread can answer it. */
export interface RouteRequest {
  /** HTTP method, in upper case. */
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** Source address. IPv4 addresses are not mapped to IPv6, even on a dual-stack socket. */
  readonly from: string
  /** Text of its body, on a path that takes one. */
  readonly body?: string | undefined
}

export interface HttpResponderOptions extends Listen {
  /** Returns the document at `/`. Called for each request. */
  readonly document: () => object
  /** Further exact paths with their handlers. If a handler returns undefined, the responder answers 404. */
  readonly routes?: Readonly<Record<string, (request: RouteRequest) => Promise<object | undefined>>>
  /** The only method of a route, by path; any other gets 405 (RFC 9110 §15.5.6). A route that is not listed accepts every method. */
  readonly methods?: Readonly<Record<string, string>>
  /** Largest body in bytes, by path of the routes that take one; larger ones get 413. Bodies to other paths are read and discarded. */
  readonly bodies?: Readonly<Record<string, number>>
}

/** A running HTTP responder. */
export interface HttpResponder extends Responder {
  readonly counters: Readonly<HttpCounters>
}

/** Base for parsing the path of a request; its value does not matter. */
const origin = 'http://scout'
const maxAnswerBytes = 1 << 20

/** A connection may be idle for longer than those of any default check are, so that it is the path that ends them and not this. */
const limits = { mostConnections: 1024, mostPerClient: 128, answerMostMs: 30_000, idleMostMs: 900_000 }

/** Limits for /bytes. Beyond the time, the answer is 503. A turn lasts at least as long as a slow path takes for an answer. */
const turnLimits = { atOnce: 32, perClient: 8, waiting: 512, waitMs: 5_000, keptMs: 1_000 }

/**
 * Rate that all readers of /bytes and all uploads share. At full speed, they would take the time of the thread that answers and times
 * probes. After a pause, 2 MiB of one client pass at full speed.
 */
const rates = { bytesPerSecond: 32 << 20, bytesPerSecondAndClient: 8 << 20, burstMs: 250 }

/** What an answer costs before its first byte, in bytes of that rate, so that many small ones are limited, too. */
const answerBytes = 16 << 10

/** Limits for bodies that are being read, each of which takes memory until it has come. Beyond them, the answer is 503. */
const bodyLimits = { atOnce: 32, perClient: 4, waiting: 128, waitMs: 2_000, keptMs: 250 }

/** The text whose repetition all answers to /bytes send parts of. */
const text = 'scout '
const fillerBytes = (128 << 10) - ((128 << 10) % text.length)

/**
 * Starts the responder for `http` and `tcp` probes. It answers the requests of probes itself and uses plain node:http for others, because
 * probes also measure any layer on top.
 */
export async function startHttpResponder({
  host,
  port,
  document,
  routes = {},
  methods = {},
  bodies = {},
}: HttpResponderOptions): Promise<HttpResponder> {
  const turns = createTurns(turnLimits)
  const bodyTurns = createTurns(bodyLimits)
  const pace = createPace(rates)
  let filler: Buffer | undefined

  const send = (response: ServerResponse | SimpleResponse, { status, body, fields = [] }: Answer) => {
    // Text and headers leave in one write, which costs less than two.
    const length = String(Buffer.byteLength(body))
    response.writeHead(status, [...fields, 'content-type', 'application/json', 'content-length', length]).end(body)
    if (status < 400) server.counters.answered++
    else if (status === 503) server.counters.refused++
    else server.counters.rejected++
  }

  const sendBytes = async ({ response, client }: Exchange | SimpleRequest, size: number) => {
    const onLost = () => {
      if (!response.headersSent) return send(response, busyWith('answers'))
      server.counters.refused++
      if (response.socket !== null) cut(response.socket)
    }
    const turn = await turns.take({ client, likelyMs: likelyMsOf(size), onLost })
    if (turn === undefined) return send(response, busyWith('answers'))
    try {
      const buffer = (filler ??= Buffer.alloc(fillerBytes, text))
      const pass = (bytes: number) => pace.pass(client, bytes)
      // A client that leaves meanwhile has used its turn, or others like it could reserve without end.
      await pass(answerBytes + Math.min(size, buffer.length))
      if (response.destroyed || response.headersSent) return
      server.counters.answered++
      response.writeHead(200, ['content-type', 'application/octet-stream', 'content-length', String(size)])
      if (size > buffer.length && response instanceof ServerResponse)
        return await pipeline(Readable.from(piecesOf(buffer, size, pass)), response)
      const closed = once(response, 'close')
      response.end(buffer.subarray(0, size))
      await closed
    } finally {
      turn.end()
    }
  }

  const answerTo = ({ request, client }: Exchange, body?: string): Answer | Promise<Answer> | number => {
    const { method = 'GET', url = '/' } = request
    if (url === '/') return answerWith(200, document())
    const path = pathOf(url)
    if (path === undefined) return answerWith(400, { message: `${url} is not a path` })
    const { pathname, searchParams } = path
    if (pathname === '/') return answerWith(200, document())
    if (pathname === '/bytes') return sizeOf(searchParams.get('size'))
    const notFound = () => answerWith(404, { message: `${pathname} does not exist` })
    const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined
    if (route === undefined) return notFound()
    const only = Object.hasOwn(methods, pathname) ? methods[pathname] : undefined
    if (only !== undefined && method !== only) {
      return { ...answerWith(405, { message: `${pathname} accepts only ${only}` }), fields: ['allow', only] }
    }
    return route({ method, url, from: client, body }).then((content) =>
      content === undefined ? notFound() : answerWith(200, content),
    )
  }

  const mostBytesOf = (url = '/') => {
    const pathname = pathOf(url)?.pathname
    return pathname !== undefined && Object.hasOwn(bodies, pathname) ? bodies[pathname] : undefined
  }

  const answer = (exchange: Exchange) => {
    const { request, response } = exchange
    // An error in a handler becomes the response; it must not end the process. None can follow one that has begun.
    const failed = (error: unknown) =>
      response.headersSent ? response.destroy() : send(response, answerWith(500, { message: String(error) }))
    const answerNow = (body?: string) => {
      try {
        const answer = answerTo(exchange, body)
        if (typeof answer === 'number') sendBytes(exchange, answer).catch(failed)
        else if (answer instanceof Promise) answer.then((later) => send(response, later)).catch(failed)
        else send(response, answer)
      } catch (error) {
        failed(error)
      }
    }
    if (!hasBody(request)) return answerNow()
    bodyOf(exchange).then(
      (body) => {
        if (typeof body !== 'object') return answerNow(body)
        // The rest of the body is not read, so that the connection cannot carry another request.
        response.setHeader('connection', 'close')
        send(response, body)
      },
      () => void response.destroy(), // the client has left
    )
  }

  /** Reads a body: to the text that its path takes, to nothing where it only probes the path, or to the answer for one that is not read. */
  const bodyOf = async ({ request, client }: Exchange): Promise<string | undefined | Answer> => {
    const mostBytes = mostBytesOf(request.url)
    const onLost = () => {
      server.counters.refused++
      request.destroy()
    }
    const turn = await bodyTurns.take({
      client,
      likelyMs: likelyMsOf(sizeOf(request.headers['content-length'])),
      onLost,
    })
    if (turn === undefined) return busyWith('bodies')
    const pass = (bytes: number) => pace.pass(client, bytes)
    try {
      if (mostBytes === undefined) return await discard(request, pass)
      const text = await readText(request, { mostBytes, pass })
      return text ?? answerWith(413, { message: `this path accepts up to ${mostBytes} bytes` })
    } finally {
      turn.end()
    }
  }

  const answerSimple = (request: SimpleRequest) => {
    const { url, response } = request
    try {
      const size = url === '/' ? 0 : Number(/^\/bytes\?size=(\d{1,6})$/.exec(url)?.[1])
      // What is larger leaves in pieces.
      if (!(size <= fillerBytes)) return false
      if (url === '/') send(response, answerWith(200, document()))
      else sendBytes(request, size).catch(() => void response.socket.destroy())
      return true
    } catch {
      return false // the full way makes the error its answer
    }
  }

  const server = await startHttpServer({ host, port, ...limits, answer, answerSimple })
  return {
    port: server.port,
    counters: server.counters,
    close: () => server.close(1_000),
  }
}

interface Answer {
  readonly status: number
  readonly body: string
  /** Further header fields, names and values in turn. */
  readonly fields?: readonly string[]
}

function busyWith(what: string): Answer {
  return {
    ...answerWith(503, { message: `too many ${what} at once: try later` }),
    fields: [busyHeader, '1', 'retry-after', '1'],
  }
}

function answerWith(status: number, content: object): Answer {
  return { status, body: JSON.stringify(content) }
}

/** Yields `size` bytes in parts of one buffer, as they may pass. The first part has passed already. */
async function* piecesOf(buffer: Buffer, size: number, pass: Pass) {
  yield buffer
  for (let sent = buffer.length; sent < size; sent += buffer.length) {
    const piece = buffer.subarray(0, size - sent)
    await pass(piece.length)
    yield piece
  }
}

function pathOf(url: string): URL | undefined {
  try {
    return new URL(url, origin)
  } catch {
    return undefined
  }
}

/** How long so many bytes take, at the rate of a client. */
function likelyMsOf(bytes: number): number {
  return (bytes / rates.bytesPerSecondAndClient) * 1000
}

/** Returns a size; that of the largest answer if it is larger. */
function sizeOf(text: string | null | undefined): number {
  const size = Number(text ?? 0)
  return Number.isInteger(size) && size >= 0 ? Math.min(size, maxAnswerBytes) : 0
}
