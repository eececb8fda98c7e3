import { expect } from 'vitest'
import { testWith } from '../../../../test/support/requirements.ts'
import { loadConfig } from '../../src/config/config.ts'
import { anyAddress } from '../../src/config/host.ts'
import { temporaryFolder, writeTemporary } from '../support/temporary.ts'

const test = testWith({ isMet: process.platform === 'linux', reason: 'needs /proc/net of Linux' })

test('takes both families where the kernel has IPv6, be there an address or none', async () => {
  expect(anyAddress(await writeTemporary('if_inet6', ''))).toBe('::')
})

test('takes IPv4 where the kernel has no IPv6', async () => {
  expect(anyAddress(`${await temporaryFolder()}/if_inet6`)).toBe('0.0.0.0')
})

test('is where an agent listens unless it is told otherwise', () => {
  const { console, responder } = loadConfig({ environment: { SCOUT_CONSOLE_HOST: '::1' }, flags: [] }).config
  expect([console.host, responder.host]).toEqual(['::1', anyAddress()])
})
