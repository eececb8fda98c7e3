import { once } from 'node:events'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import type { Agent } from '../agent.ts'
import { expositionOf } from './exposition.ts'
import { createProcessMetrics, metrics } from './metrics.ts'
import { pageOf } from './page.ts'

export interface ConsoleOptions extends Pick<Agent, 'row' | 'history' | 'health'> {
  readonly host: string
  readonly port: number
  /** Returns the responder's document at `/`, which the console serves to clients other than browsers. */
  readonly document: () => object
}

/** HTTP server for people and Prometheus: page, API, metrics and health. */
export interface Console {
  readonly port: number
  close(): Promise<void>
}

export async function startConsole({ host, port, row, history, health, document }: ConsoleOptions): Promise<Console> {
  const processMetrics = createProcessMetrics()
  const app = new Hono()
  app.get('/', (context) =>
    context.req.header('accept')?.includes('text/html') === true
      ? context.html(pageOf(row()))
      : context.json(document()),
  )
  app.get('/api/v1/snapshot', (context) => context.json(row()))
  app.get('/api/v1/history', (context) =>
    context.json(history({ check: context.req.query('check'), to: context.req.query('to') })),
  )
  app.get('/metrics', async (context) => {
    const text = `${expositionOf(metrics, row())}${await processMetrics.metrics()}`
    return context.text(text, 200, { 'content-type': processMetrics.contentType })
  })
  // Alive means that this thread and the vantages respond: the health of peers must never restart an agent.
  app.get('/healthz', (context) =>
    health().isAlive
      ? context.json({ status: 'ok' })
      : context.json({ status: 'the probe thread does not respond' }, 503),
  )
  app.get('/readyz', (context) => {
    const { isReady, knowledge } = health()
    return context.json({ status: isReady ? 'ok' : 'not ready', knowledge }, isReady ? 200 : 503)
  })
  app.notFound((context) =>
    context.json(
      {
        message: `there is nothing at ${context.req.path}: try /, /metrics, /api/v1/snapshot, /api/v1/history, /healthz or /readyz`,
      },
      404,
    ),
  )

  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: { headersTimeout: 5_000, requestTimeout: 10_000 },
  })
  server.listen({ host, port })
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async close() {
      const closed = once(server, 'close')
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
    },
  }
}
