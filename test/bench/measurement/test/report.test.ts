import { describe, expect, test } from 'vitest'
import { readOptions } from '../src/report/options.ts'
import { verdictOf } from '../src/report/ratios.ts'
import { formatNumber } from '../src/report/table.ts'

test.each([
  [0, '0.00'],
  [0.0054, '0.0054'],
  [0.01, '0.010'],
  [-0.054, '-0.054'],
  [0.054, '0.054'],
  [0.5, '0.50'],
  [9.876, '9.88'],
  [98.76, '98.8'],
  [987.6, '988'],
  [61_495.4, '61495'],
])('the number %d is written as %s', (number, text) => {
  expect(formatNumber(number)).toBe(text)
})

describe('--only', () => {
  const wanted = (pattern: readonly string[]) => {
    const { isWanted } = readOptions(pattern, { rounds: 3 })
    return ['scout: icmp', 'fping: icmp', 'scout: icmp, busy'].filter((name) => {
      const [tool = '', condition = ''] = name.split(': ')
      return isWanted(tool, condition)
    })
  }

  test('leaves out the cells that its pattern does not match', () => {
    expect(wanted([])).toHaveLength(3)
    expect(wanted(['--only', 'icmp$'])).toEqual(['scout: icmp', 'fping: icmp'])
    expect(wanted(['--only', '^scout: icmp$'])).toEqual(['scout: icmp'])
  })

  test('is refused where it makes no sense', () => {
    expect(() => wanted(['--only', '('])).toThrow('--only takes a regular expression, not (')
    expect(() => wanted(['--only', 'icmp', '--write'])).toThrow(
      '--write puts all figures into the document: leave out --only',
    )
  })
})

test('a limit without a figure is not measured, and neither held nor missed', () => {
  const ratio = { figure: 'ICMP', against: 'fping', limit: 0.5 }
  expect(verdictOf(ratio)).toBe('not measured')
  expect(verdictOf({ ...ratio, measured: 0.5 })).toBe('held')
  expect(verdictOf({ ...ratio, measured: 0.51 })).toBe('missed')
})
