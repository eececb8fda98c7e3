import { expect, test } from 'vitest'
import { watchHandles } from '../../../../test/support/handles.ts'
import { capability, nativePart, testWith, withoutNativePart } from '../../../../test/support/requirements.ts'
import { probe } from '../../src/attempt/prober.ts'
import { describeMeans } from '../../src/doctor/means.ts'
import { probes } from '../../src/probes/index.ts'

test('every probe of the registry has means or an obstacle, and no handle stays open', async () => {
  const allClosed = await watchHandles()
  const found = describeMeans().probes
  expect(found.map(({ protocol }) => protocol)).toEqual(Object.keys(probes))
  for (const { clocks, obstacle } of found) expect(clocks === undefined).toBe(obstacle !== undefined)
  await allClosed()
})

testWith(nativePart, capability('CAP_NET_RAW'))('results have the predicted clocks', async () => {
  const found = describeMeans().probes.find(({ protocol }) => protocol === 'icmp')
  expect(found).toEqual({
    protocol: 'icmp',
    provider: 'native',
    means: 'raw socket',
    clocks: { tx: 'kernel', rx: 'kernel' },
  })
  expect((await probe('icmp', '127.0.0.1')).clock).toEqual(found?.clocks)
})

testWith(
  nativePart,
  capability('CAP_SYS_ADMIN'),
  capability('CAP_NET_RAW'),
  capability('CAP_NET_ADMIN'),
)('a process with all privileges has every ability granted', () => {
  const missing = describeMeans().abilities.flatMap(({ name, isGranted }) => (isGranted ? [] : [name]))
  // The group of a process is independent of its capabilities.
  expect(missing.filter((name) => name !== 'ping sockets')).toEqual([])
})

testWith(withoutNativePart)('without the native part, each probe has a remark on the cost', () => {
  const found = describeMeans().probes.filter(({ obstacle }) => obstacle === undefined)
  for (const { clocks, remark } of found) {
    expect(clocks).toEqual({ tx: 'user', rx: 'user' })
    expect(remark).toContain('times include event loop delays')
  }
  expect(describeMeans().probes.find(({ protocol }) => protocol === 'syn')).toMatchObject({
    provider: 'none',
    means: 'not supported',
    obstacle: { reason: 'not-supported' },
  })
})
