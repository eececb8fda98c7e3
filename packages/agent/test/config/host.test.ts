import { expect } from 'vitest'
import { testWith } from '../../../../test/support/requirements.ts'
import { loadConfig } from '../../src/config/config.ts'
import { anyAddress } from '../../src/config/host.ts'
import { temporaryFolder, writeTemporary } from '../support/temporary.ts'

const test = testWith({ isMet: process.platform === 'linux', reason: 'needs /proc/net of Linux' })

test('accepts both families if the kernel has IPv6, with or without an address', async () => {
  expect(anyAddress(await writeTemporary('if_inet6', ''))).toBe('::')
})

test('accepts IPv4 if the kernel has no IPv6', async () => {
  expect(anyAddress(`${await temporaryFolder()}/if_inet6`)).toBe('0.0.0.0')
})

test('is the default address to listen on', () => {
  const { console, responder } = loadConfig({ environment: { SCOUT_CONSOLE_HOST: '::1' }, flags: [] }).config
  expect([console.host, responder.host]).toEqual(['::1', anyAddress()])
})
