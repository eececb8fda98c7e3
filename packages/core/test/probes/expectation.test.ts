import { describe, expect, test } from 'vitest'
import { FailureError } from '../../src/model/failure.ts'
import { bytesToSend, expectationOf, expectOption, sendOption, shown } from '../../src/probes/expectation.ts'

describe('what is sent', () => {
  test.for<[written: string, bytes: readonly number[]]>([
    ['', []],
    ['PING', [0x50, 0x49, 0x4e, 0x47]],
    [String.raw`a\r\n\t\0\\`, [0x61, 13, 10, 9, 0, 0x5c]],
    [String.raw`\xff\x00é`, [0xff, 0, 0xc3, 0xa9]],
    [String.raw`\\x41`, [0x5c, 0x78, 0x34, 0x31]],
    ['hex:0d0A', [13, 10]],
    ['hex:de ad be:ef', [0xde, 0xad, 0xbe, 0xef]],
    ['/usr/', [0x2f, 0x75, 0x73, 0x72, 0x2f]],
  ])('written as %s is %o', ([written, bytes]) => {
    expect(sendOption.safeParse(written).success).toBe(true)
    expect([...bytesToSend(written)]).toEqual(bytes)
  })

  test.for(['hex:', 'hex:0', 'hex:xy', String.raw`\q`, String.raw`\x4`, '\\'])('cannot be written as %s', (written) => {
    expect(sendOption.safeParse(written).success).toBe(false)
    expect(expectOption.safeParse(written).success).toBe(false)
  })
})

describe('what is expected', () => {
  test.for<[written: string, answer: string, isMet: boolean]>([
    ['', '', true],
    ['+PONG', '+PONG\r\n', true],
    ['+PONG', 'PONG', false],
    [String.raw`\r\n`, 'a\r\n', true],
    ['hex:0a', 'a\r\n', true],
    ['/^220 .*smtp/i', '220 mail ESMTP\r\n', true],
    ['/^220 /', '421 220 ', false],
    ['/^größe$/', 'größe', true],
    ['/usr', '/usr/bin', true],
  ])('as %s is in %o: %s', ([written, answer, isMet]) => {
    expect(expectOption.safeParse(written).success).toBe(true)
    const expectation = expectationOf(written)
    // The same attempt may ask again, with more of its answer.
    for (let i = 0; i < 2; i++) expect(expectation(Buffer.from(answer))).toBe(isMet)
  })

  test.for(['/(/', '/a/g', '/usr/bin'])('cannot be %s, which is not a valid expression', (written) => {
    expect(expectOption.safeParse(written).success).toBe(false)
  })

  test('is searched for a limited time, even if the answer makes the expression take for ever', () => {
    const expectation = expectationOf('/^(a+)+$/')
    const hostile = Buffer.from(`${'a'.repeat(60)}b`)
    const startMs = performance.now()
    for (let i = 0; i < 5; i++) expect(() => expectation(hostile)).toThrow(FailureError)
    expect(performance.now() - startMs).toBeLessThan(2_000)
  })
})

test('an answer is shown in printable characters', () => {
  expect(shown(Buffer.from('\x1b[31m"é"\r\n\\'))).toBe(String.raw`"\x1b[31m\"\xc3\xa9\"\r\n\\"`)
  expect(shown(Buffer.alloc(100, 'x'))).toBe(`"${'x'.repeat(40)}"…`)
})
