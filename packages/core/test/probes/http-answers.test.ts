import { execFile } from 'node:child_process'
import type { Socket } from 'node:net'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { watchHandles } from '../../../../test/support/handles.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { listenTcp } from '../../../../test/support/servers.ts'
import { probe } from '../../src/attempt/prober.ts'
import { catalogue } from '../../src/checks/catalogue.ts'
import { fillerOf } from '../../src/wire/filler.ts'

const ok = 'HTTP/1.1 200 OK\r\n'
const hello = `${ok}content-length: 5\r\n\r\nhello`

/** Answers that servers and proxies do send, and that clients accept. */
const sound: readonly (readonly [what: string, answer: string])[] = [
  ['an unrequested 100 before it', `HTTP/1.1 100 Continue\r\n\r\n${hello}`],
  ['hints before it', `HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n${hello}`],
  ['ten informational responses before it', `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(10)}${hello}`],
  ['a length in a 304', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n'],
  ['a length in a 204', 'HTTP/1.1 204 No Content\r\ncontent-length: 500\r\n\r\n'],
  ['its length twice', `${ok}Content-Length: 5\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello`],
  ['its length twice in one field', `${ok}content-length: 5, 5\r\n\r\nhello`],
  ['a length before chunks', `${ok}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`],
  ['a length behind chunks', `${ok}transfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n5\r\nhello\r\n0\r\n\r\n`],
  ['a header of 16 KiB', `${ok}x: ${'x'.repeat(16 << 10)}\r\ncontent-length: 5\r\n\r\nhello`],
  ['headers of 64 KiB', `${ok}${`set-cookie: ${'x'.repeat(1010)}\r\n`.repeat(64)}content-length: 5\r\n\r\nhello`],
  ['lines that end without CR', 'HTTP/1.1 200 OK\ncontent-length: 5\n\nhello'],
  ['no reason phrase', 'HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello'],
  ['the version 1.0', 'HTTP/1.0 200 OK\r\n\r\nhello'],
]

describe('an answer may have', () => {
  test.for(sound)('%s', async ([, answer]) => {
    const port = await answerWith(answer)
    const result = await probe('http', `127.0.0.1:${port}`)
    expect(result).toMatchObject({ ok: true })
    expect(Object.keys(result.phasesNs)).toEqual(['connect', 'write', 'server', 'transfer'])
  })

  testWith('curl')('whatever curl accepts, with the same status and size', async () => {
    for (const [what, answer] of sound) {
      const port = await answerWith(answer)
      const args = ['-s', '-o', '/dev/null', '-w', '%{http_code} %{size_download}', `http://127.0.0.1:${port}/`]
      const { stdout } = await promisify(execFile)('curl', args)
      const [statusCode, bodyBytes] = stdout.split(' ').map(Number)
      expect({ what, ...(await probe('http', `127.0.0.1:${port}`)) }).toMatchObject({
        what,
        ok: true,
        detail: { statusCode, bodyBytes },
      })
    }
  })

  test('any of these in segments of one byte', async () => {
    const short = sound.filter(([, answer]) => answer.length < 300)
    expect(short.length).toBeGreaterThan(5)
    for (const [what, answer] of short) {
      const port = await listenTcp((socket) => socket.setNoDelay().once('data', () => drip(socket, answer)))
      expect({ what, ...(await probe('http', `127.0.0.1:${port}`)) }).toMatchObject({ what, ok: true })
    }
  })
})

test('what a server does before the final response is its own time, even if it sends hints meanwhile', async () => {
  const thinkMs = 80
  const port = await listenTcp((socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 103 Early Hints\r\n\r\n')
      setTimeout(() => socket.end(hello), thinkMs)
    }),
  )
  const { server = 0, transfer = 0 } = (await probe('http', `127.0.0.1:${port}`)).phasesNs
  expect(server / 1e6 / thinkMs).toBeGreaterThan(0.9)
  expect(transfer).toBeLessThan(server / 4)
})

