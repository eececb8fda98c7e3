import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createCounters, type Listen, portOf, type Responder } from './responder.ts'

/** The part of a request that a route receives. It is plain data, so that another thread can answer it. */
export interface RouteRequest {
  /** Path and query. */
  readonly url: string
  /** Source address. IPv4 addresses are not mapped to IPv6, even on a dual-stack socket. */
  readonly from: string
}

export interface HttpResponderOptions extends Listen {
  /** Returns the document at `/`. Called for each request. */
  readonly document: () => object
  /** Further exact paths with their handlers. If a handler returns undefined, the responder answers 404. */
  readonly routes?: Readonly<Record<string, (request: RouteRequest) => Promise<object | undefined>>>
}

/** Base for parsing the path of a request; its value does not matter. */
const origin = 'http://scout'
const maxAnswerBytes = 1 << 20

/** Starts the responder for `http` and `tcp` probes. It uses plain node:http, because probes also measure any layer on top. */
export async function startHttpResponder({
  host,
  port,
  document,
  routes = {},
}: HttpResponderOptions): Promise<Responder> {
  const counters = createCounters()
  let filler = Buffer.alloc(0)

  const send = (response: ServerResponse, { status, type = 'application/json', body }: Answer) => {
    // Text and headers leave in one write, which costs less than two.
    response.writeHead(status, ['content-type', type, 'content-length', String(Buffer.byteLength(body))]).end(body)
    if (status < 400) counters.answered++
    else counters.rejected++
  }

  /** Returns so many bytes, which share their memory with all answers of this kind. */
  const bytesOf = (size: number): Buffer => {
    if (filler.length < size) filler = Buffer.alloc(size, 'scout ')
    return filler.subarray(0, size)
  }

  const answerTo = (request: IncomingMessage): Answer | Promise<Answer> => {
    const { url = '/', socket } = request
    if (url === '/') return answerWith(200, document())
    const path = pathOf(url)
    if (path === undefined) return answerWith(400, { message: `${url} is not a path` })
    const { pathname, searchParams } = path
    if (pathname === '/') return answerWith(200, document())
    if (pathname === '/bytes')
      return { status: 200, type: 'application/octet-stream', body: bytesOf(sizeOf(searchParams.get('size'))) }
    const notFound = () => answerWith(404, { message: `${pathname} does not exist` })
    const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined
    if (route === undefined) return notFound()
    return route({ url, from: bareAddress(socket.remoteAddress ?? '') }).then((content) =>
      content === undefined ? notFound() : answerWith(200, content),
    )
  }

  const answer = (request: IncomingMessage, response: ServerResponse) => {
    // An error in a handler becomes the response; it must not end the process.
    const failed = (error: unknown) => send(response, answerWith(500, { message: String(error) }))
    try {
      const answer = answerTo(request)
      if (answer instanceof Promise) answer.then((later) => send(response, later)).catch(failed)
      else send(response, answer)
    } catch (error) {
      failed(error)
    }
  }

  const server = createServer(
    // Limits for clients, so that slow or endless requests occupy a socket only a little longer than a probe may take.
    {
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 2_500,
      maxHeaderSize: 16 << 10,
      keepAliveTimeout: 5_000,
      noDelay: true,
    },
    (request, response) => {
      if (!hasBody(request)) return answer(request, response)
      // An upload only probes the path, so read it to the end and discard it.
      request.resume()
      request.on('end', () => answer(request, response))
    },
  )
  server.on('clientError', (_, socket) => {
    if (socket.writableEnded) return // more data of a request that was already rejected
    counters.rejected++
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', () => socket.destroy())
  })
  server.listen({ host, port, backlog: 1024 })
  await once(server, 'listening')
  return {
    port: portOf(server),
    counters,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      const grace = setTimeout(() => server.closeAllConnections(), 1_000)
      await closed
      clearTimeout(grace)
    },
  }
}

interface Answer {
  readonly status: number
  readonly type?: string
  readonly body: string | Buffer
}

function answerWith(status: number, content: object): Answer {
  return { status, body: JSON.stringify(content) }
}

/** A request has a body if it states a length or a transfer encoding (RFC 9112 §6). */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

function pathOf(url: string): URL | undefined {
  try {
    return new URL(url, origin)
  } catch {
    return undefined
  }
}

function sizeOf(text: string | null): number {
  const size = Number(text ?? 0)
  return Number.isInteger(size) && size >= 0 ? Math.min(size, maxAnswerBytes) : 0
}

/** Unmaps an IPv4 address: dual-stack sockets report IPv4 clients as ::ffff:10.0.0.1 (RFC 4291 §2.5.5.2). */
function bareAddress(address: string): string {
  return address.replace(/^::ffff:/i, '')
}
