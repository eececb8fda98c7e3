import type { RouteRequest } from '@scout/core'
import { z } from 'zod'
import type { VantageCounters } from './vantage.ts'

/** What a vantage thread is started with. */
export const threadData = z.object({
  responder: z.object({ host: z.string(), port: z.int(), key: z.string() }),
  paths: z.array(z.string()).readonly(),
})

export type ThreadData = z.output<typeof threadData>

/** Beside those of the prober, which has kinds of its own. */
export type ToThread =
  | { readonly kind: 'answered'; readonly id: number; readonly content: object | undefined }
  | { readonly kind: 'ping' }
  | { readonly kind: 'stop' }

export type FromThread =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'requested'; readonly id: number; readonly path: string; readonly request: RouteRequest }
  | { readonly kind: 'counted'; readonly counters: VantageCounters }
  | { readonly kind: 'pong' }
  | { readonly kind: 'stopped' }
