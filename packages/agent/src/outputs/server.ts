import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  createTurns,
  type Exchange,
  type HttpCounters,
  programHeader,
  type Row,
  startHttpServer,
  tokenHeader,
} from '@scout/core'
import type { Agent } from '../agent.ts'
import { createEvents } from './api/events.ts'
import { createBearerCheck } from './bearer.ts'
import { createCompression, createDocuments, type Document } from './documents.ts'
import { createTags, isNamed } from './etag.ts'
import { createHostCheck } from './host-names.ts'
import type { Metric } from './metrics/reading.ts'
import { createPageFiles, isOfPage } from './page-files.ts'
import { type Blocks, createRenderings } from './renderings.ts'
import { createSending } from './sending.ts'

type Known = 'history' | 'health' | 'mesh' | 'changes' | 'speaker' | 'timeline' | 'hasPeerOn' | 'ask'

export interface ConsoleOptions extends Pick<Agent, Known> {
  readonly host: string
  readonly port: number
  /** Node of this agent. */
  readonly node: string
  /** Names that a Host header may have, besides `localhost` and addresses. */
  readonly names: readonly string[]
  /** Token that readers must send; empty if anyone may read. */
  readonly token: string
  readonly metrics: readonly Metric[]
  /** Samples about single links at most. */
  readonly budget: number
  readonly row: () => Row
  /** Returns the responder's document at `/`, which the console serves to clients other than browsers. */
  readonly document: () => object
  readonly onDefect: (error: unknown) => void
}

/** HTTP server for people and Prometheus: page, API, metrics and health. */
export interface Console {
  readonly port: number
  readonly counters: Readonly<HttpCounters>
  /** Returns a document for a peer, compressed; undefined if there is no such one. */
  documentFor(question: URLSearchParams): Promise<Buffer | undefined>
  close(): Promise<void>
}

/** Room for a thousand requests for metrics at once, and for /healthz besides. */
const limits = { mostConnections: 2048, answerMostMs: 30_000 }

/** Limits for documents that are made, not for those that are read. Clients that would wait longer get 503. Health is outside of them. */
const turnLimits = { atOnce: 8, perClient: 2, waiting: 2048, waitMs: 8_000 }

/** Bytes of different documents that are being read. */
const mostSentBytes = 64 << 20

