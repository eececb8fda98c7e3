import { connect, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { probe } from '../../src/attempt/prober.ts'
import { outcomeOf } from '../../src/model/failure.ts'
import { startHttpResponder } from '../../src/responders/http.ts'

const connections = 120

describe.for([1, 4, 31, 64, 200])(`${connections} connections or more, from %i addresses,`, (addresses) => {
  test.for(['read slowly', 'read at full speed'])(
    'that ask for /bytes and %s do not keep a peer from its own',
    { timeout: 30_000 },
    async (how) => {
      const { port } = await respond()
      const request = 'GET /bytes?size=1048576 HTTP/1.1\r\nhost: x\r\n\r\n'
      attack({ port, addresses }, (client) => {
        client.write(request)
        client.on('data', () => {
          if (client.bytesRead % (1 << 20) < 1 << 16) client.write(request)
          if (how === 'read at full speed') return
          // One that reads nothing would not notice that it has lost its turn, and would not ask again.
          client.pause()
          setTimeout(() => client.resume(), 200)
        })
      })
      await allAccepted(port)
      for (let i = 0; i < 6; i++)
        expect(
          await probe('http', `127.0.0.1:${port}/bytes?size=100000`, { expectFiller: true, timeoutMs: 3_000 }),
        ).toMatchObject({ ok: true, detail: { bodyBytes: 100_000 } })
    },
  )

  test('that never end an upload do not keep a peer from its own', { timeout: 30_000 }, async () => {
    const { port } = await respond()
    attack({ port, addresses }, neverEndAnUpload)
    await allAccepted(port)
    for (let i = 0; i < 3; i++)
      expect(
        await probe('http', `127.0.0.1:${port}/note`, { method: 'POST', sendBytes: 1_000, timeoutMs: 3_000 }),
      ).toMatchObject({ ok: true })
  })
})

test('what a responder refuses for its own limit is told from other failures, and does not count against the link', async () => {
  const { port } = await respond()
  // A client may have four bodies under way.
  attack({ port, addresses: 1, of: '127.0.0.1', count: 4 }, neverEndAnUpload)
  await allAccepted(port)
  const upload = { method: 'POST', sendBytes: 1_000, timeoutMs: 5_000 } as const
  const result = await probe('http', `127.0.0.1:${port}/note`, { ...upload, expectFiller: true })
  expect(result).toMatchObject({ ok: false, failure: { reason: 'busy' }, detail: { statusCode: 503 } })
  expect(outcomeOf(result)).toBe('inconclusive')
  // Of any other server it is not known what that means.
  expect(await probe('http', `127.0.0.1:${port}/note`, upload)).toMatchObject({
    failure: { reason: 'bad-status', code: '503' },
  })
})

function neverEndAnUpload(client: Socket): void {
  client.resume()
  client.write(`POST /note HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(5_000)}`)
}

async function respond() {
  const responder = await startHttpResponder({
    host: '127.0.0.1',
    port: 0,
    document: () => ({}),
    routes: { '/note': async () => ({}) },
    bodies: { '/note': 100_000 },
  })
  onTestFinished(() => responder.close())
  return responder
}

/** Connections are accepted in order. */
async function allAccepted(port: number): Promise<void> {
  expect(await probe('http', `127.0.0.1:${port}`, { timeoutMs: 10_000 })).toMatchObject({ ok: true })
}

interface Attack {
  readonly port: number
  readonly addresses: number
  /** The only address, if it is one. */
  readonly of?: string
  readonly count?: number
}

/** Opens connections, and others for those that end. */
function attack(
  { port, addresses, of, count = Math.max(addresses, connections) }: Attack,
  act: (client: Socket) => void,
): void {
  const clients = new Set<Socket>()
  let isOver = false
  const open = (index: number) => {
    if (isOver) return
    const client = connect({ host: '127.0.0.1', port, localAddress: of ?? `127.0.1.${1 + (index % addresses)}` })
    clients.add(client)
    client
      .on('error', () => {})
      .once('close', () => {
        clients.delete(client)
        setTimeout(open, 20, index)
      })
    act(client)
  }
  for (let i = 0; i < count; i++) open(i)
  onTestFinished(() => {
    isOver = true
    for (const client of clients) client.destroy()
  })
}
