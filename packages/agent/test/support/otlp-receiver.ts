import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import { collect } from '../../../../test/support/collect.ts'
import { decodedMetrics, type ReceivedMetrics } from './otlp-message.ts'

/** One export. */
export interface Received extends ReceivedMetrics {
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

type Answer = (response: ServerResponse) => void

export interface OtlpReceiver {
  readonly endpoint: string
  readonly port: number
  readonly received: readonly Received[]
  /** Largest number of requests that waited for an answer at once. */
  mostAtOnce(): number
  /** Sets the answer to later requests. */
  answer(answer: Answer): void
}

/** Accepts everything. */
export function accept(response: ServerResponse): void {
  response.setHeader('content-type', 'application/x-protobuf')
  response.end()
}

/** Starts a receiver of metrics by OTLP over HTTP until the test ends. It accepts what it gets. */
export async function startOtlpReceiver(at = 0): Promise<OtlpReceiver> {
  const received: Received[] = []
  let answer: Answer = accept
  let waiting = 0
  let mostAtOnce = 0
  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    waiting++
    mostAtOnce = Math.max(mostAtOnce, waiting)
    response.once('close', () => {
      waiting--
    })
    const { url: path = '', headers } = request
    const body = Buffer.concat(await collect<Buffer>(request))
    const message = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
    received.push({ path, headers, ...decodedMetrics(message) })
    answer(response)
  }
  const server = createServer((request, response) => {
    // A sender that stops in the middle of a request closes its connection.
    receive(request, response).catch((error: unknown) => {
      if (!request.destroyed) throw error
    })
  })
  await once(server.listen(at, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}/v1/metrics`,
    port,
    received,
    mostAtOnce: () => mostAtOnce,
    answer(next) {
      answer = next
    },
  }
}
