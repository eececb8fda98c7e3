import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as nextImmediate } from 'node:timers/promises'
import { roomForConnections } from './descriptors.ts'
import { createCounters, type Listen, portOf, type ResponderCounters } from './responder.ts'

/*
 * An HTTP server for clients that may be hostile or broken. What one of them can make it hold is bounded:
 * - connections: beyond the limit, the client with the most loses its oldest, as does one with too many;
 * - work: a connection gets one answer at a time, and a client that sends many requests ahead, or much in them, loses it;
 * - memory: so does one whose request would make all that wait too large together;
 * - time: for the headers, the body, and taking the answer.
 */

export interface HttpServerOptions extends Listen {
  /** Limit on connections. Where this process may open only few files, the limit follows from what is left of them. */
  readonly mostConnections: number
  /** Limit on those of one client (default: none). */
  readonly mostPerClient?: number
  /** How long a client may take to receive an answer; beyond it, the connection ends. It is exact to a fifth. */
  readonly answerMostMs: number
  /** How long a connection may be idle between requests (default: 5 s). Where half of the limit are open, none is kept for another. */
  readonly idleMostMs?: number
  /** Answers a request. The next request of this connection waits until the answer has left. Must not throw. */
  readonly answer: (exchange: Exchange) => void
}

/** A request and where its answer goes. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Source address. IPv4 addresses are not mapped to IPv6, even on a dual-stack socket. */
  readonly client: string
  /** Allows the answer to take longer than `answerMostMs`: it is a stream, whose sender ends it. */
  readonly streams: () => void
}

/** Counters of an HTTP server, which never decrease. */
export interface HttpCounters extends ResponderCounters {
  /** Connections and requests beyond a limit on their number or time. */
  refused: number
}

export interface HttpServer {
  readonly port: number
  readonly counters: HttpCounters
  /**
   * Resolves once nobody waits to be accepted, or after two seconds. Node accepts one connection in each turn of its event loop, so the
   * last client waits for as many turns as there are others; what takes long should wait instead.
   */
  readonly allAccepted: () => Promise<void>
  /** Stops listening, and ends connections: idle ones at once, others after `graceMs`. */
  close(graceMs: number): Promise<void>
}

interface Connection {
  readonly client: string
  readonly waiting: Exchange[]
  /** Of the heads of those. */
  waitingBytes: number
  /** The request whose headers were read last. */
  latest: IncomingMessage | undefined
  /** When the answer that is under way was begun. */
  answeringSinceMs: number | undefined
}

/** Limits for slow clients. They occupy a connection only a little longer than a probe may take. */
const times = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 2_500,
}

/** Requests that a client may send ahead of an answer, bytes in their heads, and bytes of all clients together. */
const mostAhead = 16
const mostAheadBytes = 32 << 10
const mostWaitingBytes = 4 << 20

/** Header fields of a request; further ones are ignored. */
const mostFields = 100

/** How long a stream of new connections may delay answers that take long. */
const acceptingMostMs = 2_000

