import { expect, test } from 'vitest'
import { row } from '../../src/mesh/row.ts'
import { idOf, type SeriesKey } from '../../src/mesh/series.ts'
import { failed, rowOf, seriesOf } from './rows.ts'

const key: SeriesKey = { check: 'tcp', path: 'pod', vantage: 'pod', family: 'ipv4', from: 'a', to: 'b' }

test('every part of a key distinguishes series, and adjacent names cannot be confused', () => {
  const others: readonly SeriesKey[] = [
    { ...key, check: 'udp' },
    { ...key, path: 'node' },
    { ...key, vantage: 'host' },
    { ...key, family: 'ipv6' },
    { ...key, from: 'a b', to: undefined },
    { ...key, from: 'a', to: undefined },
    { ...key, from: 'b', to: 'a' },
  ]
  expect(new Set([key, ...others].map(idOf)).size).toBe(others.length + 1)
  expect(idOf({ ...key })).toBe(idOf(key))
})

test('a row survives JSON and its schema unchanged', () => {
  const whole = rowOf('a', [seriesOf({ from: 'a', to: 'b' }), failed({ from: 'a', to: 'c' }, 'timeout')])
  expect(row.parse(JSON.parse(JSON.stringify(whole)))).toEqual(whole)
})

test('a row of a newer agent is read without its unknown parts', () => {
  const { last, ...series } = failed({ from: 'a', to: 'b', path: 'service' }, 'timeout')
  const newer = { ...last, failure: { reason: 'eaten', phase: 'echo', message: 'a future reason' } }
  const parsed = row.parse({ ...rowOf('a', []), series: [{ ...series, last: newer }], weather: 'fine' })
  expect(parsed.series[0]?.last).toMatchObject({ failure: { reason: 'eaten' } })
})
