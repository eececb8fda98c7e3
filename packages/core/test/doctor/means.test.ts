import { expect, test } from 'vitest'
import { watchHandles } from '../../../../test/support/handles.ts'
import { capability, nativePart, testWith, withoutNativePart } from '../../../../test/support/requirements.ts'
import { probe } from '../../src/attempt/prober.ts'
import { describeMeans } from '../../src/doctor/means.ts'
import { probes } from '../../src/probes/index.ts'

test('every probe of the registry has its means or its obstacle, and nothing stays open', async () => {
  const allClosed = await watchHandles()
  const found = describeMeans().probes
  expect(found.map(({ protocol }) => protocol)).toEqual(Object.keys(probes))
  for (const { clocks, obstacle } of found) expect(clocks === undefined).toBe(obstacle !== undefined)
  await allClosed()
})

testWith(nativePart, capability('CAP_NET_RAW'))('the clocks foretold are those a result then has', async () => {
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
)('a process that may do everything is told so', () => {
  const missing = describeMeans().abilities.flatMap(({ name, isGranted }) => (isGranted ? [] : [name]))
  // The group of a process is another matter than its capabilities.
  expect(missing.filter((name) => name !== 'ping sockets')).toEqual([])
})

testWith(withoutNativePart)('without the native part, what it costs is said of each probe', () => {
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
