import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
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
  const answer = (response: ServerResponse, status: number, content: object | Buffer) => {
    const body = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    const type = Buffer.isBuffer(content) ? 'application/octet-stream' : 'application/json'
    response.writeHead(status, { 'content-type': type, 'content-length': body.length })
    response.end(body)
    if (status < 400) counters.answered++
    else counters.rejected++
  }

  const contentOf = async (request: RouteRequest): Promise<readonly [status: number, content: object | Buffer]> => {
    if (!URL.canParse(request.url, origin)) return [400, { message: `${request.url} is not a path` }]
    const { pathname, searchParams } = new URL(request.url, origin)
    if (pathname === '/') return [200, document()]
    if (pathname === '/bytes') return [200, Buffer.alloc(sizeOf(searchParams.get('size')), 'scout ')]
    const content = await routes[pathname]?.(request)
    return content === undefined ? [404, { message: `${pathname} does not exist` }] : [200, content]
  }

  const server = createServer(
    // Limits for clients, so that slow or endless requests occupy a socket only as long as a probe may take.
    {
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 << 10,
      keepAliveTimeout: 5_000,
      noDelay: true,
    },
    (request, response) => {
      const { url = '/', socket } = request
      const from = bareAddress(socket.remoteAddress ?? '')
      // An upload only probes the path, so read it to the end and discard it.
      request.resume()
      request.on('end', () => {
        contentOf({ url, from }).then(
          ([status, content]) => answer(response, status, content),
          // An error in a handler becomes the response; it must not end the process.
          (error: unknown) => answer(response, 500, { message: String(error) }),
        )
      })
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

function sizeOf(text: string | null): number {
  const size = Number(text ?? 0)
  return Number.isInteger(size) && size >= 0 ? Math.min(size, maxAnswerBytes) : 0
}

/** Unmaps an IPv4 address: dual-stack sockets report IPv4 clients as ::ffff:10.0.0.1 (RFC 4291 §2.5.5.2). */
function bareAddress(address: string): string {
  return address.replace(/^::ffff:/i, '')
}