/** Starts an HTTP server. Rejects if it cannot listen. */
export async function startHttpServer({
  host,
  port,
  mostConnections,
  mostPerClient = mostConnections,
  answerMostMs,
  idleMostMs = 5_000,
  answer,
}: HttpServerOptions): Promise<HttpServer> {
  const counters: HttpCounters = { ...createCounters(), refused: 0 }
  const connections = new Map<Socket, Connection>()
  const roomFor = roomForConnections()
  let waitingBytes = 0
  let check: NodeJS.Timeout | undefined
  let accepted = 0

  const refuse = (socket: Socket) => {
    counters.refused++
    connections.delete(socket)
    // A reset also frees what the kernel holds for a client that does not read.
    socket.resetAndDestroy()
  }

  const checkLater = () => {
    check ??= setTimeout(() => {
      check = undefined
      const lateMs = performance.now() - answerMostMs
      for (const [socket, { answeringSinceMs }] of connections)
        if (answeringSinceMs !== undefined && answeringSinceMs < lateMs) refuse(socket)
      if (connections.size > 0) checkLater()
    }, answerMostMs / 5).unref()
  }

  const countWaiting = (connection: Connection, bytes: number) => {
    connection.waitingBytes += bytes
    waitingBytes += bytes
  }

  const answerNext = (connection: Connection) => {
    const next = connection.waiting.shift()
    if (next !== undefined) countWaiting(connection, -headBytesOf(next.request))
    connection.answeringSinceMs = next && performance.now()
    if (next === undefined) return
    next.response.once('close', () => answerNext(connection))
    // Those that are kept leave room for others.
    if (connections.size > mostConnections / 2) next.response.shouldKeepAlive = false
    if (hasItsHost(next.request)) return answer(next)
    counters.rejected++
    next.response.writeHead(400, { connection: 'close', 'content-length': 0 }).end()
  }

  const settings = {
    ...times,
    keepAliveTimeout: idleMostMs,
    maxHeaderSize: 16 << 10,
    noDelay: true,
    requireHostHeader: false,
  }
  const server = createServer(settings, (request, response) => {
    const { socket } = request
    const connection = connections.get(socket)
    if (connection === undefined) return // refused meanwhile
    connection.latest = request
    const bytes = headBytesOf(request)
    const isTooMuch = connection.waitingBytes + bytes > mostAheadBytes || waitingBytes + bytes > mostWaitingBytes
    if (connection.waiting.length === mostAhead || isTooMuch) {
      stopParsing(socket)
      return refuse(socket)
    }
    countWaiting(connection, bytes)
    const streams = () => {
      connection.answeringSinceMs = Number.POSITIVE_INFINITY
    }
    connection.waiting.push({ request, response, client: connection.client, streams })
    if (connection.answeringSinceMs === undefined) answerNext(connection)
  })

  server.maxHeadersCount = mostFields
  server.on('connection', (socket) => {
    accepted++
    const { remoteAddress } = socket
    if (remoteAddress === undefined) return // already gone
    const client = bareAddress(remoteAddress)
    const own = connections.size < mostPerClient ? [] : connectionsOf(connections, client)
    if (own.length >= mostPerClient) refuse(own[0] ?? socket)
    else if (connections.size >= Math.min(mostConnections, roomFor(connections.size))) {
      const spare = oldestOfMost(connections, client)
      refuse(spare ?? socket)
      if (spare === undefined) return
    }
    const connection: Connection = {
      client,
      waiting: [],
      waitingBytes: 0,
      latest: undefined,
      answeringSinceMs: undefined,
    }
    connections.set(socket, connection)
    socket.once('close', () => {
      countWaiting(connection, -connection.waitingBytes)
      connection.waiting.length = 0
      connections.delete(socket)
    })
    checkLater()
  })

  const reject = (socket: Duplex, status: string) => {
    counters.rejected++
    const connection = socket instanceof Socket ? connections.get(socket) : undefined
    if (connection?.answeringSinceMs !== undefined || !socket.writable) return void socket.destroy()
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy())
  }

  server.on('clientError', (error, socket) => {
    if (socket.writableEnded) return // more data of a request that was already rejected
    const connection = socket instanceof Socket ? connections.get(socket) : undefined
    if (!('code' in error) || error.code !== 'ERR_HTTP_REQUEST_TIMEOUT') return reject(socket, '400 Bad Request')
    const { latest } = connection ?? {}
    const isInBody = latest?.complete === false
    // A timer of Node says so. Where this process was late, not the client, what it has sent is read before the immediates run.
    setImmediate(() => {
      const isMissing = connection?.latest === latest && !(isInBody && latest.complete)
      if (isMissing && !socket.destroyed) reject(socket, '408 Request Timeout')
    })
  })

  server.listen({ host, port, backlog: 1024 })
  await once(server, 'listening')
  return {
    port: portOf(server),
    counters,
    async allAccepted() {
      for (const untilMs = performance.now() + acceptingMostMs; performance.now() < untilMs; ) {
        const before = accepted
        // The first may be in this turn of the event loop, before it looks for connections.
        await nextImmediate()
        await nextImmediate()
        if (accepted === before) return
      }
    },
    async close(graceMs) {
      await closed(server, graceMs)
      clearTimeout(check)
    },
  }
}

/**
 * Ends the parsing of what a client has sent ahead. One read may bring thousands of requests, and Node creates the objects of each even if
 * the first destroys the socket. It has no public way to stop: 2 makes its parser take the rest for another protocol (lib/_http_server.js,
 * parserOnIncoming).
 */
function stopParsing(socket: Socket): void {
  const parser: unknown = Reflect.get(socket, 'parser')
  if (typeof parser === 'object' && parser !== null) Reflect.set(parser, 'onIncoming', () => 2)
}

function headBytesOf({ rawHeaders, url = '' }: IncomingMessage): number {
  return rawHeaders.reduce((bytes, text) => bytes + text.length, url.length)
}

/** Of several hosts, a proxy in front may have used another than this server. Only HTTP/1.0 allows none (RFC 9112 §3.2). */
function hasItsHost({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  const count = rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length
  return count === 1 || (count === 0 && httpVersion === '1.0')
}

async function closed(server: Server, graceMs: number): Promise<void> {
  const ended = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const grace = setTimeout(() => server.closeAllConnections(), graceMs)
  await ended
  clearTimeout(grace)
}

/** Returns the connections of a client, the oldest first. */
function connectionsOf(connections: ReadonlyMap<Socket, Connection>, client: string): readonly Socket[] {
  return [...connections].flatMap(([socket, other]) => (other.client === client ? [socket] : []))
}

/** Returns the oldest connection of the client that has the most; undefined if none has more than this client would. */
function oldestOfMost(connections: ReadonlyMap<Socket, Connection>, newcomer: string): Socket | undefined {
  const counts = new Map<string, number>()
  for (const { client } of connections.values()) counts.set(client, (counts.get(client) ?? 0) + 1)
  const own = (counts.get(newcomer) ?? 0) + 1
  const most = Math.max(...counts.values())
  if (most <= own) return undefined
  for (const [socket, { client }] of connections) if (counts.get(client) === most) return socket
  return undefined
}

/** Unmaps an IPv4 address: dual-stack sockets report IPv4 clients as ::ffff:10.0.0.1 (RFC 4291 §2.5.5.2). */
function bareAddress(address: string): string {
  return address.replace(/^::ffff:/i, '')
}
