import { describe, expect, test } from 'vitest'
import { FailureError } from '../../../src/model/failure.ts'
import type { BytesListener } from '../../../src/net/tcp/bytes.ts'
import { exchangeHttp, type HttpRequest } from '../../../src/net/tcp/http-exchange.ts'
import { nowNs } from '../../../src/time/clock.ts'
import { fillerOf } from '../../../src/wire/filler.ts'

const ok = 'HTTP/1.1 200 OK\r\n'
const hello = `${ok}content-length: 5\r\n\r\nhello`
const chunked = `${ok}transfer-encoding: chunked\r\n\r\n`
const answered = ['sent', 'first byte', 'answered', 'end', 'closed']

describe('a request', () => {
  test('has the path and headers it was given, those with names of Scout instead of its own', async () => {
    const { written } = await start({
      url: new URL('http://scout.example:81/a/b?c=d#e'),
      headers: { host: 'other', 'x-scout': 'é' },
    })
    expect(written()).toBe(
      'GET /a/b?c=d HTTP/1.1\r\nhost: other\r\nconnection: keep-alive\r\nuser-agent: scout\r\nx-scout: é\r\n\r\n',
    )
  })

  test.each([
    ['GET', 0, ''],
    ['DELETE', 0, ''],
    ['POST', 0, 'content-length: 0\r\n'],
    ['PUT', 0, 'content-length: 0\r\n'],
    ['PUT', 7, 'content-length: 7\r\n'],
    ['GET', 7, 'content-length: 7\r\n'],
  ])(
    'of %s with %i bytes states their number where HTTP requires it, and ends with them',
    async (method, sendBytes, field) => {
      const { written } = await start({ method, sendBytes })
      const head = `${method} / HTTP/1.1\r\nhost: scout.example\r\nconnection: keep-alive\r\nuser-agent: scout\r\n${field}\r\n`
      expect(written()).toBe(`${head}${fillerOf(sendBytes).toString()}`)
    },
  )

  test('is sent when the kernel has accepted all of it', async () => {
    const { events, accept } = await start({ sendBytes: 7 }, { isFull: true })
    expect(events).toEqual([])
    accept()
    await turn()
    expect(events).toEqual(['sent'])
  })
})

