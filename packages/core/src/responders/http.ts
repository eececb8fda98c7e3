import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createCounters, type Listen, portOf, type Responder } from './responder.ts'

export interface HttpResponderOptions extends Listen {
  /** The document at `/`; made anew for each request. */
  readonly document: () => object
  /** Further exact paths; answered with what the function returns, or 404 when it returns nothing. */
  readonly routes?: Readonly<Record<string, (request: IncomingMessage, body: Buffer) => object | undefined>>
}

/** What the path of a request is read against; nothing depends on it. */
const origin = 'http://scout'
const maxAnswerBytes = 1 << 20
const maxRequestBytes = 1 << 20

/** Answers the `http` and `tcp` probes: bare node:http, since what stands between socket and answer is measured too. */
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

  const server = createServer(
    // Time a client may take, so that slow or endless requests hold a socket no longer than a probe may last.
    {
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 << 10,
      keepAliveTimeout: 5_000,
      noDelay: true,
    },
    (request, response) => {
      const chunks: Buffer[] = []
      let receivedBytes = 0
      request.on('data', (chunk: Buffer) => {
        receivedBytes += chunk.length
        // A large upload is read to its end, being a probe of the path, but only a small one is kept.
        if (receivedBytes <= maxRequestBytes) chunks.push(chunk)
      })
      request.on('end', () => {
        const url = request.url ?? '/'
        if (!URL.canParse(url, origin)) return answer(response, 400, { message: `${url} is not a path` })
        const { pathname, searchParams } = new URL(url, origin)
        if (pathname === '/bytes')
          return answer(response, 200, Buffer.alloc(sizeOf(searchParams.get('size')), 'scout '))
        if (receivedBytes > maxRequestBytes && pathname in routes)
          return answer(response, 413, { message: `${pathname} takes no more than ${maxRequestBytes} bytes` })
        const content = pathname === '/' ? document() : routes[pathname]?.(request, Buffer.concat(chunks))
        answer(response, content === undefined ? 404 : 200, content ?? { message: `there is nothing at ${pathname}` })
      })
    },
  )
  server.on('clientError', (_, socket) => {
    counters.rejected++
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
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
