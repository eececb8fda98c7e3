import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { pageOf } from './page.ts'
import type { ConsoleOptions } from './server.ts'

/** Answers requests for the page and the API, and every request for an unknown path. */
export type Site = ReturnType<typeof createSite>

export function createSite({ row, history, onDefect }: Pick<ConsoleOptions, 'row' | 'history' | 'onDefect'>) {
  const app = new Hono()
  app.get('/', (context) => context.html(pageOf(row())))
  app.get('/api/v1/snapshot', (context) => context.json(row()))
  app.get('/api/v1/history', (context) =>
    context.json(history({ check: context.req.query('check'), to: context.req.query('to') })),
  )
  app.notFound((context) =>
    context.json(
      {
        message: `there is nothing at ${context.req.path}: try /, /metrics, /api/v1/snapshot, /api/v1/history, /healthz or /readyz`,
      },
      404,
    ),
  )
  app.onError((error, context) => {
    onDefect(error)
    return context.json({ message: 'a defect in scout: see its log' }, 500)
  })
  return getRequestListener(app.fetch)
}
