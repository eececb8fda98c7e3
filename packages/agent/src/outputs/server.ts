import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Agent } from '../agent.ts'
import { expositionOf } from './exposition.ts'
import { createLinkTexts } from './labels.ts'
import { createProcessMetrics, metrics } from './metrics.ts'
import type { Site } from './site.ts'

export interface ConsoleOptions extends Pick<Agent, 'row' | 'history' | 'health'> {
  readonly host: string
  readonly port: number
  /** Returns the responder's document at `/`, which the console serves to clients other than browsers. */
  readonly document: () => object
  readonly onDefect: (error: unknown) => void
}

/** HTTP server for people and Prometheus: page, API, metrics and health. */
export interface Console {
  readonly port: number
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly type: string
  /** The body. */
  readonly blocks: readonly Buffer[]
}

/**
 * Starts the console. What a cluster requests every few seconds is answered here. Page and API take 2 MiB, and are loaded when they are first
 * requested.
 */
export async function startConsole(options: ConsoleOptions): Promise<Console> {
  const { host, port, onDefect } = options
  const answers = createAnswers(options)
  let site: Promise<Site> | undefined

  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const answer = await answers(request)
    if (answer !== undefined) return send(response, answer)
    site ??= import('./site.ts').then(({ createSite }) => createSite(options))
    await (await site)(request, response)
  }

  const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, (request, response) => {
    respond(request, response).catch((error: unknown) => {
      onDefect(error)
      send(response, json({ message: 'a defect in scout: see its log' }, 500))
    })
  })
  server.listen({ host, port })
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Returns a function that answers requests for metrics, health and the document; for any other, it returns undefined. */
function createAnswers({ row, health, document }: ConsoleOptions) {
  const processMetrics = createProcessMetrics()
  const linkTextsOf = createLinkTexts()
  return async ({ method, url = '', headers }: IncomingMessage): Promise<Answer | undefined> => {
    if (method !== 'GET' && method !== 'HEAD') return undefined
    switch (url.split('?', 1)[0]) {
      case '/':
        return headers.accept?.includes('text/html') === true ? undefined : json(document())
      case '/metrics': {
        const ofProcess = Buffer.from(await processMetrics.metrics())
        const blocks = [...expositionOf(metrics, row(), linkTextsOf), ofProcess]
        return { status: 200, type: processMetrics.contentType, blocks }
      }
      // Alive means that this thread and the vantages respond: the health of peers must never restart an agent.
      case '/healthz':
        return health().isAlive ? json({ status: 'ok' }) : json({ status: 'the probe thread does not respond' }, 503)
      case '/readyz': {
        const { isReady, knowledge } = health()
        return json({ status: isReady ? 'ok' : 'not ready', knowledge }, isReady ? 200 : 503)
      }
      default:
        return undefined
    }
  }
}

function json(value: object, status = 200): Answer {
  return { status, type: 'application/json', blocks: [Buffer.from(JSON.stringify(value))] }
}

function send(response: ServerResponse, { status, type, blocks }: Answer): void {
  const bytes = blocks.reduce((sum, { length }) => sum + length, 0)
  response.writeHead(status, { 'content-type': type, 'content-length': bytes })
  for (const block of blocks) response.write(block)
  response.end()
}
