import { startHttpResponder } from '@scout/core'
import { expect, onTestFinished, test } from 'vitest'
import { listenUdp } from '../../../../test/support/servers.ts'
import { startResponders } from '../../src/vantage/vantage.ts'

test('a port that is in use only for UDP is an error, and leaves nothing open', async () => {
  // An address of its own: at that of all others, somebody may have the port for TCP.
  const host = '127.53.7.1'
  const socket = await listenUdp(() => {}, host)
  const { port } = socket.address()
  const start = () => startResponders({ host, port, key: '' }, async () => undefined, { paths: {}, bodies: {} })
  await expect(start()).rejects.toThrow('EADDRINUSE')
  await expect(fetch(`http://${host}:${port}/`)).rejects.toThrow('fetch failed')
  const http = await startHttpResponder({ host, port, document: () => ({}) })
  onTestFinished(() => http.close())
  expect(http.port).toBe(port)
})
