import type { AnyResult } from '@scout/core'
import { expect, test } from 'vitest'
import { createLedger, type SeriesKey } from '../src/ledger.ts'
import { peerOf } from './support/snapshots.ts'

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

function keyOf(name: string): SeriesKey {
  return { check, peer: peerOf({ name }), target: '10.0.0.2:8081', family: 'ipv4' }
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
