import {
  type CountersByResponder,
  type HandOver,
  type Prober,
  type ProberOptions,
  type RouteRequest,
  startHttpResponder,
  startOnOnePort,
  startUdpResponder,
  type ThreadResponders,
} from '@scout/core'
import { z } from 'zod'
import { formatGoDateTime } from '../go-time.ts'

/** What a vantage thread is started with. */
export const threadData = z.object({
  responder: z.object({ host: z.string(), port: z.int(), key: z.string() }),
  paths: z.array(z.string()).readonly(),
})

export type ThreadData = z.output<typeof threadData>

export interface VantageOptions {
  readonly responder: { readonly host: string; readonly port: number; readonly key: string }
  /** Paths of the responder that the agent answers itself, with what it returns for a request; 404 when that is nothing. */
  readonly paths: readonly string[]
  readonly onRequest: (path: string, request: RouteRequest) => object | undefined
  readonly onStray: NonNullable<ProberOptions['onStray']>
}

/** A place in the network that is probed from, and that answers: the prober and the responders of one network namespace. */
export interface Vantage {
  readonly prober: Prober
  /** Of the responders, TCP and UDP. */
  readonly port: number
  counters(): CountersByResponder
  /** For how long it has not answered when asked for a sign of life; 0 while it does. */
  silentMs(): number
  /** Rejects when the vantage ended on its own, which an agent does not survive. */
  readonly failed: Promise<never>
  close(): Promise<void>
}

/** Starts the responders of one vantage in this thread, on one port for TCP and UDP. */
export async function startResponders(
  { host, port, key }: VantageOptions['responder'],
  answer: HandOver,
  paths: readonly string[],
): Promise<ThreadResponders> {
  const routes = Object.fromEntries(paths.map((path) => [path, (request: RouteRequest) => answer(path, request)]))
  const [http, udp] = await startOnOnePort(
    port,
    (port) => startHttpResponder({ host, port, document: rootDocument, routes }),
    (port) => startUdpResponder({ host, port, key }),
  )
  return {
    port: http.port,
    counters: () => ({ http: { ...http.counters }, udp: { ...udp.counters } }),
    async close() {
      await Promise.all([http.close(), udp.close()])
    },
  }
}

/** What an agent answers at `/`, on its responder and its console. */
export function rootDocument() {
  return { message: 'connected to scout', time: formatGoDateTime(new Date()) }
}
