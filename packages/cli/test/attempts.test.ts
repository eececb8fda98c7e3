import { expect, test } from 'vitest'
import { listenTcp } from '../../../test/support/servers.ts'
import { runCli } from './support/run-cli.ts'

test('an attempt that ends after its successor keeps its number', async () => {
  let requests = 0
  let answerFirst = () => {}
  const answer = 'HTTP/1.1 204 No Content\r\n\r\n'
  const port = await listenTcp((socket) => {
    socket.once('data', () => {
      if (requests++ === 0) answerFirst = () => socket.end(answer)
      else socket.end(answer)
    })
  })
  // The second is answered first; its line is the sign to answer the first.
  const { out } = await runCli(['http', `http://127.0.0.1:${port}/`, '-c', '2', '-i', '100ms'], {
    onOutput: (text) => {
      if (text.includes('seq=2')) answerFirst()
    },
  })
  expect(out.match(/seq=\d+/g)).toEqual(['seq=2', 'seq=1'])
})