describe('a response', () => {
  test('is answered, then at its end, and the connection is closed', async () => {
    const { events, response, arrive } = await start()
    expect(response).toEqual({ statusCode: 0, arrivedBytes: 0, bodyBytes: 0, body: Buffer.alloc(0) })
    await arrive(hello)
    expect(events).toEqual(answered)
    expect(response).toMatchObject({ statusCode: 200, arrivedBytes: hello.length, bodyBytes: 5, lengthBytes: 5 })
  })

  test('was answered when its first byte arrived, and its status is known with its head', async () => {
    const { events, response, arrive, answeredAtNs } = await start()
    const beforeNs = nowNs()
    await arrive('H')
    const afterNs = nowNs()
    expect(events).toEqual(['sent', 'first byte'])
    await arrive('TTP/1.1 204 No Content\r\n')
    expect([answeredAtNs() > beforeNs, answeredAtNs() < afterNs]).toEqual([true, true])
    expect([events, response.statusCode]).toEqual([['sent', 'first byte', 'answered'], 0])
    await arrive('\r\n')
    expect([events, response.statusCode]).toEqual([answered, 204])
  })

  test.each([
    ['whose length is stated', hello],
    ['in chunks', `${chunked}3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nx: y\r\n\r\n`],
    [
      'whose length is stated, too, in chunks',
      `${ok}content-length: 9\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    ],
    ['behind a large head', `${ok}x: ${'x'.repeat(100_000)}\r\ncontent-length: 5\r\n\r\nhello`],
    ['behind hints', `HTTP/1.1 103 Early Hints\r\n\r\n${hello}`],
    ['followed by what does not belong to it', `${hello}garbage`],
  ])('ends with its body %s', async (_, answer) => {
    const { events, response, arrive } = await start({ keepBytes: 9 })
    await arrive(answer)
    expect(new Set(events.slice(-3))).toEqual(new Set(['answered', 'end', 'closed']))
    expect(response.body.toString()).toBe('hello')
  })

  test('whose length is not stated ends with the connection, whose end may be reported twice', async () => {
    const { events, response, arrive, connection } = await start()
    await arrive(`${ok}\r\nhello`)
    expect(events).toEqual(['sent', 'first byte', 'answered'])
    connection.onEnd()
    connection.onEnd()
    connection.onBytes(Buffer.from('more'))
    await turn()
    expect(new Set(events.slice(3))).toEqual(new Set(['end', 'closed']))
    expect(response.bodyBytes).toBe(5)
  })

  test('is complete though its connection is reset behind it', async () => {
    const { events, arrive, connection } = await start()
    await arrive(hello.slice(0, -1))
    connection.onBytes(Buffer.from('o'))
    connection.onError(reset())
    await turn()
    expect(events.filter((event) => event instanceof Error)).toEqual([])
    expect(events).toContain('end')
  })

  test.each([
    [0, ''],
    [3, 'hel'],
    [4, 'hell'],
    [9, 'hello'],
  ])('of several pieces is kept up to %i bytes, and counted as a whole', async (keepBytes, kept) => {
    const { response, arrive } = await start({ keepBytes })
    for (const part of [`${chunked}3\r\nhel\r\n`, '1\r\nl\r\n', '1\r\no\r\n', '0\r\n\r\n']) await arrive(part)
    expect([response.body.toString(), response.bodyBytes]).toEqual([kept, 5])
  })

  test('of a responder is searched for the first altered byte, if that is asked for', async () => {
    const offsetIn = async (body: Buffer, expectFiller = true) => {
      const { response, arrive } = await start({ expectFiller })
      await arrive(`${ok}content-length: ${body.length}\r\n\r\n`)
      for (let at = 0; at < body.length; at += 10) await arrive(body.subarray(at, at + 10).toString('latin1'))
      expect(response.bodyBytes).toBe(body.length)
      return response.alteredAt
    }
    const altered = fillerOf(40)
    expect(await offsetIn(altered)).toBeUndefined()
    for (const at of [17, 23, 35]) altered[at] = 0
    expect(await offsetIn(altered)).toBe(17)
    expect(await offsetIn(altered, false)).toBeUndefined()
  })
})

describe('a response is a bad reply', () => {
  test('if it has more than maxBytes, heads included', async () => {
    const maxBytes = hello.length
    const whole = await start({ maxBytes })
    await whole.arrive(hello)
    expect(whole.events).toEqual(answered)
    const { events, response, arrive } = await start({ maxBytes: maxBytes - 1 })
    await arrive(hello.slice(0, -2))
    await arrive('lo')
    expect(failureIn(events)).toEqual('bad-reply: scout.example sent more than 42 bytes, the limit of maxBytes')
    expect(events).toContain('closed')
    expect(response.bodyBytes).toBe(3)
  })

  test('if its heads are too large, or have a status that does not exist', async () => {
    for (const [head, message] of [
      ['x'.repeat(300_000), 'sent more than 256 KiB'],
      ['000 x\r\n\r\n', 'answered with status 000'],
    ] as const) {
      const { events, arrive } = await start()
      await arrive(`HTTP/1.1 ${head}`)
      expect(failureIn(events)).toContain(message)
      expect(events).toContain('closed')
    }
  })

  test('as soon as its body is longer than expected, whatever came with it', async () => {
    const { events, response, arrive } = await start({ expectBytes: 2, keepBytes: 9 })
    await arrive(`${chunked}2\r\nab\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n`)
    expect(failureIn(events)).toBe('bad-reply: scout.example sent more than the expected 2 bytes of a body')
    expect(events).toContain('closed')
    expect(response.body.toString()).toBe('abc')
    for (const length of [1, 2]) {
      const within = await start({ expectBytes: 2 })
      await within.arrive(`${ok}content-length: ${length}\r\n\r\n${'x'.repeat(length)}`)
      expect(within.events).toEqual(answered)
    }
  })

  test('if its body comes in more than 16384 pieces, and one more for each 256 bytes', async () => {
    const piecesOf = async (count: number, last = '') => {
      const exchange = await start()
      await exchange.arrive(`${chunked}${'1\r\nx\r\n'.repeat(count)}${last}0\r\n\r\n`)
      return exchange
    }
    // The last one makes it 65 times 256 bytes in as many pieces as they may have.
    expect((await piecesOf(16_448, `c0\r\n${'x'.repeat(192)}\r\n`)).events).toEqual(answered)
    const { events, response } = await piecesOf(17_000)
    expect(failureIn(events)).toBe(
      'bad-reply: scout.example sent 16449 bytes of a body in 16449 pieces, which is too many',
    )
    expect(events).toContain('closed')
    expect(response.bodyBytes).toBe(16_449)
  })

  test('if it switches protocols', async () => {
    const { events, arrive } = await start()
    await arrive('HTTP/1.1 101 x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')
    expect(failureIn(events)).toBe('bad-reply: scout.example switched protocols, which was not requested')
  })

  test('if it is not HTTP, with what the parser says and its error as the cause', async () => {
    const { events, arrive } = await start()
    await arrive('SSH-2.0-OpenSSH_9.2\r\n')
    expect(failureIn(events)).toBe(
      'bad-reply: scout.example sent a response that is not valid HTTP/1.1: Expected HTTP/, RTSP/ or ICE/',
    )
    expect(events.find((event) => event instanceof Error)).toMatchObject({ cause: { code: 'HPE_INVALID_CONSTANT' } })
  })

  test.each([
    ['before it', '', ''],
    ['within its body', `${ok}content-length: 9\r\n\r\nabc`, ': it sent status 200 and 3 of 9 bytes of a body'],
    [
      'within its last body',
      `${ok}connection: close\r\ncontent-length: 9\r\n\r\nabc`,
      ': it sent status 200 and 3 of 9 bytes of a body',
    ],
    ['within its chunks', `${chunked}9\r\nabc`, ': it sent status 200 and 3 bytes of a body without its end'],
  ])('if the connection ends %s', async (_, part, after) => {
    const { events, arrive, connection } = await start()
    if (part !== '') await arrive(part)
    connection.onEnd()
    await turn()
    expect(failureIn(events)).toBe(
      `bad-reply: scout.example closed the connection before the response was complete${after}`,
    )
    expect(events).not.toContain('end')
  })

  test('if the connection ends within its head, which the parser reads so far', async () => {
    const { events, arrive, connection } = await start()
    await arrive('HTTP/1.1 2x')
    connection.onEnd()
    await turn()
    expect(failureIn(events)).toBe(
      'bad-reply: scout.example sent a response that is not valid HTTP/1.1: Invalid status code',
    )
  })
})

describe('an error of the connection', () => {
  test.each([
    ['instead of a response', ''],
    ['within a body whose length is stated', `${ok}content-length: 9\r\n\r\nabc`],
    ['within a body whose length is not stated', `${ok}\r\nabc`],
    ['within chunks', `${chunked}9\r\nabc`],
  ])('%s is reported as it is, and not as an end', async (_, part) => {
    const { events, arrive, connection } = await start()
    if (part !== '') await arrive(part)
    const error = reset()
    connection.onError(error)
    await turn()
    expect(events.find((event) => event === 'end' || event instanceof Error)).toBe(error)
    expect(events).toContain('closed')
  })

  test('of TLS after the handshake is a failure of TLS with the name of the host', async () => {
    const { events, connection } = await start({ url: new URL('https://scout.example:81/') })
    connection.onError(Object.assign(new Error('write EPROTO'), { code: 'ERR_SSL_CERTIFICATE_REQUIRED' }))
    await turn()
    expect(failureIn(events)).toMatch(/^tls: cannot establish TLS with scout\.example: /)
  })

  test.each([
    ['has no code', {}],
    ['is no reset, and of no system call', { code: 'EHOSTUNREACH', errno: -113 }],
  ])('that %s is reported as it is', async (_, more) => {
    const { events, connection } = await start()
    const error = Object.assign(new Error('a defect'), more)
    connection.onError(error)
    await turn()
    expect(events.find((event) => event instanceof Error)).toBe(error)
  })

  test('of a write is reported as it is', async () => {
    const { events, accept } = await start({ sendBytes: 7 }, { isFull: true })
    const error = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' })
    accept(error)
    await turn()
    expect(events.find((event) => event instanceof Error)).toBe(error)
    expect(events).not.toContain('sent')
  })
})

/** Starts a request over a connection in memory, whose other end is the test. A full one accepts nothing until `accept`. */
async function start(request: Partial<HttpRequest> = {}, { isFull = false } = {}) {
  const events: unknown[] = []
  const sent: Uint8Array[] = []
  const waiting: ((error?: Error) => void)[] = []
  const connections: BytesListener[] = []
  let answeredAtNs = 0
  const response = exchangeHttp(
    (listener) => {
      connections.push(listener)
      return {
        write(bytes, written) {
          sent.push(Uint8Array.from(bytes))
          if (isFull) waiting.push(written)
          else written()
        },
        markAnswer: () => void events.push('first byte'),
        close: () => void events.push('closed'),
      }
    },
    {
      url: new URL('http://scout.example/'),
      method: 'GET',
      headers: {},
      sendBytes: 0,
      keepBytes: 0,
      maxBytes: 1 << 20,
      expectFiller: false,
      ...request,
    },
    {
      onSent: () => void events.push('sent'),
      onAnswered(atNs) {
        answeredAtNs = atNs
        events.push('answered')
      },
      onEnd: () => void events.push('end'),
      onError: (error) => void events.push(error),
    },
  )
  const [connection] = connections
  if (connection === undefined) throw new Error('an exchange opens its connection at once')
  await turn()
  return {
    events,
    response,
    connection,
    answeredAtNs: () => answeredAtNs,
    written: () => Buffer.concat(sent).toString('latin1'),
    accept(error?: Error) {
      isFull = false
      for (const written of waiting.splice(0)) written(error)
    },
    async arrive(bytes: string) {
      connection.onBytes(Buffer.from(bytes, 'latin1'))
      await turn()
    },
  }
}

/** Lets everything happen that does not wait for anything outside of this process. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function failureIn(events: readonly unknown[]): string | undefined {
  const error = events.find((event) => event instanceof FailureError)
  return error === undefined ? undefined : `${error.reason}: ${error.message}`
}

function reset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' })
}
