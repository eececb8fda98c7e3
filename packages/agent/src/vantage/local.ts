import { createProber } from '@scout/core'
import { startResponders, type Vantage, type VantageOptions } from './vantage.ts'

/** Starts a vantage in the main thread, for hosts without the native part: raw-socket works only there. */
export async function startLocalVantage({
  responder,
  paths,
  bodies,
  onRequest,
  ...options
}: VantageOptions): Promise<Vantage> {
  const responders = await startResponders(responder, async (path, request) => onRequest(path, request), {
    paths,
    bodies,
  })
  const prober = createProber(options)
  return {
    prober,
    hasThread: false,
    port: responders.port,
    counters: responders.counters,
    arrivals: responders.arrivals,
    silentMs: () => 0,
    failed: new Promise(() => {}),
    async close() {
      prober.close()
      await responders.close()
    },
  }
}
