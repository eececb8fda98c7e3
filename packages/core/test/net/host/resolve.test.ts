import { describe, expect, onTestFinished, test } from 'vitest'
import { namespaces, startInNamespace } from '../../../../../test/support/child.ts'
import { testWith } from '../../../../../test/support/requirements.ts'
import { literalEndpoint, resolveBySystem } from '../../../src/net/host/resolve.ts'

describe('an address', () => {
  test.for([
    ['127.0.0.1', '127.0.0.1', 'ipv4'],
    ['::1', '::1', 'ipv6'],
    ['0:0:0:0:0:0:0:1', '::1', 'ipv6'],
    ['FD00:0::A', 'fd00::a', 'ipv6'],
    ['fe80:0::1%eth0', 'fe80::1%eth0', 'ipv6'],
    ['::ffff:127.0.0.1', '127.0.0.1', 'ipv4'],
  ] as const)('%s is its own endpoint, in the form %s', ([host, address, family]) => {
    expect(literalEndpoint(host, 'any', 80)).toEqual({ host, address, family, port: 80 })
  })

  test('has no port if the protocol has none', () => {
    expect(literalEndpoint('127.0.0.1', 'any', undefined)).not.toHaveProperty('port')
  })

  test('of the wrong family is unresolved', () => {
    expect(() => literalEndpoint('127.0.0.1', 'ipv6', 80)).toThrow(
      expect.objectContaining({
        reason: 'unresolved',
        message: '127.0.0.1 is an IPv4 address, but IPv6 was requested',
      }),
    )
  })

  test('is not a name', () => {
    expect(literalEndpoint('localhost', 'any', 80)).toBeUndefined()
  })
})

describe('a name', () => {
  test('is resolved as by applications on this host', async () => {
    expect(await resolveBySystem('localhost', 'ipv4')).toEqual({ address: '127.0.0.1', family: 'ipv4' })
  })

  testWith('ip', namespaces)('is unresolved if no server answers', async () => {
    const child = await startInNamespace()
    onTestFinished(() => child.close())
    const result = await child.probe('tcp', 'scout.example:80')
    expect(result).toMatchObject({ ok: false, failure: { reason: 'unresolved', phase: 'resolve', code: 'EAI_AGAIN' } })
    expect(result.ok ? '' : result.failure.message).toMatchInlineSnapshot(
      `"cannot resolve scout.example to an address: EAI_AGAIN (no name server answered: check /etc/resolv.conf and try "scout-probe dns")"`,
    )
  })
})
