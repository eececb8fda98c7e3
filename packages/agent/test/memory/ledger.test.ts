import type { AnyResult } from '@scout/core'
import { expect, test } from 'vitest'
import { createLedger, type SeriesKey } from '../../src/memory/ledger.ts'
import { failureOf, peerOf } from '../support/snapshots.ts'

const check = { name: 'tcp', protocol: 'tcp', target: '{host}:{port}', options: {} } as const

test('keeps the durations of peers that are gone, by check, family and zone, and nothing else of them', () => {
  const ledger = createLedger()
  const keys = (...names: readonly string[]) => new Map(names.map((name) => [name, keyOf(name)]))
  ledger.setSeries(keys('a', 'b', 'c'))
  for (const name of ['a', 'b']) ledger.record(name, success(2_000_000), true)
  ledger.setSeries(keys('c'))
  expect([...ledger.series.keys()]).toEqual(['c'])
  expect(ledger.departed).toMatchObject([
    { check: 'tcp', protocol: 'tcp', family: 'ipv4', zone: 'zone-b', sumNs: 4_000_000 },
  ])
  expect(ledger.departed[0]?.buckets.reduce((sum, count) => sum + count, 0)).toBe(2)

  ledger.record('c', success(1_000_000), true)
  ledger.setSeries(keys())
  expect(ledger.departed).toMatchObject([{ sumNs: 5_000_000 }])
})

test('keeps the counts of a peer that is gone with one of its node, and forgets them with the last', () => {
  const ledger = createLedger()
  const onOne = (...names: readonly string[]) => names.map((name): [string, SeriesKey] => [name, keyOf(name)])
  const elsewhere: [string, SeriesKey] = ['elsewhere', keyOf('elsewhere', 'node-3')]
  ledger.setSeries(new Map([...onOne('a', 'b'), elsewhere]))
  for (const name of ['a', 'b', 'elsewhere']) ledger.record(name, success(1_000_000), true)
  ledger.record('a', failureOf('timeout'), true)
  ledger.record('b', failureOf('not-permitted'), true)
  ledger.setSeries(new Map([...onOne('b', 'c'), elsewhere]))
  ledger.setSeries(new Map([...onOne('c'), elsewhere]))
  expect(ledger.series.get('c')).toMatchObject({
    attempts: 0,
    inherited: { successes: 2, failures: { timeout: 1 }, unable: { 'not-permitted': 1 } },
  })
  ledger.setSeries(new Map([...onOne('d'), elsewhere]))
  expect(ledger.series.get('d')?.inherited).toEqual({
    successes: 2,
    failures: { timeout: 1 },
    unable: { 'not-permitted': 1 },
  })
  expect(ledger.series.get('elsewhere')?.inherited).toBeUndefined()

  ledger.setSeries(new Map([elsewhere]))
  ledger.setSeries(new Map([...onOne('d'), elsewhere]))
  expect(ledger.series.get('d')?.inherited).toBeUndefined()
})

test.each(['not-permitted', 'not-supported'] as const)('counts %s apart from the failures', (reason) => {
  const ledger = createLedger()
  ledger.setSeries(new Map([['a', keyOf('a')]]))
  ledger.record('a', failureOf(reason), true)
  expect(ledger.series.get('a')).toMatchObject({
    attempts: 1,
    failures: {},
    unable: { [reason]: 1 },
    recentFailures: [],
    isFailing: false,
  })
})

function keyOf(name: string, node = 'node-2'): SeriesKey {
  return { check, peer: peerOf({ name, node }), target: '10.0.0.2:8081', family: 'ipv4' }
}

function success(totalNs: number): AnyResult {
  return {
    protocol: 'tcp',
    target: '10.0.0.2:8081',
    startedAtMs: 0,
    phasesNs: { connect: totalNs },
    totalNs,
    clock: { tx: 'user', rx: 'user' },
    ok: true,
    detail: { isResetAtOnce: false },
  }
}
