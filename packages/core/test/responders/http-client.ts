import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { type HttpServer, type HttpServerOptions, startHttpServer } from '../../src/responders/http-server.ts'

/** A connection to a server, and what has come from it so far. */
export interface Client {
  readonly client: Socket
  readonly text: () => string
}

/** Opens a connection, until the end of the test. */
export async function open(port: number, localAddress = '127.0.0.1'): Promise<Client> {
  const client = connect({ host: '127.0.0.1', port, localAddress })
  let received = ''
  client.on('error', () => {})
  client.setEncoding('latin1').on('data', (chunk: string) => {
    received += chunk
  })
  await once(client, 'connect')
  onTestFinished(() => void client.destroy())
  return { client, text: () => received }
}

/** Starts a server that answers every request with `ok`, until the end of the test. */
export async function serve(options: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  const server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    mostConnections: 100,
    answerMostMs: 10_000,
    answer: ({ response }) => void response.end('ok'),
    ...options,
  })
  onTestFinished(() => server.close(0))
  return server
}