/** What an answer allows a browser to do with it: to show it, and not within another page. */
const guards = { 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' }
const policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** A document may be kept, and is asked for again before each use. */
const uncached = { 'cache-control': 'no-cache' }
const immutable = { 'cache-control': 'public, max-age=31536000, immutable' }

const eventsPath = '/api/v1/events'
const json = 'application/json'
const pieceBytes = 64 << 10
const defectMessage = { message: 'a defect in scout: see its log' }

interface Answer {
  readonly status: number
  readonly content: object
  readonly counts: 'answered' | 'rejected' | 'refused'
  readonly headers?: OutgoingHttpHeaders
}

/** Starts the console. Documents are made for few clients at a time, and shared; health is answered at once. */
export async function startConsole(options: ConsoleOptions): Promise<Console> {
  const { host, port, names, onDefect } = options
  const isOwnHost = createHostCheck(names)
  const isAllowed = createBearerCheck(options.token)
  const isPermitted = ({ authorization, [tokenHeader]: token }: IncomingHttpHeaders) =>
    isAllowed(authorization) || (typeof token === 'string' && isAllowed(`Bearer ${token}`))
  const documents = createDocuments(options)
  const pageFileAt = createPageFiles()
  const events = createEvents(options)
  const rendering = createRenderings(onDefect)
  const compress = createCompression()
  const tagOf = createTags()
  const turns = createTurns(turnLimits)
  const sending = createSending(mostSentBytes, () => server.counters.refused++)

  const begin = ({ request: { headers }, response }: Exchange, status: number, own: OutgoingHttpHeaders) => {
    // A body does not belong to any of these requests, and is not read.
    const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
    const ending = hasBody ? { connection: 'close' } : {}
    response.writeHead(status, { 'content-security-policy': policy, ...guards, ...ending, ...own })
  }

  const send = (exchange: Exchange, { status, content, counts, headers }: Answer) => {
    server.counters[counts]++
    const body = Buffer.from(JSON.stringify(content))
    begin(exchange, status, { 'content-type': json, 'content-length': body.length, ...headers })
    exchange.response.end(body)
  }

  const sendDocument = async (exchange: Exchange, document: Document) => {
    const { request, response, client } = exchange
    const turn = await turns.take({ client })
    if (turn === undefined) return send(exchange, tooMany)
    response.once('close', turn.end)
    await server.allAccepted()
    if (response.destroyed) return turn.end()
    const plain = await rendering(document.name, document.make)
    if (plain === undefined) return send(exchange, { status: 500, content: defectMessage, counts: 'rejected' })
    const tag = document.isTagged === true ? tagOf(plain) : undefined
    const caching = {
      ...(tag === undefined ? {} : { ...uncached, etag: tag }),
      ...(document.isImmutable === true ? immutable : {}),
      vary: [...(document.variesBy === undefined ? [] : [document.variesBy]), 'accept-encoding'].join(', '),
    }
    if (tag !== undefined && isNamed(tag, request.headers['if-none-match'])) {
      server.counters.answered++
      begin(exchange, 304, caching)
      return void response.end()
    }
    const isCompressed = acceptsGzip(request.headers['accept-encoding'])
    const blocks = isCompressed ? await compress(plain) : plain
    // A slow reader keeps others from nothing.
    turn.end()
    sending.add(blocks, response)
    server.counters.answered++
    begin(exchange, 200, {
      'content-type': document.type,
      'content-length': blocks.reduce((sum, { length }) => sum + length, 0),
      ...caching,
      ...(isCompressed ? { 'content-encoding': 'gzip' } : {}),
      ...(document.policy === undefined ? {} : { 'content-security-policy': `${policy}; ${document.policy}` }),
    })
    if (request.method === 'HEAD') response.end()
    else await pipeline(Readable.from(piecesOf(blocks)), response)
  }

  const sendEvents = (exchange: Exchange) => {
    const { request, response, client, streams } = exchange
    const open = () => {
      begin(exchange, 200, { 'content-type': 'text/event-stream', ...uncached })
      server.counters.answered++
    }
    if (request.method === 'HEAD') {
      open()
      return void response.end()
    }
    if (!events.hasRoomFor(client)) return send(exchange, tooMany)
    streams()
    open()
    events.add(response, client)
  }

  const respondWithDocument = async (exchange: Exchange, { pathname, searchParams }: URL) => {
    const document = await documents.find(pathname, searchParams, exchange.request.headers.accept)
    if (document === undefined) return send(exchange, nothingAt(pathname, documents.paths))
    if ('isBusy' in document) return send(exchange, tooMany)
    return 'unusable' in document ? send(exchange, invalid(document.unusable)) : sendDocument(exchange, document)
  }

  const respond = async (exchange: Exchange) => {
    const { method, url = '/', headers } = exchange.request
    const location = urlOf(url)
    const { pathname } = location
    if (method === 'OPTIONS') return send(exchange, methodsAnswer)
    if (method !== 'GET' && method !== 'HEAD') return send(exchange, otherMethod)
    if (pathname === '/healthz') return send(exchange, healthOf(options))
    if (!isOwnHost(headers.host) && headers[programHeader] === undefined) return send(exchange, otherHost(headers.host))
    if (pathname === '/readyz') return send(exchange, readinessOf(options))
    if (pathname === '/' && headers.accept?.includes('text/html') !== true)
      return send(exchange, { status: 200, content: options.document(), counts: 'answered' })
    // The page itself says nothing about the mesh, and asks for the token that the API needs.
    const file = isOfPage(pathname) ? await pageFileAt(pathname) : undefined
    if (file !== undefined) return sendDocument(exchange, file)
    if (!isPermitted(headers)) return send(exchange, tokenNeeded)
    if (pathname === eventsPath) return sendEvents(exchange)
    return respondWithDocument(exchange, location)
  }

  const answer = (exchange: Exchange) => {
    respond(exchange).catch((error: unknown) => {
      const { response } = exchange
      // The client has left, or the answer has begun, which nothing can follow.
      if (response.destroyed) return
      onDefect(error)
      if (response.headersSent) response.destroy()
      else send(exchange, { status: 500, content: defectMessage, counts: 'rejected' })
    })
  }

  const server = await startHttpServer({ host, port, ...limits, answer })
  return {
    port: server.port,
    counters: server.counters,
    async documentFor(question) {
      const document = documents.ownFor(question)
      const plain = document === undefined ? undefined : await rendering(document.name, document.make)
      return plain === undefined ? undefined : Buffer.concat(await compress(plain))
    },
    async close() {
      events.close()
      await server.close(0)
    },
  }
}

/** Alive means that this thread and the vantages respond: the health of peers must never restart an agent. */
function healthOf({ health }: ConsoleOptions): Answer {
  const { isAlive } = health()
  const content = { status: isAlive ? 'ok' : 'the probe thread does not respond' }
  return { status: isAlive ? 200 : 503, content, counts: 'answered' }
}

function readinessOf({ health }: ConsoleOptions): Answer {
  const { isReady, knowledge } = health()
  const content = { status: isReady ? 'ok' : 'not ready', knowledge }
  return { status: isReady ? 200 : 503, content, counts: 'answered' }
}

const tooMany: Answer = {
  status: 503,
  content: { message: 'too many requests for documents at once: try again in some seconds' },
  counts: 'refused',
  headers: { 'retry-after': '5' },
}

/** RFC 9110 §9.3.7. haproxy's default check is `OPTIONS / HTTP/1.0`. */
const methodsAnswer: Answer = {
  status: 200,
  content: { message: 'use GET or HEAD' },
  counts: 'answered',
  headers: { allow: 'GET, HEAD' },
}

const otherMethod: Answer = {
  status: 405,
  content: { message: 'use GET or HEAD' },
  counts: 'rejected',
  headers: { allow: 'GET, HEAD' },
}

/** RFC 9110 §15.5.20: a server that answers for other names only. */
function otherHost(host = ''): Answer {
  const name = host.replace(/:\d*$/, '')
  const message = `${name} is not a name of this agent: use its address, or add the name to the setting console.names`
  return { status: 421, content: { message }, counts: 'rejected' }
}

/** RFC 6750 §3. */
const tokenNeeded: Answer = {
  status: 401,
  content: {
    message:
      'this agent needs the token of its setting console.token: send it as "Authorization: Bearer TOKEN", or set SCOUT_CONSOLE_TOKEN for scout-probe mesh',
  },
  counts: 'rejected',
  headers: { 'www-authenticate': 'Bearer realm="scout"' },
}

function invalid(message: string): Answer {
  return { status: 400, content: { message }, counts: 'rejected' }
}

function nothingAt(path: string, documents: readonly string[]): Answer {
  const paths = ['/', ...documents, eventsPath, '/healthz']
  const message = `there is nothing at ${path}: try ${paths.join(', ')} or /readyz`
  return { status: 404, content: { message }, counts: 'rejected' }
}

/** Whether a client accepts gzip (RFC 9110 §12.5.3). */
function acceptsGzip(accepted = ''): boolean {
  return accepted.split(',').some((coding) => /^\s*gzip\s*(;\s*q=(1|0?\.0*[1-9]).*)?$/i.test(coding))
}

function urlOf(url: string): URL {
  try {
    return new URL(url, 'http://scout')
  } catch {
    return new URL('http://scout/invalid')
  }
}

/** Yields the bytes of a document in pieces that are small enough to be written at once. */
function* piecesOf(blocks: Blocks) {
  for (const block of blocks)
    for (let from = 0; from < block.length; from += pieceBytes) yield block.subarray(from, from + pieceBytes)
}
