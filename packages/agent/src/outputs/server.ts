import { once } from 'node:events'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { Registry } from 'prom-client'
import type { Health } from '../agent.ts'
import type { Snapshot } from '../memory/snapshot.ts'
import { createProcessMetrics, metricsOf } from './metrics.ts'
import { pageOf } from './page.ts'

export interface ConsoleOptions {
  readonly host: string
  readonly port: number
  readonly snapshot: () => Snapshot
  readonly health: () => Health
  /** What the responder answers at `/`; here too, unless a browser asks. */
  readonly document: () => object
}

/** The console: everything a person or Prometheus asks this agent. */
export interface Console {
  readonly port: number
  close(): Promise<void>
}

export async function startConsole({ host, port, snapshot, health, document }: ConsoleOptions): Promise<Console> {
  const processMetrics = createProcessMetrics()
  const app = new Hono()
  app.get('/', (context) =>
    context.req.header('accept')?.includes('text/html') === true
      ? context.html(pageOf(snapshot()))
      : context.json(document()),
  )
  app.get('/api/v1/snapshot', (context) => context.json(snapshot()))
  app.get('/metrics', async (context) => {
    const registry = Registry.merge([metricsOf(snapshot()), processMetrics])
    return context.text(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })
  // Alive means that this answer was given, and that what probes would give one: the health of peers must never restart an agent.
  app.get('/healthz', (context) =>
    health().isAlive
      ? context.json({ status: 'ok' })
      : context.json({ status: 'the thread that probes does not answer' }, 503),
  )
  app.get('/readyz', (context) => {
    const { isReady, knowledge } = health()
    return context.json({ status: isReady ? 'ok' : 'not ready', knowledge }, isReady ? 200 : 503)
  })
  app.notFound((context) =>
    context.json(
      { message: `there is nothing at ${context.req.path}: try /, /metrics, /api/v1/snapshot, /healthz or /readyz` },
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
