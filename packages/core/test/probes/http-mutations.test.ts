import { once } from 'node:events'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { selfSigned } from '../../../../test/support/certificate.ts'
import { watchHandles } from '../../../../test/support/handles.ts'
import { createRandom } from '../../../../test/support/random.mjs'
import { testWith } from '../../../../test/support/requirements.ts'
import { listenTcp } from '../../../../test/support/servers.ts'
import { createProber } from '../../src/attempt/prober.ts'
import { isFailureReason } from '../../src/model/failure.ts'

/*
 * Answers that are almost HTTP. They are made from sound ones by a few random changes, which a seed repeats. With the client that the
 * probe once had, one in twenty ended the process or left its attempt without a result.
 */

const seed = 20_261_128
const answers = 20_000
const atOnce = 50

const samples = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nframes',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\netag: "a"\r\n\r\n',
  'HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nuntil the end',
  'HTTP/1.1 302 Found\r\nlocation: /b\r\nset-cookie: a=b\r\nset-cookie: c=d\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm="x"\r\nkeep-alive: timeout=5\r\ncontent-length: 0\r\n\r\n',
]

/** What changes put in. */
const pieces = [
  '\r\n',
  '\n',
  '\r',
  ' ',
  '\0',
  ':',
  ',',
  ';',
  '\x80',
  '\xff',
  '000',
  '101',
  '99',
  '1000',
  '-1',
  '0x10',
  'HTTP/2',
  'content-length: 3\r\n',
  'content-length: 99999999999999999999\r\n',
  'transfer-encoding: chunked\r\n',
  'upgrade: h2c\r\n',
  'connection: upgrade\r\n',
  'trailer: x\r\n',
  'HTTP/1.1 102 x\r\n\r\n',
  'ffffffffffffffff\r\n',
]

test(`each of ${answers} altered answers becomes a result, and leaves nothing open`, { timeout: 120_000 }, async () => {
  const random = createRandom(seed).ratio
  const port = await listenTcp((socket) =>
    socket.once('data', () => {
      const answer = Buffer.from(alter(pick(samples, random), random), 'latin1')
      const cut = Math.floor(random() * answer.length)
      // In one segment or two, and then with an end or a reset.
      if (random() < 0.5) socket.write(answer.subarray(0, cut))
      const rest = socket.bytesWritten > 0 ? answer.subarray(cut) : answer
      if (random() < 0.9) socket.end(rest)
      else socket.write(rest, () => socket.resetAndDestroy())
    }),
  )
  const allClosed = await watchHandles()
  const prober = createProber()
  const reasons = new Map<string, number>()
  const attemptAll = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const result = await prober.probe('http', `http://127.0.0.1:${port}/`, { timeoutMs: 20_000 })
      const reason = result.ok ? 'ok' : result.failure.reason
      if (!result.ok) expect(isFailureReason(reason)).toBe(true)
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, () => attemptAll(answers / atOnce)))
  prober.close()
  expect([...reasons.values()].reduce((sum, count) => sum + count, 0)).toBe(answers)
  // Different outcomes occur, and the server ends each answer, so that none waits for its deadline.
  expect([...reasons.keys()]).toEqual(expect.arrayContaining(['ok', 'bad-reply', 'bad-status']))
  expect(reasons.get('timeout')).toBeUndefined()
  await allClosed()
})

testWith('openssl')(
  'each of 1000 altered answers of a TLS server becomes a result, too',
  { timeout: 60_000 },
  async () => {
    const random = createRandom(seed).ratio
    const server = createServer(selfSigned('IP:127.0.0.1'), (_, response) => response.end('hello'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    const port = await listenTcp((near) => {
      const far = connect((server.address() as AddressInfo).port, '127.0.0.1')
      near.pipe(far)
      far.on('error', () => near.destroy())
      far.on('end', () => near.end())
      let untilAltered = Math.floor(random() * 4000)
      far.on('data', (bytes) => {
        if (untilAltered < bytes.length) bytes[untilAltered] = Math.floor(random() * 256)
        // A length that became too long leaves this side waiting for the rest, which does not come.
        if (untilAltered < bytes.length) setTimeout(() => near.end(), 20)
        untilAltered -= bytes.length
        near.write(bytes)
      })
      near.on('close', () => far.destroy())
    })
    const prober = createProber()
    const results = new Map<boolean, number>()
    const attemptAll = async () => {
      for (let i = 0; i < 50; i++) {
        const { ok } = await prober.probe('http', `https://127.0.0.1:${port}/`, { insecure: true, timeoutMs: 20_000 })
        results.set(ok, (results.get(ok) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: 20 }, attemptAll))
    prober.close()
    expect((results.get(true) ?? 0) + (results.get(false) ?? 0)).toBe(1000)
    expect(results.get(false)).toBeGreaterThan(100)
  },
)

function alter(answer: string, random: () => number): string {
  let altered = answer
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) {
    const at = Math.floor(random() * (altered.length + 1))
    const until = at + Math.floor(random() * 8)
    const [before, after] = [altered.slice(0, at), altered.slice(until)]
    const kind = Math.floor(random() * 5)
    if (kind === 0) altered = before + after
    else if (kind === 1) altered = before + pick(pieces, random) + altered.slice(at)
    else if (kind === 2) altered = before + pick(pieces, random) + after
    else if (kind === 3) altered = before + altered.slice(at, until).repeat(2) + after
    else altered = before + String.fromCharCode(Math.floor(random() * 256)) + altered.slice(at + 1)
  }
  return altered
}

function pick<T>(of: readonly T[], random: () => number): T {
  const chosen = of[Math.floor(random() * of.length)]
  if (chosen === undefined) throw new Error('nothing to pick from')
  return chosen
}
