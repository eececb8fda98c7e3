import {
  type Prober,
  type ProberOptions,
  type ResponderCounters,
  type RouteRequest,
  startHttpResponder,
  startUdpResponder,
} from '@scout/core'
import { formatGoDateTime } from './go-time.ts'

export interface VantageOptions {
  readonly responder: { readonly host: string; readonly port: number; readonly key: string }
  /** Paths of the responder that the agent answers itself, with what it returns for a request; 404 when that is nothing. */
  readonly paths: readonly string[]
  readonly onRequest: (path: string, request: RouteRequest) => object | undefined
  readonly onStray: NonNullable<ProberOptions['onStray']>
}

export type VantageCounters = Readonly<Record<string, Readonly<ResponderCounters>>>

/** A place in the network that is probed from, and that answers: the prober and the responders of one network namespace. */
export interface Vantage {
  readonly prober: Prober
  /** Of the responders, TCP and UDP. */
  readonly port: number
  counters(): VantageCounters
  /** For how long it has not answered when asked for a sign of life; 0 while it does. */
  silentMs(): number
  /** Rejects when the vantage ended on its own, which an agent does not survive. */
  readonly failed: Promise<never>
  close(): Promise<void>
}

type Answer = (path: string, request: RouteRequest) => Promise<object | undefined>

/** The responders of one vantage, in this thread. */
export async function startResponders(listen: VantageOptions['responder'], answer: Answer, paths: readonly string[]) {
  const { http, udp } = await listenTwice(listen, answer, paths)
  return {
    port: http.port,
    counters: (): VantageCounters => ({ http: { ...http.counters }, udp: { ...udp.counters } }),
    async close() {
      await Promise.all([http.close(), udp.close()])
    },
  }
}

/** On one port for TCP and UDP. */
async function listenTwice({ host, port, key }: VantageOptions['responder'], answer: Answer, paths: readonly string[]) {
  for (let attempt = 1; ; attempt++) {
    const http = await startHttpResponder({
      host,
      port,
      document: reference,
      routes: Object.fromEntries(paths.map((path) => [path, (request: RouteRequest) => answer(path, request)])),
    })
    try {
      return { http, udp: await startUdpResponder({ host, port: http.port, key }) }
    } catch (error) {
      await http.close()
      // The host chose a port that is free for TCP, and may choose another.
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (port !== 0 || !isTaken || attempt === 20) throw error
    }
  }
}

/** What an agent answers at `/`, on its responder and its console. */
export function reference() {
  return { message: 'connected to scout', time: formatGoDateTime(new Date()) }
}
