import { describe, expect, test } from 'vitest'
import { FailureError } from '../../../src/model/failure.ts'
import { mostHeadBytes, readHeads } from '../../../src/net/tcp/http-heads.ts'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello'
const hints = 'HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n'

describe('a response', () => {
  test.each([
    ['whose lines end with CR LF', ok],
    ['whose lines end with LF', 'HTTP/1.1 200 OK\ncontent-length: 5\n\nhello\n\n'],
    ['whose lines end in different ways', 'HTTP/1.1 200 OK\r\nx: y\n\r\nhello'],
    ['with a CR that ends nothing', 'HTTP/1.1 200 OK\r\n\rx: y\r\n\r\nhello'],
    ['of another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['that switches protocols', 'HTTP/1.1 101 x\r\nupgrade: x\r\n\r\nframes'],
    ['without a status', 'HTTP/1.1\r\n\r\nhello'],
    ['that ends where its status would be', 'HTTP/1\n\nhello'],
    ['with a status of letters', 'HTTP/1.1 1xx x\r\n\r\nhello'],
  ])('%s reaches the parser byte for byte, in any two segments', (_, response) => {
    for (let cut = 1; cut <= response.length; cut++) {
      const { heads, events } = start()
      const parsed = [...pieces(response, cut)].map((piece) => text(heads.read(piece))).join('')
      expect({ cut, parsed, events }).toEqual({ cut, parsed: response, events: ['first byte', 'final'] })
      expect(text(heads.rest())).toBe('')
    }
  })

  test('behind informational ones and empty lines reaches the parser without them, in segments of any size', () => {
    const all = `\r\n\n${hints}\r\nHTTP/1.1 100\n\n${ok}`
    for (let size = 1; size <= all.length; size++) {
      const { heads, events } = start()
      const parsed = [...segments(all, size)].map((segment) => text(heads.read(segment))).join('')
      expect({ size, parsed }).toEqual({ size, parsed: ok })
      expect(events).toEqual(['first byte', 'first byte', 'first byte', 'final'])
    }
  })

  test('that arrives with its whole head is not copied', () => {
    for (const before of ['', '\r\n', hints]) {
      const bytes = Buffer.from(before + ok)
      const parsed = start().heads.read(bytes)
      expect([parsed.buffer, parsed.byteOffset]).toEqual([bytes.buffer, bytes.byteOffset + before.length])
    }
  })

  test('is the final one as soon as its status is known, and reaches the parser when its head has ended', () => {
    const { heads, events } = start()
    expect(text(heads.read(Buffer.from('HTTP/1.1 20')))).toBe('')
    expect(events).toEqual(['first byte'])
    expect(text(heads.read(Buffer.from('0')))).toBe('')
    expect(events).toEqual(['first byte', 'final'])
    expect(text(heads.read(Buffer.from(' OK\r\n\r\nh')))).toBe('HTTP/1.1 200 OK\r\n\r\nh')
    expect(events).toEqual(['first byte', 'final'])
  })

  test('is the final one as soon as its status is known, though more has come with it', () => {
    const { heads, events } = start()
    heads.read(Buffer.from('HTTP/1.1 2'))
    heads.read(Buffer.from('00 OK'))
    expect(events).toEqual(['first byte', 'final'])
  })

  test.each(['HTTP/1.1 200 OK\r\n\rx', 'HTTP/1.1 200 OK\nx\n', 'HTTP/1.1 200 OK\n\r'])(
    'has not ended before an empty line: %j',
    (response) => {
      expect(read(response)).toBe('')
    },
  )

  test('is the final one as soon as it cannot be HTTP, and reaches the parser at once', () => {
    const { heads, events } = start()
    expect(text(heads.read(Buffer.from('HTT')))).toBe('')
    expect(events).toEqual(['first byte'])
    expect(text(heads.read(Buffer.from('X')))).toBe('HTTX')
    expect(events).toEqual(['first byte', 'final'])
    expect(text(heads.read(Buffer.from('\r\ncontent-length: 1\r\n')))).toBe('\r\ncontent-length: 1\r\n')
  })

  test('is left to the parser from the end of its head: what looks like another one is its body', () => {
    const { heads, events } = start()
    heads.read(Buffer.from(ok))
    expect(text(heads.read(Buffer.from(`\r\n${hints}`)))).toBe(`\r\n${hints}`)
    expect(events).toEqual(['first byte', 'final'])
  })

  test('that the connection ends within is returned so far, and only once', () => {
    const { heads } = start()
    for (const piece of [hints, 'HTTP/1.1 2', '00 OK\r\ncont']) heads.read(Buffer.from(piece))
    expect(text(heads.rest())).toBe('HTTP/1.1 200 OK\r\ncont')
    expect(text(heads.rest())).toBe('')
  })

  test('of which only empty lines have arrived has not begun', () => {
    const { heads, events } = start()
    expect(text(heads.read(Buffer.from('\r\n\r\n')))).toBe('')
    expect([text(heads.rest()), events]).toEqual(['', []])
  })

  test.each(['000', '099'])('with status %s is a bad reply', (status) => {
    expect(failureOf(`HTTP/1.1 ${status} x\r\n\r\n`)).toMatchObject({
      reason: 'bad-reply',
      message: `scout.example answered with status ${status}, which HTTP does not have`,
    })
  })
})

describe('the limit of all heads', () => {
  const headOf = (size: number) => {
    const [start, end] = ['HTTP/1.1 200 OK\r\nx: ', '\r\n\r\n']
    return start + 'x'.repeat(size - start.length - end.length) + end
  }

  test.each([
    ['one head', ''],
    ['informational responses and a head', hints.repeat(2)],
    ['empty lines and a head', '\r\n'.repeat(10)],
  ])('counts %s, and no byte of a body', (_, before) => {
    const body = 'x'.repeat(mostHeadBytes)
    const head = headOf(mostHeadBytes - before.length)
    const { heads } = start()
    expect(heads.read(Buffer.from(before + head + body))).toHaveLength(head.length + body.length)
    expect(heads.read(Buffer.from(body))).toHaveLength(body.length)
    expect(failureOf(before + headOf(mostHeadBytes + 1 - before.length))).toMatchObject({
      reason: 'bad-reply',
      message: 'scout.example sent more than 256 KiB before the end of the response headers',
    })
  })

  test('holds before a head has ended, too', () => {
    const { heads } = start()
    heads.read(Buffer.from(headOf(mostHeadBytes).slice(0, -4)))
    heads.read(Buffer.from('xxxx'))
    expect(() => heads.read(Buffer.from('x'))).toThrow('more than 256 KiB')
  })
})

describe('a length', () => {
  const between = (fields: string) => `HTTP/1.1 200 OK\r\na: b\r\n${fields}c: d\r\n\r\n`

  test.each([
    ['in two fields', 'Content-Length: 5\r\nserver: x\r\ncontent-length: 5\r\n', 'content-length: 5\r\nserver: x\r\n'],
    ['in one field', 'content-length: 15, 15\r\n', 'content-length: 15\r\n'],
    ['in one field without spaces', 'content-length:5,5,5\r\n', 'content-length: 5\r\n'],
    ['with spaces around it', 'content-length \t: 5\r\ncontent-length:\t5 \r\n', 'content-length: 5\r\n'],
    ['in lines that end with LF', 'content-length: 5\ncontent-length: 5\n', 'content-length: 5\r\n'],
  ])('that is repeated %s is stated once, where it was stated first', (_, fields, once) => {
    for (const body of ['', 'hello\r\ncontent-length: 5\r\n'])
      expect(read(between(fields) + body)).toBe(between(once) + body)
    // In segments, the head is whole only in the end.
    const { heads } = start()
    const parsed = [...segments(between(fields), 7)].map((segment) => text(heads.read(segment))).join('')
    expect(parsed).toBe(between(once))
  })

  test.each([
    ['is stated once', 'content-length: 5\r\n'],
    ['is stated once in other letters and spaces', 'Content-LENGTH :  5 \r\n'],
    ['differs from another one', 'content-length: 5\r\ncontent-length: 6\r\n'],
    ['differs within a list', 'content-length: 5, 5, 6\r\n'],
    ['is written in another way the second time', 'content-length: 5\r\ncontent-length: 05\r\n'],
    ['begins with a digit', 'content-length: 5x\r\ncontent-length: 5x\r\n'],
    ['ends with a digit', 'content-length: -5\r\ncontent-length: -5\r\n'],
    ['is empty', 'content-length:\r\ncontent-length:\r\n'],
    ['is that of something else', 'x-content-length: 5\r\nx-content-length: 5\r\n'],
    ['is of a field with a longer name', 'content-length-x: 5\r\ncontent-length-x: 5\r\n'],
    ['is one of bytes outside of ASCII', 'x: \xe9\r\ncontent-length: 5\r\n'],
  ])('that %s is left to the parser', (_, fields) => {
    expect(read(between(fields))).toBe(between(fields))
  })

  test('that is repeated leaves what is that of something else as it is', () => {
    const other = 'x-content-length: 1\r\n'
    expect(read(between(`${other}content-length: 5, 5\r\n`))).toBe(between(`${other}content-length: 5\r\n`))
  })

  test('that is repeated leaves bytes outside of ASCII as they are', () => {
    expect(read(between('x: \xe9\r\ncontent-length: 5, 5\r\n'))).toBe(between('x: \xe9\r\ncontent-length: 5\r\n'))
  })

  test('that is repeated is left to the parser in what is not HTTP', () => {
    const other = 'ICY 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n'
    expect(read(other)).toBe(other)
  })
})

function start() {
  const events: string[] = []
  const heads = readHeads('scout.example', {
    onFirstByte: () => events.push('first byte'),
    onFinal: () => events.push('final'),
  })
  return { heads, events }
}

function read(response: string): string {
  return text(start().heads.read(Buffer.from(response, 'latin1')))
}

function failureOf(response: string): unknown {
  try {
    read(response)
  } catch (error) {
    expect(error).toBeInstanceOf(FailureError)
    return error
  }
  throw new Error('it was read')
}

function text(bytes: Buffer): string {
  return bytes.toString('latin1')
}

function pieces(response: string, cut: number): readonly Buffer[] {
  return [response.slice(0, cut), response.slice(cut)].map((piece) => Buffer.from(piece, 'latin1'))
}

function segments(response: string, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(response.length / size) }, (_, index) =>
    Buffer.from(response.slice(index * size, (index + 1) * size), 'latin1'),
  )
}