test('a server that only sends hints fails in its own phase', async () => {
  const port = await listenTcp((socket) => socket.once('data', () => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n')))
  expect(await probe('http', `127.0.0.1:${port}`, { timeoutMs: 100 })).toMatchObject({
    failure: { reason: 'timeout', phase: 'server' },
  })
})

test('a server that answers early and then reads the rest of the request has no server phase', async () => {
  const port = await listenTcp((socket) => {
    socket.pause()
    socket.write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\n')
    // The request waits for room until here, and is complete before the answer is.
    setTimeout(() => socket.resume().on('end', () => {}), 50)
    let readBytes = 0
    socket.on('data', (bytes) => {
      readBytes += bytes.length
      if (readBytes > 16 << 20) socket.end('no')
    })
    socket.pause()
  })
  const options = { method: 'POST', sendBytes: 16 << 20, status: '413' } as const
  const result = await probe('http', `127.0.0.1:${port}`, options)
  expect(result).toMatchObject({ ok: true, detail: { statusCode: 413, bodyBytes: 2 } })
  expect(Object.keys(result.phasesNs)).toEqual(['connect', 'write', 'transfer'])
})

test.for(catalogue.flatMap((check) => (check.protocol === 'http' ? [check] : [])))(
  'the default check $name reads little more than it expects of a body without end',
  async (check) => {
    const port = await listenTcp((socket) => {
      socket.once('data', () => {
        socket.write(`${ok}\r\n`)
        pour(socket, fillerOf(16_386).toString())
      })
    })
    const result = await probe('http', `127.0.0.1:${port}`, { ...check.options })
    const failure = {
      reason: 'bad-reply',
      message: expect.stringMatching(/more than (81920|the expected 100000) bytes/),
    }
    expect(result).toMatchObject({ failure })
  },
)

test('an answer may be as long as maxBytes, and no longer', async () => {
  const port = await answerWith(hello)
  const maxBytes = hello.length
  expect(await probe('http', `127.0.0.1:${port}`, { maxBytes })).toMatchObject({ ok: true })
  expect(await probe('http', `127.0.0.1:${port}`, { maxBytes: maxBytes - 1 })).toMatchObject({
    failure: {
      reason: 'bad-reply',
      message: `127.0.0.1:${port} sent more than ${maxBytes - 1} bytes, the limit of maxBytes`,
    },
  })
})

test('a long body may have more pieces than a short one', async () => {
  const chunks = 16_500
  const port = await answerWith(`${ok}transfer-encoding: chunked\r\n\r\n${'8\r\n12345678\r\n'.repeat(chunks)}0\r\n\r\n`)
  expect(await probe('http', `127.0.0.1:${port}`)).toMatchObject({ ok: true, detail: { bodyBytes: 8 * chunks } })
})

test.for<[what: string, part: string, sent: string]>([
  ['headers', `${ok}content-`, '25 bytes, which do not complete the response headers'],
  ['hints', 'HTTP/1.1 103 Early Hints\r\n\r\n', '28 bytes, which do not complete the response headers'],
  ['a body of known length', `${ok}content-length: 9\r\n\r\nok`, 'status 200 and 2 of 9 bytes of a body'],
  ['a body of unknown length', `${ok}\r\nok`, 'status 200 and 2 bytes of a body without its end'],
  ['chunks', `${ok}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n`, 'status 200 and 2 bytes of a body without its end'],
])('a failure in the middle of %s says what arrived and what did not', async ([what, part, sent]) => {
  const waits = await listenTcp((socket) => socket.once('data', () => socket.write(part)))
  expect(await probe('http', `127.0.0.1:${waits}`, { timeoutMs: 1_000 })).toMatchObject({
    failure: {
      reason: 'timeout',
      message: `no answer within 1000 ms that is complete: 127.0.0.1:${waits} sent ${sent}`,
    },
  })
  if (what === 'a body of unknown length') return // a close is its end
  const closes = await answerWith(part)
  expect(await probe('http', `127.0.0.1:${closes}`)).toMatchObject({
    failure: {
      reason: 'bad-reply',
      message: `127.0.0.1:${closes} closed the connection before the response was complete: it sent ${sent}`,
    },
  })
})

describe('fails as bad-reply for', () => {
  test.for<[what: string, answer: string, message: string]>([
    ['a status below 100', 'HTTP/1.1 000 \r\nContent-Length: 2\r\n\r\nok', 'answered with status 000'],
    ['lengths that differ', `${ok}content-length: 2\r\ncontent-length: 3\r\n\r\nok!`, 'Duplicate Content-Length'],
    ['a line that is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'is not valid HTTP/1.1'],
    ['a negative length', `${ok}content-length: -1\r\n\r\nok`, 'is not valid HTTP/1.1'],
    ['an end within it', `${ok}content-length: 9\r\n\r\nok`, 'closed the connection before the response was complete'],
    [
      'another protocol',
      'HTTP/1.1 101 x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      'switched protocols, which was not requested',
    ],
  ])('%s', async ([, answer, message]) => {
    const port = await answerWith(answer)
    expect(await probe('http', `127.0.0.1:${port}`)).toMatchObject({
      failure: { reason: 'bad-reply', message: expect.stringContaining(message) },
    })
  })

  test.for<[what: string, start: string, more: string, limit: string, mostBytes: number]>([
    ['a body without end', `${ok}\r\n`, 'x'.repeat(1000), 'more than 4194304 bytes, the limit of maxBytes', 4 << 20],
    [
      'chunks without end',
      `${ok}transfer-encoding: chunked\r\n\r\n`,
      '1\r\nx\r\n',
      'pieces, which is too many',
      256 << 10,
    ],
    [
      'empty chunk extensions without end',
      `${ok}transfer-encoding: chunked\r\n\r\n1;`,
      'x'.repeat(1000),
      'Chunk extensions overflow',
      256 << 10,
    ],
    ['trailers without end', `${ok}transfer-encoding: chunked\r\n\r\n0\r\n`, 'a: b\r\n', 'overflow', 1 << 20],
    ['informational responses without end', '', 'HTTP/1.1 102 Processing\r\n\r\n', 'more than 256 KiB', 256 << 10],
    ['a status line without end', 'HTTP/1.1 200 ', 'x'.repeat(1000), 'more than 256 KiB', 256 << 10],
    ['a header without end', `${ok}x: `, 'x'.repeat(1000), 'more than 256 KiB', 256 << 10],
    ['headers without end', ok, `x: ${'x'.repeat(1000)}\r\n`, 'more than 256 KiB', 256 << 10],
    ['empty lines without end', '', '\r\n'.repeat(500), 'more than 256 KiB', 256 << 10],
  ])('%s, long before its deadline', async ([, start, more, limit, mostBytes]) => {
    const sockets: Socket[] = []
    const port = await listenTcp((socket) => {
      sockets.push(socket)
      socket.once('data', () => {
        socket.write(start)
        pour(socket, more.repeat(Math.ceil(16_384 / more.length)))
      })
    })
    const allClosed = await watchHandles()
    const timeoutMs = 20_000
    const result = await probe('http', `127.0.0.1:${port}`, { timeoutMs })
    expect(result).toMatchObject({ failure: { reason: 'bad-reply', message: expect.stringContaining(limit) } })
    expect(result.totalNs / 1e6 / timeoutMs).toBeLessThan(0.5)
    // What was written more than that lies in the buffers of both kernels.
    expect(sockets[0]?.bytesWritten).toBeLessThan(mostBytes + (16 << 20))
    await allClosed()
  })

  test('a body that exceeds the expected size, and ignores what came with it', async () => {
    const chunks = '1\r\nx\r\n'.repeat(5)
    const port = await answerWith(`${ok}transfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`)
    expect(await probe('http', `127.0.0.1:${port}`, { expectBytes: 1 })).toMatchObject({
      failure: { reason: 'bad-reply' },
      detail: { statusCode: 200, bodyBytes: 2 },
    })
  })

  test('a body that exceeds the expected size, as soon as it does', async () => {
    const port = await listenTcp((socket) =>
      socket.once('data', () => socket.write(`${ok}\r\n`, () => pour(socket, 'x'.repeat(1000)))),
    )
    expect(await probe('http', `127.0.0.1:${port}`, { expectBytes: 100_000 })).toMatchObject({
      failure: { reason: 'bad-reply', message: expect.stringContaining('more than the expected 100000 bytes') },
    })
  })
})

describe('the large check', () => {
  const [{ options } = { options: undefined }] = catalogue.flatMap((check) =>
    check.name === 'http-large' ? [check] : [],
  )
  const size = options?.expectBytes ?? 0
  const body = fillerOf(size)
  const altered = Buffer.from(body)
  altered[99_990] = 0

  test('passes with the whole body of a responder', async () => {
    const port = await answerWith(Buffer.concat([Buffer.from(`${ok}content-length: ${size}\r\n\r\n`), body]))
    expect(await probe('http', `127.0.0.1:${port}`, options)).toMatchObject({ ok: true, detail: { bodyBytes: size } })
  })

  test.for<[what: string, head: string, body: Buffer, message: string]>([
    ['an empty body', `${ok}content-length: 0`, Buffer.alloc(0), 'a body of 0 bytes, expected 100000'],
    ['a short body', `${ok}content-length: 99999`, body.subarray(1), 'a body of 99999 bytes, expected 100000'],
    [
      'a redirect',
      'HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0',
      Buffer.alloc(0),
      'status 302 and a body of 0',
    ],
    ['an altered body', `${ok}content-length: ${size}`, altered, 'a body whose byte 99990 is not that of a responder'],
    ['a shifted body', `${ok}content-length: ${size}`, Buffer.concat([body.subarray(1), Buffer.from('s')]), 'byte 0'],
  ])('fails with %s', async ([, head, sent, message]) => {
    const port = await answerWith(Buffer.concat([Buffer.from(`${head}\r\n\r\n`), sent]))
    expect(await probe('http', `127.0.0.1:${port}`, options)).toMatchObject({
      failure: { reason: 'bad-reply', message: expect.stringContaining(message) },
    })
  })
})

async function answerWith(answer: string | Buffer): Promise<number> {
  return listenTcp((socket) => socket.once('data', () => socket.end(answer)))
}

function drip(socket: Socket, text: string): void {
  if (text === '') return void socket.end()
  socket.write(text.slice(0, 1), () => setImmediate(drip, socket, text.slice(1)))
}

function pour(socket: Socket, text: string): void {
  while (!socket.destroyed && socket.write(text));
  socket.once('drain', () => pour(socket, text))
}
