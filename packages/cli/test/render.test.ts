import { describe, expect, test } from 'vitest'
import { detailText } from '../src/render/detail.ts'
import { renderTable } from '../src/render/table.ts'
import { fold } from '../src/render/words.ts'

describe('fold', () => {
  test('breaks between words and indents the continuation', () => {
    expect(fold('one two three four', 9, '  ')).toEqual(['one two', '  three', '  four'])
  })

  test('keeps the indentation of a line, and overlong words', () => {
    expect(fold('    a supercalifragilistic word', 10)).toEqual(['    a', 'supercalifragilistic', 'word'])
  })

  test('does not count colour codes', () => {
    expect(fold('\x1b[31mred\x1b[39m and dead', 12)).toEqual(['\x1b[31mred\x1b[39m and dead'])
  })
})

describe('a table', () => {
  const columns = [
    { title: 'NAME', align: 'left' },
    { title: 'SIZE', align: 'right' },
    { title: '', align: 'left' },
  ] as const
  const rows = [
    [{ text: 'http' }, { text: '5' }, { text: 'a sentence that is too long for one line' }],
    [{ text: 'http-large' }, { text: '100000', paint: (text: string) => `<${text}>` }, { text: '' }],
  ]

  test('is as wide as its cells, and folds its last column with a hanging indent', () => {
    expect(renderTable(columns, rows, 44)).toMatchInlineSnapshot(`
      "NAME          SIZE
      http             5  a sentence that is too
                          long for one line
      http-large  <100000>
      "
    `)
  })

  test('keeps a row on one line without a maximum width', () => {
    expect(renderTable(columns, rows).split('\n')).toHaveLength(4)
  })
})

describe('the detail of an unknown probe', () => {
  test('is rendered by the shape of its values', () => {
    const detail = {
      payloadBytes: 64,
      sequence: 7,
      hopCount: 3,
      isTruncated: true,
      isAuthoritative: false,
      ttl: undefined,
      residenceNs: 12_500,
      lostForth: 0,
      lostBack: 2,
      note: 'two words',
      hops: [
        { address: '10.0.0.1', ms: 1 },
        { address: '10.0.0.2', ms: 2 },
      ],
      options: { df: true },
    }
    expect(detailText(detail)).toEqual({
      bytes: 64,
      facts: ['hop-count=3', 'truncated', 'residence=12.5µs', 'lost-back=2', 'hops=2', 'options={"df":true}'],
      lines: ['two words', '10.0.0.1 1', '10.0.0.2 2'],
    })
  })

  test('does not show the segment size of a connection as received bytes', () => {
    expect(detailText({ segmentBytes: 1448 })).toEqual({ bytes: undefined, facts: ['segment-bytes=1448'], lines: [] })
  })

  test('shows rates in their unit', () => {
    expect(detailText({ forthBitsPerSecond: 991_234 }).facts).toEqual(['forth-rate=991kbit/s'])
  })

  test('can be empty', () => {
    expect(detailText(undefined)).toEqual({ bytes: undefined, facts: [], lines: [] })
  })

  test('cannot send control characters to a terminal', () => {
    const { facts, lines } = detailText({ server: '\x1b[2J', text: 'a\tb \x9b0m\nsecond', list: ['\x07'] })
    expect([...facts, ...lines].join('')).not.toMatch(/\p{Cc}/u)
    expect(lines).toContain('second')
  })
})
