import {
  type Arrivals,
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

/** Input of a vantage thread. */
export const threadData = z.object({
  responder: z.object({ host: z.string(), port: z.int(), key: z.string() }),
  paths: z.record(z.string(), z.string()),
  bodies: z.record(z.string(), z.int()),
  maxInFlight: z.int(),
})

export type ThreadData = z.output<typeof threadData>

export interface VantageOptions {
  readonly responder: { readonly host: string; readonly port: number; readonly key: string }
  /** Responder paths that `onRequest` answers, with the method that each needs; undefined means 404. */
  readonly paths: Readonly<Record<string, string>>
  /** Largest body in bytes, by path of those that take one. */
  readonly bodies: Readonly<Record<string, number>>
  readonly onRequest: (path: string, request: RouteRequest) => object | undefined | Promise<object | undefined>
  readonly onStray: NonNullable<ProberOptions['onStray']>
  readonly onResults: NonNullable<ProberOptions['onResults']>
  /** Maximum number of attempts of tasks in flight. */
  readonly maxInFlight: number
}

/** A place in the network that sends probes and answers them: the prober and the responders of one network namespace. */
export interface Vantage {
  readonly prober: Prober
  /** Whether it has a thread of its own, so that searches and bursts delay nothing else. */
  readonly hasThread: boolean
  /** Port of the responders, TCP and UDP. */
  readonly port: number
  counters(): CountersByResponder
  /** Returns from where its UDP responder has had requests, as of a second ago at most. */
  arrivals(): Arrivals
  /** Returns for how long its heartbeat has been overdue; 0 while it answers. */
  silentMs(): number
  /** Rejects when the vantage ends unexpectedly, which also ends the agent. */
  readonly failed: Promise<never>
  close(): Promise<void>
}

/** Starts the responders of one vantage in this thread, on one port for TCP and UDP. */
export async function startResponders(
  { host, port, key }: VantageOptions['responder'],
  answer: HandOver,
  { paths, bodies }: Pick<VantageOptions, 'paths' | 'bodies'>,
): Promise<ThreadResponders> {
  const routes = Object.fromEntries(
    Object.keys(paths).map((path) => [path, (request: RouteRequest) => answer(path, request)]),
  )
  const [http, udp] = await startOnOnePort(
    port,
    (port) => startHttpResponder({ host, port, document: rootDocument, routes, methods: paths, bodies }),
    (port) => startUdpResponder({ host, port, key }),
  )
  return {
    port: http.port,
    counters: () => ({ http: { ...http.counters }, udp: { ...udp.counters } }),
    arrivals: udp.arrivals,
    async close() {
      await Promise.all([http.close(), udp.close()])
    },
  }
}

/** Returns the document at `/`, on the responder and the console. */
export function rootDocument() {
  return { message: 'connected to scout', time: formatGoDateTime(new Date()) }
}
