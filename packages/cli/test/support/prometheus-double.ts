import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export type Respond = (request: IncomingMessage, response: ServerResponse) => void

/** Starts a server that answers every query in this way; returns its port. */
export async function serve(respond: Respond): Promise<number> {
  const server = createServer(respond)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return portOf(server.address())
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

export const say =
  (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Respond =>
  (_, response) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text)
  }

export interface Given {
  readonly metric: Readonly<Record<string, string>>
  readonly value: number | string
}

/** Answers as Prometheus does, each query by the first key that it contains. */
export const answers =
  (byPart: Readonly<Record<string, readonly Given[]>>, requests: IncomingMessage[] = []): Respond =>
  (request, response) => {
    requests.push(request)
    const query = new URL(request.url ?? '', 'http://x').searchParams.get('query') ?? ''
    const [, found = []] = Object.entries(byPart).find(([part]) => query.includes(part)) ?? []
    const result = found.map(({ metric, value }) => ({ metric, value: [0, String(value)] }))
    say(200, { status: 'success', data: { resultType: 'vector', result } })(request, response)
  }

export const agent = (node: string, more: Readonly<Record<string, string>> = {}): Given => ({
  metric: { node, instance: `${node}:8080`, ...more },
  value: Date.now() / 1000,
})
