import { startHttpResponder } from '@scout/core'
import { expect, onTestFinished, test } from 'vitest'
import { listenUdp } from '../../../../test/support/servers.ts'
import { startResponders } from '../../src/vantage/vantage.ts'

test('a port that is in use only for UDP is an error, and leaves nothing open', async () => {
  const socket = await listenUdp(() => {}, '127.0.0.1')
  const { port } = socket.address()
  const start = () =>
    startResponders({ host: '127.0.0.1', port, key: '' }, async () => undefined, { paths: {}, bodies: {} })
  await expect(start()).rejects.toThrow('EADDRINUSE')
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed')
  const http = await startHttpResponder({ host: '127.0.0.1', port, document: () => ({}) })
  onTestFinished(() => http.close())
  expect(http.port).toBe(port)
})
