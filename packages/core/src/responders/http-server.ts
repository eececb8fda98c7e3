import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as nextImmediate } from 'node:timers/promises'
import { bareAddress, type Connection, connectionsOf, cut, oldestOfMost } from './clients.ts'
import { roomForConnections } from './descriptors.ts'
import { type Exchange, headBytesOf, rejectionOf, stopParsing } from './incoming-request.ts'
import { createCounters, type Listen, portOf, type ResponderCounters } from './responder.ts'
import { readSimpleRequests, type SimpleRequest } from './simple-request.ts'

/*
 * An HTTP server for clients that may be hostile or broken. What one of them can make it hold is bounded:
 * - connections: beyond the limit, the client with the most loses its oldest, as does one with too many;
 * - work: a connection gets one answer at a time, and a client that sends many requests ahead, or much in them, loses it;
 * - memory: so does one whose request would make all that wait too large together;
 * - time: for the headers, the body, and taking the answer.
 *
 * A connection is node:http's from the first request on that is not a simple one. Until then, it has the same limits here.
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
  /** Answers a simple request, if it returns true; otherwise `answer` gets it (default: `answer` gets all). Must not throw. */
  readonly answerSimple?: (request: SimpleRequest) => boolean
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
  answerSimple,
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
    cut(socket)
  }

  const checkEveryMs = Math.min(answerMostMs / 5, idleMostMs / 5, times.connectionsCheckingInterval)
  const checkLater = () => {
    check ??= setTimeout(() => {
      check = undefined
      const nowMs = performance.now()
      for (const [socket, connection] of connections) {
        const { answeringSinceMs, requestDueMs } = connection
        if (requestDueMs < nowMs) endLater(socket, connection)
        else if (answeringSinceMs !== undefined && answeringSinceMs < nowMs - answerMostMs) refuse(socket)
      }
      if (connections.size > 0) checkLater()
    }, checkEveryMs).unref()
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
    if (next.rejection !== undefined) {
      counters.rejected++
      return void next.response.writeHead(next.rejection, { connection: 'close', 'content-length': 0 }).end()
    }
    if (next.isAwaited) next.response.writeContinue()
    answer(next)
  }

  const settings = {
    ...times,
    keepAliveTimeout: idleMostMs,
    maxHeaderSize: 16 << 10,
    noDelay: true,
    requireHostHeader: false,
  }
  const onRequest = (isAwaited: boolean) => (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    const connection = connections.get(socket)
    if (connection === undefined) return // refused meanwhile
    connection.latest = request
    connection.requestDueMs = Number.POSITIVE_INFINITY
    const bytes = headBytesOf(request)
    const isTooMuch = connection.waitingBytes + bytes > mostAheadBytes || waitingBytes + bytes > mostWaitingBytes
    if (connection.waiting.length === mostAhead || isTooMuch) {
      stopParsing(socket)
      return refuse(socket)
    }
    const rejection = rejectionOf(request)
    // Its body is not read, and must not be kept until its answer is due.
    if (rejection !== undefined) request.resume()
    countWaiting(connection, bytes)
    const streams = () => {
      connection.answeringSinceMs = Number.POSITIVE_INFINITY
    }
    connection.waiting.push({ request, response, client: connection.client, streams, isAwaited, rejection })
    if (connection.answeringSinceMs === undefined) answerNext(connection)
  }

  const server = createServer(settings, onRequest(false))
  // Node would answer these at once, out of turn and however many there are. An unknown expectation may be ignored (RFC 9110 §10.1.1).
  server.on('checkContinue', onRequest(true))
  server.on('checkExpectation', onRequest(false))

  server.maxHeadersCount = mostFields
  // What node:http does with a new connection, which it does here only once the connection has sent something else than simple requests.
  const listeners = server.listeners('connection')
  server.removeAllListeners('connection')

  const parse = (socket: Socket, connection: Connection) => {
    connection.phase = 'parsed'
    for (const listener of listeners) listener.call(server, socket)
  }

  const readSimple = (socket: Socket, connection: Connection, answerSimple: (request: SimpleRequest) => boolean) => {
    const { client } = connection
    connection.requestDueMs = performance.now() + times.headersTimeout
    readSimpleRequests(socket, idleMostMs, {
      onRequest(url, response) {
        if (connections.size > mostConnections / 2 || !answerSimple({ url, client, response })) return false
        connection.phase = 'simple'
        connection.requestDueMs = Number.POSITIVE_INFINITY
        connection.answeringSinceMs = performance.now()
        return true
      },
      onAnswered() {
        if (connection.phase === 'simple') connection.requestDueMs = performance.now() + idleMostMs
        answerNext(connection)
      },
      onOther() {
        // The time for a first request goes on.
        if (connection.phase === 'simple') connection.requestDueMs = Number.POSITIVE_INFINITY
        parse(socket, connection)
      },
      onError: () => reject(socket, '400 Bad Request'),
    })
  }

  server.on('connection', (socket) => {
    accepted++
    const { remoteAddress } = socket
    if (remoteAddress === undefined) {
      counters.rejected++ // the client has reset it meanwhile
      return void socket.destroy()
    }
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
      requestDueMs: Number.POSITIVE_INFINITY,
      phase: 'new',
    }
    connections.set(socket, connection)
    socket.once('close', () => {
      countWaiting(connection, -connection.waitingBytes)
      connection.waiting.length = 0
      connections.delete(socket)
    })
    checkLater()
    if (answerSimple === undefined) return parse(socket, connection)
    readSimple(socket, connection, answerSimple)
  })

  const reject = (socket: Duplex, status: string) => {
    counters.rejected++
    const connection = socket instanceof Socket ? connections.get(socket) : undefined
    if (connection?.answeringSinceMs !== undefined || !socket.writable) return void socket.destroy()
    if (connection !== undefined) connection.answeringSinceMs = performance.now()
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy())
  }

  /** Ends a connection whose request is overdue, unless this process is late: what has arrived is read before the immediates run. */
  const endLater = (socket: Socket, connection: Connection) => {
    const { requestDueMs } = connection
    setImmediate(() => {
      if (connection.requestDueMs !== requestDueMs || socket.destroyed || socket.writableEnded) return
      if (connection.phase === 'simple') socket.destroy()
      else reject(socket, '408 Request Timeout')
    })
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
      const ended = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      for (const [socket, { phase, answeringSinceMs }] of connections)
        if (phase === 'simple' && answeringSinceMs === undefined) socket.destroy()
      const grace = setTimeout(() => {
        server.closeAllConnections()
        for (const socket of connections.keys()) socket.destroy()
      }, graceMs)
      await ended
      clearTimeout(grace)
      clearTimeout(check)
    },
  }
}
